/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The guest's console as a bounded file in the state folder: what is beyond the limit pushes the oldest half out. The
 * bytes come from the guest and are kept as they are; whoever prints them makes them harmless. */

#include "common/base/loop.h"

typedef struct Console Console;

/* Reads FD (taken over) until its end into NAME in the folder STATE_DIR, at most LIMIT bytes. */
int console_new(Loop *loop, int fd, int state_dir, const char *name, uint64_t limit, Console **ret,
                Error *err);
Console *console_free(Console *console);
DEFINE_CLEANUP(Console *, console_free);

/* Reads what is there now (the guest has ended; the loop may not have seen its last words). */
void console_drain(Console *console);

/* The last lines, of a panic also those that say its cause, at most MAX bytes before control characters are escaped; lines
 * joined with " | "; "" if nothing was said. Owned by the caller. */
char *console_tail(const Console *console, size_t max);
