/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * The peer may be a guest whose workload has taken over its kernel, so nothing in a header is believed. The length
 * is checked against the limit of its type before a byte of the payload is waited for, so the buffer never grows
 * beyond one frame and one read. Types that are not known are an error and not skipped: peers agree on a version in
 * HELLO and send nothing the other side does not know. A frame handed out points into the buffer and dies with the
 * next call; nobody keeps pointers into a frame.
 */
#include "common/protocol/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static const struct {
        const char *name;
        uint32_t limit;
} frame_types[] = {
        [FRAME_HELLO] = { "hello", FRAME_MAX_CONTROL },
        [FRAME_REPLY] = { "reply", FRAME_MAX_CONTROL },
        [FRAME_ERROR] = { "error", FRAME_MAX_CONTROL },
        [FRAME_EXITED] = { "exited", FRAME_MAX_CONTROL },
        [FRAME_LOG] = { "log", FRAME_MAX_CONTROL },
        [FRAME_EVENT] = { "event", FRAME_MAX_CONTROL },
        [FRAME_CREATE] = { "create", FRAME_MAX_CONTROL },
        [FRAME_START] = { "start", FRAME_MAX_CONTROL },
        [FRAME_EXEC] = { "exec", FRAME_MAX_CONTROL },
        [FRAME_SIGNAL] = { "signal", FRAME_MAX_CONTROL },
        [FRAME_RESIZE] = { "resize", FRAME_MAX_CONTROL },
        [FRAME_UPDATE] = { "update", FRAME_MAX_CONTROL },
        [FRAME_STATS] = { "stats", FRAME_MAX_CONTROL },
        [FRAME_PROCESSES] = { "processes", FRAME_MAX_CONTROL },
        [FRAME_PAUSE] = { "pause", FRAME_MAX_CONTROL },
        [FRAME_RESUME] = { "resume", FRAME_MAX_CONTROL },
        [FRAME_SHUTDOWN] = { "shutdown", FRAME_MAX_CONTROL },
        [FRAME_NETWORK] = { "network", FRAME_MAX_CONTROL },
        [FRAME_CLOCK] = { "clock", FRAME_MAX_CONTROL },
        [FRAME_JOIN] = { "join", FRAME_MAX_CONTROL },
        [FRAME_DATA] = { "data", FRAME_MAX_DATA },
        [FRAME_WINDOW] = { "window", 4 },
        [FRAME_CLOSE] = { "close", 0 },
        [FRAME_RESET] = { "reset", 0 },
        [FRAME_DNS_QUERY] = { "dns-query", FRAME_MAX_DATA },
        [FRAME_DNS_ANSWER] = { "dns-answer", FRAME_MAX_DATA },
};

typedef struct FrameHeader {
        uint32_t length;
        uint16_t type;
        uint16_t flags;
        uint32_t stream;
        uint32_t seq;
} FrameHeader;

_Static_assert(sizeof(FrameHeader) == FRAME_HEADER_SIZE, "the header has no padding");

const char *frame_type_name(uint16_t type) {
        return type < ELEMENTS_OF(frame_types) && frame_types[type].name ? frame_types[type].name : "unknown";
}

void frame_encode(StrBuf *out, uint16_t type, uint32_t stream, uint32_t seq, const void *data,
                  uint32_t length) {
        FrameHeader header = {
                .length = htole32(length),
                .type = htole16(type),
                .stream = htole32(stream),
                .seq = htole32(seq),
        };

        strbuf_append(out, &header, sizeof(header));
        if (length > 0)
                strbuf_append(out, data, length);
}

void frame_decoder_feed(FrameDecoder *d, const void *data, size_t length) {
        if (d->used > 0) {
                strbuf_consume(&d->buffer, d->used);
                d->used = 0;
        }
        strbuf_append(&d->buffer, data, length);
}

int frame_decoder_next(FrameDecoder *d, Frame *ret, Error *err) {
        size_t available = d->buffer.length - d->used;
        FrameHeader header;
        uint32_t length;
        uint16_t type;

        if (available < sizeof(header))
                return 0;
        memcpy(&header, d->buffer.data + d->used, sizeof(header));
        length = le32toh(header.length);
        type = le16toh(header.type);
        if (type >= ELEMENTS_OF(frame_types) || !frame_types[type].name)
                return error_set(err, EPROTO, "frame of unknown type %u", type);
        if (header.flags != 0)
                return error_set(err, EPROTO, "%s frame with unknown flags 0x%x", frame_types[type].name,
                                 le16toh(header.flags));
        if (length > frame_types[type].limit)
                return error_set(err, EPROTO, "%s frame of %u bytes, the limit is %u", frame_types[type].name,
                                 length, frame_types[type].limit);
        if (type == FRAME_WINDOW && length != 4)
                return error_set(err, EPROTO, "window frame of %u bytes", length);
        if (available - sizeof(header) < length)
                return 0;
        *ret = (Frame){
                .type = type,
                .stream = le32toh(header.stream),
                .seq = le32toh(header.seq),
                .length = length,
                .data = d->buffer.data + d->used + sizeof(header),
        };
        d->used += sizeof(header) + length;
        return 1;
}

void frame_decoder_done(FrameDecoder *d) {
        strbuf_done(&d->buffer);
        d->used = 0;
}
