/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A connection that carries frames: non-blocking, queued, on a loop. The shim has one to the agent and one for each
 * runtime command that talks to it; the agent has one.
 */

#include "common/base/json.h"
#include "common/base/loop.h"
#include "common/protocol/frame.h"

typedef struct Channel Channel;

typedef void (*ChannelFrameFn)(Channel *channel, const Frame *frame, void *user);
/* The connection is over: WHY is NULL at a plain end, else one line. Called once; free the channel in it or later. */
typedef void (*ChannelEndFn)(Channel *channel, const char *why, void *user);

typedef struct ChannelHandlers {
        ChannelFrameFn frame;
        ChannelEndFn end;
        void *user;
} ChannelHandlers;

/* Takes over FD on success (a stream socket or a character device). */
int channel_new(Loop *loop, int fd, const ChannelHandlers *handlers, Channel **ret, Error *err);
Channel *channel_free(Channel *channel);
DEFINE_CLEANUP(Channel *, channel_free);

/* Queue a frame; what the descriptor takes now is written now. Errors end the channel later, from the loop. After
 * the end frames are dropped. */
void channel_send(Channel *channel, uint16_t type, uint32_t stream, uint32_t seq, const void *data,
                  size_t length);
/* A control frame with a struct as JSON; FIELDS NULL: {}. */
void channel_send_json(Channel *channel, uint16_t type, uint32_t seq, const JsonField *fields,
                       const void *object);
/* An ERROR answering seq. */
void channel_send_error(Channel *channel, uint32_t seq, const Error *error);

/* Bytes queued and not yet taken by the descriptor. */
size_t channel_queued(const Channel *channel);

/* Writes what is queued, waiting at most TIMEOUT_MS. For last words before the program ends. */
void channel_flush(Channel *channel, int timeout_ms);
