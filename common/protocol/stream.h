/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Streams: the bytes of stdin, stdout and stderr over a channel, with credit.
 *
 * A StreamSource reads a local descriptor and sends DATA; a StreamSink takes DATA and writes a local descriptor. The
 * same two serve both ends: on the host stdin is a source and stdout a sink, in the guest it is the other way round.
 * A source sends at most STREAM_WINDOW bytes beyond what the sink has reported as written (WINDOW), so a slow reader
 * costs at most one window of memory on each side and never delays control frames of the same channel by more than
 * what is in flight.
 */

#include <stdbool.h>

#include "common/base/loop.h"
#include "common/protocol/channel.h"

#define STREAM_WINDOW (256U << 10) /* bytes; the credit a stream begins with */

enum {
        STREAM_STDIN,
        STREAM_STDOUT,
        STREAM_STDERR,
        _STREAM_MAX,
};

#define PROCESS_INIT 1U      /* the container's own process; execs count up from 2 */
#define PROCESS_MAX  0xffffU /* largest process number of a container */

/* Containers of a pod: 0 is the one that the VM was made for. Between the shim with the VM and the agent, control frames
 * have the container's number in the header's `stream`, and streams those of process container << 16 | process. */
#define CONTAINER_SHIFT 16
#define CONTAINER_MAX   0x3fffU

static inline uint32_t stream_id(uint32_t process, unsigned which) {
        return process << 2 | which;
}

/* The number of the next exec: the one after LAST, and 2 after PROCESS_MAX, but none of the COUNT that are IN_USE, which must
 * be fewer than there are numbers. */
uint32_t process_number_after(uint32_t last, const uint32_t in_use[], size_t count);

/* In the same way, of the next further container of a pod; 1 after CONTAINER_MAX. */
uint32_t container_number_after(uint32_t last, const uint32_t in_use[], size_t count);

typedef struct StreamSource StreamSource;
typedef struct StreamSink StreamSink;

/* The source has sent CLOSE (end of file, or told to stop); nothing more will come of it. */
typedef void (*StreamSourceDoneFn)(StreamSource *source, void *user);
/* All data up to CLOSE is written and the descriptor closed, or the reader is gone (RESET was sent). */
typedef void (*StreamSinkDoneFn)(StreamSink *sink, void *user);

/* Both take over FD. Non-blocking mode is never set on FD's own open file (others may share it): pipes and terminals
 * are opened anew through /proc/self/fd, sockets are used with MSG_DONTWAIT. */
int stream_source_new(Loop *loop, Channel *channel, uint32_t stream, int fd, StreamSourceDoneFn done,
                      void *user, StreamSource **ret, Error *err);
StreamSource *stream_source_free(StreamSource *source);
void stream_source_add_credit(StreamSource *source, uint32_t bytes);
/* The writer has exited: send what can be read now, then end as at end of file even if another process still holds
 * the other end. */
void stream_source_drain(StreamSource *source);
/* The peer sent RESET: close the descriptor. */
void stream_source_stop(StreamSource *source);
bool stream_source_is_done(const StreamSource *source);

int stream_sink_new(Loop *loop, Channel *channel, uint32_t stream, int fd, StreamSinkDoneFn done, void *user,
                    StreamSink **ret, Error *err);
StreamSink *stream_sink_free(StreamSink *sink);
/* DATA arrived. EPROTO when the peer overran its credit. */
int stream_sink_data(StreamSink *sink, const void *data, size_t length, Error *err);
/* Words of our own, after what has arrived; no credit is needed for them. */
void stream_sink_say(StreamSink *sink, const char *text);
/* CLOSE arrived: write the rest, then close. */
void stream_sink_close(StreamSink *sink);
/* Drop what is queued and close now. */
void stream_sink_abort(StreamSink *sink);
bool stream_sink_is_done(const StreamSink *sink);
