/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The host's end of one process's stdin, stdout and stderr: three descriptors, or one terminal, joined to the
 * streams of a channel. The monitor has one for the container's process, an exec proxy one for its own.
 */

#include <stdbool.h>

#include "common/protocol/channel.h"
#include "common/protocol/stream.h"

typedef struct Stdio Stdio;

/* All output up to the end of both streams is written. Called at most once. */
typedef void (*StdioFlushedFn)(void *user);

typedef struct StdioSpec {
        Loop *loop;
        Channel *channel;
        uint32_t process;
        int fds[3];    /* taken over, also on failure; with a terminal only fds[0] is used */
        bool terminal; /* fds[0] is the slave of a pty: put into raw mode, made the controlling terminal */
        StdioFlushedFn flushed;
        void *user;
} StdioSpec;

/* Output flows at once; input waits for stdio_open_input(). */
int stdio_new(const StdioSpec *spec, Stdio **ret, Error *err);
Stdio *stdio_free(Stdio *stdio);
DEFINE_CLEANUP(Stdio *, stdio_free);

int stdio_open_input(Stdio *stdio, Error *err);

/* Handles DATA, WINDOW, CLOSE and RESET of this process. EPROTO when the peer broke the rules. */
int stdio_frame(Stdio *stdio, const Frame *frame, Error *err);

/* One line of our own on standard error (a terminal's output), after what the guest has written. */
void stdio_say(Stdio *stdio, const char *line);

/* Nothing more will come from the guest: write what is queued, then count as flushed. */
void stdio_end(Stdio *stdio);

bool stdio_is_flushed(const Stdio *stdio);
/* Gives up on output that nobody reads. */
void stdio_abort(Stdio *stdio);

/* Size of the terminal; zeros when it has none. */
void stdio_window_size(const Stdio *stdio, uint32_t *ret_rows, uint32_t *ret_cols);
