/* SPDX-License-Identifier: Apache-2.0 */
#include "common/protocol/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/protocol/message.h"

#define READ_SIZE (128U << 10)

/* The queue is sent from its front; it is moved together only when more than this is in front of it. */
#define QUEUE_SLACK (256U << 10)

struct Channel {
        int fd;
        LoopSource *source;
        ChannelHandlers handlers;
        FrameDecoder decoder;
        StrBuf out;
        size_t out_sent; /* bytes at the front of out that are gone */
        bool ended;
        bool *freed; /* set when channel_free() is called from within a callback */
        char *read_buffer;
};

static void end(Channel *channel, const char *why) {
        if (channel->ended)
                return;
        channel->ended = true;
        channel->source = loop_source_free(channel->source);
        channel->handlers.end(channel, why, channel->handlers.user);
}

static void update_events(Channel *channel) {
        if (channel->source)
                loop_source_set_events(channel->source,
                                       EPOLLIN | (channel_queued(channel) > 0 ? EPOLLOUT : 0));
}

/* Writes what the descriptor takes; false when the peer is gone (errno is set). */
static bool write_queue(Channel *channel) {
        while (channel_queued(channel) > 0) {
                ssize_t n =
                        write(channel->fd, channel->out.data + channel->out_sent, channel_queued(channel));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN;
                channel->out_sent += (size_t)n;
        }
        strbuf_consume(&channel->out, channel->out_sent);
        channel->out_sent = 0;
        return true;
}

/* Hands out all whole frames; false when the channel is no more (freed or ended). */
static bool dispatch_frames(Channel *channel) {
        cleanup_error Error error = { 0 };
        bool freed = false;
        Frame frame;
        int r;

        channel->freed = &freed;
        while ((r = frame_decoder_next(&channel->decoder, &frame, &error)) > 0) {
                channel->handlers.frame(channel, &frame, channel->handlers.user);
                if (freed)
                        return false;
                if (channel->ended)
                        break;
        }
        channel->freed = NULL;
        if (r < 0)
                end(channel, error.message);
        return !channel->ended;
}

static void on_ready(LoopSource *source, int fd, uint32_t events, void *user) {
        Channel *channel = user;
        ssize_t n;

        (void)source;
        if ((events & EPOLLOUT) && !write_queue(channel)) {
                end(channel, errno == EPIPE || errno == ECONNRESET ? NULL : strerror(errno));
                return;
        }
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                n = read(fd, channel->read_buffer, READ_SIZE);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n <= 0) {
                        end(channel,
                            n == 0 || errno == ECONNRESET || errno == EPIPE ? NULL : strerror(errno));
                        return;
                }
                frame_decoder_feed(&channel->decoder, channel->read_buffer, (size_t)n);
                if (!dispatch_frames(channel))
                        return;
        }
        update_events(channel);
}

int channel_new(Loop *loop, int fd, const ChannelHandlers *handlers, Channel **ret, Error *err) {
        Channel *channel;
        int r;

        r = fd_set_nonblocking(fd, true, err);
        if (r < 0)
                return r;
        channel = xnew(Channel, 1);
        channel->handlers = *handlers;
        r = loop_add_fd(loop, fd, EPOLLIN, on_ready, channel, &channel->source, err);
        if (r < 0) {
                free(channel);
                return r;
        }
        channel->fd = fd;
        channel->read_buffer = xmalloc(READ_SIZE);
        *ret = channel;
        return 0;
}

Channel *channel_free(Channel *channel) {
        if (!channel)
                return NULL;
        if (channel->freed)
                *channel->freed = true;
        loop_source_free(channel->source);
        close(channel->fd);
        frame_decoder_done(&channel->decoder);
        strbuf_done(&channel->out);
        free(channel->read_buffer);
        free(channel);
        return NULL;
}

void channel_send(Channel *channel, uint16_t type, uint32_t stream, uint32_t seq, const void *data,
                  size_t length) {
        bool was_empty = channel_queued(channel) == 0;

        if (channel->ended)
                return;
        if (channel->out_sent > QUEUE_SLACK) {
                strbuf_consume(&channel->out, channel->out_sent);
                channel->out_sent = 0;
        }
        frame_encode(&channel->out, type, stream, seq, data, (uint32_t)length);
        /* a failure is seen again, and reported, when the loop finds the descriptor ready */
        if (was_empty)
                write_queue(channel);
        update_events(channel);
}

void channel_send_json(Channel *channel, uint16_t type, uint32_t seq, const JsonField *fields,
                       const void *object) {
        cleanup_free char *text = fields ? json_to_text(fields, object, false) : xstrdup("{}");

        channel_send(channel, type, 0, seq, text, strlen(text));
}

void channel_send_error(Channel *channel, uint32_t seq, const Error *error) {
        ErrorMessage message = { .code = error->code, .message = error->message };

        channel_send_json(channel, FRAME_ERROR, seq, error_message_fields, &message);
}

size_t channel_queued(const Channel *channel) {
        return channel->out.length - channel->out_sent;
}

void channel_flush(Channel *channel, int timeout_ms) {
        uint64_t deadline = now_usec() + (uint64_t)timeout_ms * 1000;

        while (!channel->ended && channel_queued(channel) > 0 && write_queue(channel)) {
                uint64_t now = now_usec();

                if (channel_queued(channel) == 0 || now >= deadline)
                        break;
                poll(&(struct pollfd){ .fd = channel->fd, .events = POLLOUT }, 1,
                     (int)((deadline - now + 999) / 1000));
        }
}
