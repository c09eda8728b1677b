/* SPDX-License-Identifier: Apache-2.0 */
#include "common/protocol/stream.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

/* Bytes read at once: with the header as much as a virtio-serial port takes in one write. */
#define CHUNK ((32U << 10) - FRAME_HEADER_SIZE)

struct StreamSource {
        Loop *loop;
        Channel *channel;
        LoopSource *watch;
        uint32_t stream;
        int fd;
        bool socket;
        bool draining;
        bool done;
        uint32_t credit;
        StreamSourceDoneFn done_fn;
        void *user;
};

struct StreamSink {
        Loop *loop;
        Channel *channel;
        LoopSource *watch;
        uint32_t stream;
        int fd;
        bool socket;
        bool closing;
        bool done;
        StrBuf queue;
        size_t queue_sent;
        uint32_t unreported; /* bytes written and not yet given back as credit */
        StreamSinkDoneFn done_fn;
        void *user;
};

static bool contains(const uint32_t numbers[], size_t count, uint32_t number) {
        for (size_t i = 0; i < count; i++)
                if (numbers[i] == number)
                        return true;
        return false;
}

static uint32_t number_after(uint32_t last, uint32_t first, uint32_t max, const uint32_t in_use[],
                             size_t count) {
        uint32_t number = last;

        do
                number = number < max ? number + 1 : first;
        while (contains(in_use, count, number));
        return number;
}

uint32_t process_number_after(uint32_t last, const uint32_t in_use[], size_t count) {
        return number_after(last, PROCESS_INIT + 1, PROCESS_MAX, in_use, count);
}

uint32_t container_number_after(uint32_t last, const uint32_t in_use[], size_t count) {
        return number_after(last, 1, CONTAINER_MAX, in_use, count);
}

/* A descriptor for the same thing whose non-blocking mode is ours alone. Sockets and everything that cannot be opened
 * again stay as they are; so do masters of pseudo terminals, of which a second open would make a second terminal. */
static int own_open_file(int fd, int flags, bool *ret_socket) {
        unsigned number;
        char path[64];
        struct stat st;
        int own;

        *ret_socket = false;
        if (fstat(fd, &st) < 0)
                return fd;
        *ret_socket = S_ISSOCK(st.st_mode);
        if (!S_ISFIFO(st.st_mode) && (!isatty(fd) || ioctl(fd, TIOCGPTN, &number) >= 0))
                return fd;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (own < 0)
                return fd;
        close(fd);
        return own;
}

/* ---- source ---- */

static void source_end(StreamSource *source) {
        if (source->done)
                return;
        source->done = true;
        source->watch = loop_source_free(source->watch);
        close(TAKE_FD(source->fd));
        channel_send(source->channel, FRAME_CLOSE, source->stream, 0, NULL, 0);
        if (source->done_fn)
                source->done_fn(source, source->user);
}

static ssize_t source_read(StreamSource *source, void *buffer, size_t size) {
        /* Only called when there is something to read; a blocking descriptor that is not ready would hang us. */
        if (source->socket)
                return recv(source->fd, buffer, size, MSG_DONTWAIT);
        if (source->draining && !(fcntl(source->fd, F_GETFL) & O_NONBLOCK) &&
            poll(&(struct pollfd){ .fd = source->fd, .events = POLLIN }, 1, 0) == 0) {
                errno = EAGAIN;
                return -1;
        }
        return read(source->fd, buffer, size);
}

/* Reads once and sends; false when there is nothing (more) to do now. */
static bool source_step(StreamSource *source) {
        char buffer[CHUNK];
        size_t size = source->credit < sizeof(buffer) ? source->credit : sizeof(buffer);
        ssize_t n;

        if (source->done || size == 0)
                return false;
        n = source_read(source, buffer, size);
        if (n < 0 && errno == EINTR)
                return true;
        if (n < 0 && errno == EAGAIN && !source->draining)
                return false;
        if (n <= 0) { /* end of file; EIO: the other side of a terminal is gone; drained */
                source_end(source);
                return false;
        }
        source->credit -= (uint32_t)n;
        channel_send(source->channel, FRAME_DATA, source->stream, 0, buffer, (size_t)n);
        return true;
}

static void source_update(StreamSource *source) {
        if (!source->watch)
                return;
        /* without credit even a hang-up is left for later: epoll reports it always, so do not watch at all */
        if (source->credit == 0)
                source->watch = loop_source_free(source->watch);
}

static void on_source_ready(LoopSource *watch, int fd, uint32_t events, void *user) {
        StreamSource *source = user;

        (void)watch;
        (void)fd;
        (void)events;
        if (source->draining)
                while (source_step(source))
                        ;
        else
                source_step(source);
        if (!source->done)
                source_update(source);
}

int stream_source_new(Loop *loop, Channel *channel, uint32_t stream, int fd, StreamSourceDoneFn done,
                      void *user, StreamSource **ret, Error *err) {
        StreamSource *source = xnew(StreamSource, 1);
        int r;

        source->loop = loop;
        source->channel = channel;
        source->stream = stream;
        source->credit = STREAM_WINDOW;
        source->done_fn = done;
        source->user = user;
        source->fd = own_open_file(fd, O_RDONLY, &source->socket);
        r = loop_add_fd(loop, source->fd, EPOLLIN, on_source_ready, source, &source->watch, err);
        if (r < 0) {
                free(source);
                return r;
        }
        *ret = source;
        return 0;
}

StreamSource *stream_source_free(StreamSource *source) {
        if (!source)
                return NULL;
        loop_source_free(source->watch);
        if (source->fd >= 0)
                close(source->fd);
        free(source);
        return NULL;
}

