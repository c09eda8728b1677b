/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Warnings of commands that engines call with the container's own standard error: there they would land in the
 * container's log. So they are shown in a log file or on a terminal, or when FOREGROUND says that a person waits. */

#include <stdbool.h>

void show_warnings(char *const *warnings, bool foreground);
