/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "common/base/error.h"

/* What "PROGRAM --version" says, on standard output and error, for the program at this path below ROOT (host-root.h). It
 * gets five seconds. Owned by the caller; NULL with err set if it cannot be started. */
char *program_version(int root, const char *program, Error *err);
