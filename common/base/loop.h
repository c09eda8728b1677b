/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A small event loop: descriptors, one-shot timers, signals. Level-triggered epoll, one thread, no priorities.
 *
 * Sources are owned by the loop and freed with it; loop_source_free() ends one earlier and may be called from any
 * callback, its own included. Descriptors are borrowed: whoever added one closes it after freeing the source.
 * A descriptor that epoll refuses (regular files, /dev/null) counts as always ready.
 */

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

typedef struct Loop Loop;
typedef struct LoopSource LoopSource;

typedef void (*LoopFdFn)(LoopSource *source, int fd, uint32_t events, void *user);
typedef void (*LoopTimerFn)(LoopSource *source, void *user);
typedef void (*LoopSignalFn)(LoopSource *source, const struct signalfd_siginfo *info, void *user);

int loop_new(Loop **ret, Error *err);
Loop *loop_free(Loop *loop);
DEFINE_CLEANUP(Loop *, loop_free);

/* EVENTS: EPOLLIN, EPOLLOUT, 0 (only EPOLLHUP and EPOLLERR are then reported). */
int loop_add_fd(Loop *loop, int fd, uint32_t events, LoopFdFn fn, void *user, LoopSource **ret, Error *err);
void loop_source_set_events(LoopSource *source, uint32_t events);

/* Fires once, USEC microseconds from now; the source is freed after its callback. RET may be NULL. */
void loop_add_timer(Loop *loop, uint64_t usec, LoopTimerFn fn, void *user, LoopSource **ret);

/* Blocks the signals of SET in this thread and reports them. */
int loop_add_signals(Loop *loop, const sigset_t *set, LoopSignalFn fn, void *user, LoopSource **ret,
                     Error *err);

LoopSource *loop_source_free(LoopSource *source);

/* Runs until loop_quit(); returns its status (>= 0) or a negative error of epoll_wait(2). */
int loop_run(Loop *loop, Error *err);
void loop_quit(Loop *loop, int status);

/* CLOCK_BOOTTIME in microseconds: one clock for timers and for the boot timeline. */
uint64_t now_usec(void);
