/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files of the kernel whose reading or writing can take for ever. A write to a driver's `unbind` returns when the driver
 * has let go of the device, and a driver may wait for the last user of it; all that is asked of the device meanwhile
 * (driver_override, reset) waits behind that, and nothing wakes such a process up. So a child does it, which holds nothing of
 * ours, and is left behind when it takes too long; what is left dies with us as soon as the kernel lets it.
 */

#include "common/base/error.h"

/* One write(2) of TEXT into the existing file PATH below ROOT (host-root.h). ETIMEDOUT after TIMEOUT_MS: it may still
 * happen. The error begins with the path. */
int watched_write(int root, const char *path, const char *text, int timeout_ms, Error *err);

/* First line of a small file, without its newline; owned by the caller. */
int watched_read_line(int root, const char *path, int timeout_ms, char **ret, Error *err);
