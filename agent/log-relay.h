/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lines of the log on their way to the host, as LOG frames, and to the console, where they stay readable if the host
 * does not listen. What does not fit into the pipe between is lost: a log must not hold anything up. */

#include "common/base/loop.h"
#include "common/protocol/channel.h"

typedef struct LogRelay {
        int pipe; /* -1: not started */
        LoopSource *watch;
        Channel *channel;
} LogRelay;

/* From now on the log goes through the relay. */
int log_relay_start(LogRelay *relay, Loop *loop, Channel *channel, Error *err);
/* Passes on what is left; from now on the log goes to standard error again. */
void log_relay_stop(LogRelay *relay);
