/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Terminals: a pty for the container, its master for the engine, or for the terminal this command runs on. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/loop.h"

typedef struct Terminal {
        int master, slave;
        char *name; /* of the slave */
} Terminal;

#define TERMINAL_NONE                                                                                        \
        { .master = -1, .slave = -1 }

/* A new pty. ROWS or COLS 0: it has no size yet. */
int terminal_open(uint32_t rows, uint32_t cols, Terminal *ret, Error *err);
void terminal_done(Terminal *terminal);
#define cleanup_terminal cleanup(terminal_done)

/*
 * Joins our standard input and output to a master until the other side of the pty is gone, or *proxy_quit. Our own
 * terminal, if that is what they are, is in raw mode as long as the proxy lives, and its size is the pty's.
 */
typedef struct TerminalProxy TerminalProxy;

/* MASTER is borrowed. */
int terminal_proxy_new(Loop *loop, int master, TerminalProxy **ret, Error *err);
/* Our terminal's size may have changed (SIGWINCH). */
void terminal_proxy_resize(TerminalProxy *proxy);
/* Writes out what the pty still holds. */
void terminal_proxy_drain(TerminalProxy *proxy);
/* Restores our terminal. */
TerminalProxy *terminal_proxy_free(TerminalProxy *proxy);
DEFINE_CLEANUP(TerminalProxy *, terminal_proxy_free);
