/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Frames: the envelope of everything said between runtime, shim and agent. PROTOCOL.md is the specification.
 *
 * A frame is a 16-byte little-endian header { u32 length, u16 type, u16 flags, u32 stream, u32 seq } and LENGTH
 * bytes. Control frames carry JSON, data frames raw bytes. The decoder takes bytes as they come, from a peer that
 * is not trusted, and gives out whole frames within the limits, or the reason why the connection must end.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/str.h"

#define FRAME_HEADER_SIZE 16U
#define FRAME_MAX_CONTROL (4U << 20)  /* bytes of JSON in one frame */
#define FRAME_MAX_DATA    (64U << 10) /* bytes of a stream in one frame */

typedef enum FrameType {
        /* answers and news */
        FRAME_HELLO = 1,  /* agent: first frame; Hello */
        FRAME_REPLY = 2,  /* to the request with the same seq; the request's reply struct, or {} */
        FRAME_ERROR = 3,  /* to the request with the same seq; ErrorMessage */
        FRAME_EXITED = 4, /* a process ended and all its output was sent; Exited */
        FRAME_LOG = 5,    /* a line for the log; LogMessage */
        FRAME_EVENT = 6,  /* something happened: out of memory, ...; Event */
        /* requests: seq is never 0, each gets one REPLY or ERROR */
        FRAME_CREATE = 16,    /* CreateRequest */
        FRAME_START = 17,     /* StartRequest */
        FRAME_EXEC = 18,      /* ExecRequest → ExecReply */
        FRAME_SIGNAL = 19,    /* SignalRequest */
        FRAME_RESIZE = 20,    /* ResizeRequest */
        FRAME_UPDATE = 21,    /* resources of the OCI spec */
        FRAME_STATS = 22,     /* {} → statistics (runc's events --stats "data") */
        FRAME_PROCESSES = 23, /* {} → processes of the container */
        FRAME_PAUSE = 24,     /* runtime → shim only */
        FRAME_RESUME = 25,    /* runtime → shim only */
        FRAME_SHUTDOWN = 26,  /* shim → agent: sync, unmount; the reply comes when the disks are clean */
        FRAME_NETWORK = 27,   /* shim → agent: NetworkConfig, while the container runs */
        FRAME_CLOCK = 28,     /* shim → agent: ClockRequest */
        FRAME_JOIN = 29, /* shim of a further container of a pod → shim with the VM: {} → JoinReply */
        /* streams: no reply */
        FRAME_DATA = 32,   /* bytes of a stream, within the credit */
        FRAME_WINDOW = 33, /* u32: so many bytes more may be sent on the stream */
        FRAME_CLOSE = 34,  /* the sender sends nothing more on the stream (end of file) */
        FRAME_RESET = 35,  /* the receiver takes nothing more of the stream (reader gone) */
        /* DNS: STREAM is the query's number, chosen by the agent; the payload is not JSON */
        FRAME_DNS_QUERY = 36,  /* agent → shim: one byte, 0 by UDP, 1 by TCP; then the query */
        FRAME_DNS_ANSWER = 37, /* shim → agent: the answer; nothing: there is none */
} FrameType;

typedef struct Frame {
        uint16_t type;
        uint16_t flags; /* 0; others are refused */
        uint32_t stream;
        uint32_t seq;
        uint32_t length;
        const char *data; /* LENGTH bytes; valid until the next call on the decoder */
} Frame;

/* Appends a whole frame to OUT. LENGTH must be within the limit of TYPE. */
void frame_encode(StrBuf *out, uint16_t type, uint32_t stream, uint32_t seq, const void *data,
                  uint32_t length);

typedef struct FrameDecoder {
        StrBuf buffer;
        size_t used; /* bytes at the start of the buffer that were given out */
} FrameDecoder;

void frame_decoder_feed(FrameDecoder *d, const void *data, size_t length);
/* 1: *ret is filled; 0: more bytes are needed; negative (EPROTO): the peer broke the protocol. */
int frame_decoder_next(FrameDecoder *d, Frame *ret, Error *err);
void frame_decoder_done(FrameDecoder *d);

const char *frame_type_name(uint16_t type); /* "create"; "unknown" */
