/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The signals a stand-in for a process passes on: all that can be caught and that a sender may mean for it. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/loop.h"

/* When each was passed on last, now_usec(). */
typedef struct SignalTimes {
        uint64_t usec[65];
} SignalTimes;

/*
 * Whether the signal is one that was passed on just now. Who signals all processes of a job (Slurm, a person's `kill` of a
 * process group) sends one to `carrel run`, which hands it on, and one to the shim: the program is to get one. Signals
 * that are not queued may be lost in this way with any program; those of real time are never.
 */
bool signals_repeated(SignalTimes *times, uint32_t signal_);

/* In a child that becomes QEMU or virtiofsd: what is sent to all processes of the container is meant for its program.
 * Signals that end a process, other than SIGKILL and those of its own mistakes, are blocked for good. */
void signals_block(void);

/* Reports them, SIGCHLD and SIGWINCH on the loop; ignores SIGPIPE. */
int signals_catch(Loop *loop, LoopSignalFn fn, void *user, Error *err);
