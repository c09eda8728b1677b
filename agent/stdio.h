/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Standard streams of a process: three pipes, or one terminal, between the program and the channel.
 *
 * Input is taken from the beginning (what comes before a terminal exists is kept, within the credit); output is
 * read and sent only after stdio_begin(), so that nothing of a process precedes the answer that made it known.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "common/protocol/channel.h"
#include "common/protocol/stream.h"

typedef struct Stdio Stdio;
typedef void (*StdioDrainedFn)(void *user);

/* OWNER: user id in the guest that may open /dev/stdout and the like anew. */
int stdio_new(Loop *loop, Channel *channel, uint32_t process, bool terminal, uid_t owner, Stdio **ret,
              Error *err);
Stdio *stdio_free(Stdio *stdio);
DEFINE_CLEANUP(Stdio *, stdio_free);

/* In the child: makes the program's ends its descriptors 0 to 2. Without a terminal only. */
int stdio_install(const Stdio *stdio, Error *err);

/* In the agent, once the child has its own copies. */
void stdio_close_child_ends(Stdio *stdio);
/* The master of the terminal the child has opened (taken over, checked). */
int stdio_set_terminal(Stdio *stdio, int master, Error *err);

/* The process is known to the other side: send its output. */
int stdio_begin(Stdio *stdio, Error *err);
/* The process is gone: send what is left, close the streams, then say so, from the loop. */
void stdio_drain(Stdio *stdio, StdioDrainedFn drained, void *user);

/* A frame of one of the process's streams. EPROTO: the peer broke the protocol. */
int stdio_frame(Stdio *stdio, const Frame *frame, Error *err);

/* EINVAL without a terminal. */
int stdio_resize(Stdio *stdio, uint32_t rows, uint32_t cols, Error *err);
