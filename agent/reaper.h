/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* PID 1's duty: every child that ends is waited for, whether it is one of ours or an orphan handed to us. */

#include <sys/types.h>

#include "common/base/loop.h"

/* STATUS is that of waitpid(2). Called for orphans too. */
typedef void (*ReaperFn)(pid_t pid, int status, void *user);

typedef struct Reaper {
        LoopSource *watch;
        ReaperFn fn;
        void *user;
} Reaper;

int reaper_start(Reaper *reaper, Loop *loop, ReaperFn fn, void *user, Error *err);
