/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Patterns of paths, as in glob(7), without what glob(3) brings along (users' home folders). */

#include <stddef.h>

#define PATH_PATTERN_MAX 256U /* matches; more are left out */

/* Existing paths that match the absolute PATTERN, sorted; a Strv owned by the caller, NULL if there are none. '*' and '?'
 * match neither a slash nor a dot at the beginning of a name. */
char **path_pattern_expand(const char *pattern);