void stream_source_add_credit(StreamSource *source, uint32_t bytes) {
        cleanup_error Error error = { 0 };

        if (source->done)
                return;
        source->credit = bytes > STREAM_WINDOW - source->credit ? STREAM_WINDOW : source->credit + bytes;
        if (source->draining) {
                while (source_step(source))
                        ;
                return;
        }
        if (!source->watch && loop_add_fd(source->loop, source->fd, EPOLLIN, on_source_ready, source,
                                          &source->watch, &error) < 0)
                source_end(source);
}

void stream_source_drain(StreamSource *source) {
        if (source->done)
                return;
        source->draining = true;
        while (source_step(source))
                ;
}

void stream_source_stop(StreamSource *source) {
        source_end(source);
}

bool stream_source_is_done(const StreamSource *source) {
        return source->done;
}

/* ---- sink ---- */

static size_t sink_queued(const StreamSink *sink) {
        return sink->queue.length - sink->queue_sent;
}

static void sink_end(StreamSink *sink, bool reader_gone) {
        if (sink->done)
                return;
        sink->done = true;
        sink->watch = loop_source_free(sink->watch);
        close(TAKE_FD(sink->fd));
        strbuf_done(&sink->queue);
        sink->queue_sent = 0;
        if (reader_gone)
                channel_send(sink->channel, FRAME_RESET, sink->stream, 0, NULL, 0);
        if (sink->done_fn)
                sink->done_fn(sink, sink->user);
}

static void sink_report(StreamSink *sink) {
        uint32_t bytes = htole32(sink->unreported);

        if (sink->closing || (sink->unreported < STREAM_WINDOW / 4 && sink_queued(sink) > 0) ||
            sink->unreported == 0)
                return;
        channel_send(sink->channel, FRAME_WINDOW, sink->stream, 0, &bytes, sizeof(bytes));
        sink->unreported = 0;
}

static ssize_t sink_write(StreamSink *sink) {
        const char *data = sink->queue.data + sink->queue_sent;
        size_t size = sink_queued(sink);

        if (sink->socket)
                return send(sink->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (!(fcntl(sink->fd, F_GETFL) & O_NONBLOCK) && size > 4096)
                size = 4096; /* a pipe that is ready takes PIPE_BUF bytes without blocking */
        return write(sink->fd, data, size);
}

static void sink_update(StreamSink *sink) {
        if (sink->done)
                return;
        if (sink_queued(sink) == 0) {
                strbuf_consume(&sink->queue, sink->queue_sent);
                sink->queue_sent = 0;
                if (sink->closing) {
                        sink_end(sink, false);
                        return;
                }
        }
        sink_report(sink);
        loop_source_set_events(sink->watch, sink_queued(sink) > 0 ? EPOLLOUT : 0);
}

static void on_sink_ready(LoopSource *watch, int fd, uint32_t events, void *user) {
        StreamSink *sink = user;
        ssize_t n;

        (void)watch;
        (void)fd;
        if (sink_queued(sink) == 0) {
                if (events &
                    (EPOLLERR | EPOLLHUP)) /* the reader went away while there was nothing to write */
                        sink_end(sink, !sink->closing);
                return;
        }
        n = sink_write(sink);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n < 0) {
                sink_end(sink, true);
                return;
        }
        sink->queue_sent += (size_t)n;
        sink->unreported += (uint32_t)n;
        if (sink->queue_sent >= STREAM_WINDOW) {
                strbuf_consume(&sink->queue, sink->queue_sent);
                sink->queue_sent = 0;
        }
        sink_update(sink);
}

int stream_sink_new(Loop *loop, Channel *channel, uint32_t stream, int fd, StreamSinkDoneFn done, void *user,
                    StreamSink **ret, Error *err) {
        StreamSink *sink = xnew(StreamSink, 1);
        int r;

        sink->loop = loop;
        sink->channel = channel;
        sink->stream = stream;
        sink->done_fn = done;
        sink->user = user;
        sink->fd = own_open_file(fd, O_WRONLY, &sink->socket);
        r = loop_add_fd(loop, sink->fd, 0, on_sink_ready, sink, &sink->watch, err);
        if (r < 0) {
                free(sink);
                return r;
        }
        *ret = sink;
        return 0;
}

StreamSink *stream_sink_free(StreamSink *sink) {
        if (!sink)
                return NULL;
        loop_source_free(sink->watch);
        if (sink->fd >= 0)
                close(sink->fd);
        strbuf_done(&sink->queue);
        free(sink);
        return NULL;
}

int stream_sink_data(StreamSink *sink, const void *data, size_t length, Error *err) {
        if (sink->done)
                return 0; /* crossed our RESET on the way */
        if (sink->closing || sink_queued(sink) + length > STREAM_WINDOW)
                return error_set(err, EPROTO, "stream %u: %zu bytes beyond the credit", sink->stream, length);
        strbuf_append(&sink->queue, data, length);
        loop_source_set_events(sink->watch, EPOLLOUT);
        return 0;
}

void stream_sink_say(StreamSink *sink, const char *text) {
        if (sink->done || sink->closing)
                return;
        strbuf_puts(&sink->queue, text);
        loop_source_set_events(sink->watch, EPOLLOUT);
}

void stream_sink_close(StreamSink *sink) {
        if (sink->done || sink->closing)
                return;
        sink->closing = true;
        sink_update(sink);
}

void stream_sink_abort(StreamSink *sink) {
        sink_end(sink, false);
}

bool stream_sink_is_done(const StreamSink *sink) {
        return sink->done;
}
