/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/stdio.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"

struct Stdio {
        Loop *loop;
        Channel *channel;
        uint32_t process;
        int input_fd; /* kept until stdio_open_input() */
        int terminal_fd;
        StreamSource *input;
        StreamSink *outputs[2]; /* stdout, stderr */
        bool flushed;
        StdioFlushedFn flushed_fn;
        void *user;
};

static void on_output_done(StreamSink *sink, void *user) {
        Stdio *stdio = user;

        (void)sink;
        if (stdio->flushed)
                return;
        for (size_t i = 0; i < ELEMENTS_OF(stdio->outputs); i++)
                if (stdio->outputs[i] && !stream_sink_is_done(stdio->outputs[i]))
                        return;
        stdio->flushed = true;
        if (stdio->flushed_fn)
                stdio->flushed_fn(stdio->user);
}

/* The guest's terminal does all the work of a line discipline; ours must pass bytes as they are. */
static int prepare_terminal(int fd, Error *err) {
        struct termios mode;

        if (tcgetattr(fd, &mode) < 0)
                return error_errno(err, "terminal");
        cfmakeraw(&mode);
        if (tcsetattr(fd, TCSANOW, &mode) < 0)
                return error_errno(err, "terminal");
        /* SIGWINCH and SIGHUP come to us through it. Stealing is not allowed (0): it is new and nobody's. */
        if (ioctl(fd, TIOCSCTTY, 0) < 0 && errno != EPERM)
                return error_errno(err, "terminal: TIOCSCTTY");
        return 0;
}

static int open_output(Stdio *stdio, unsigned which, int fd, Error *err) {
        return stream_sink_new(stdio->loop, stdio->channel, stream_id(stdio->process, which), fd,
                               on_output_done, stdio, &stdio->outputs[which - STREAM_STDOUT], err);
}

static int open_outputs(Stdio *stdio, const StdioSpec *spec, Error *err) {
        int r;

        if (!spec->terminal) {
                r = open_output(stdio, STREAM_STDOUT, spec->fds[1], err);
                return r < 0 ? r : open_output(stdio, STREAM_STDERR, spec->fds[2], err);
        }
        r = prepare_terminal(spec->fds[0], err);
        if (r < 0)
                return r;
        stdio->terminal_fd = fcntl(spec->fds[0], F_DUPFD_CLOEXEC, 3);
        if (stdio->terminal_fd < 0)
                return error_errno(err, "terminal");
        r = fcntl(spec->fds[0], F_DUPFD_CLOEXEC, 3);
        if (r < 0)
                return error_errno(err, "terminal");
        return open_output(stdio, STREAM_STDOUT, r, err);
}

int stdio_new(const StdioSpec *spec, Stdio **ret, Error *err) {
        cleanup(stdio_freep) Stdio *stdio = xnew(Stdio, 1);
        int r;

        stdio->loop = spec->loop;
        stdio->channel = spec->channel;
        stdio->process = spec->process;
        stdio->input_fd = spec->fds[0];
        stdio->terminal_fd = -1;
        stdio->flushed_fn = spec->flushed;
        stdio->user = spec->user;
        r = open_outputs(stdio, spec, err);
        if (r < 0)
                return error_prefix(err, "standard output");
        *ret = TAKE_PTR(stdio);
        return 0;
}

Stdio *stdio_free(Stdio *stdio) {
        if (!stdio)
                return NULL;
        stream_source_free(stdio->input);
        stream_sink_free(stdio->outputs[0]);
        stream_sink_free(stdio->outputs[1]);
        if (stdio->input_fd >= 0)
                close(stdio->input_fd);
        if (stdio->terminal_fd >= 0)
                close(stdio->terminal_fd);
        free(stdio);
        return NULL;
}

int stdio_open_input(Stdio *stdio, Error *err) {
        int r;

        if (stdio->input || stdio->input_fd < 0)
                return 0;
        r = stream_source_new(stdio->loop, stdio->channel, stream_id(stdio->process, STREAM_STDIN),
                              stdio->input_fd, NULL, NULL, &stdio->input, err);
        if (r < 0)
                return error_prefix(err, "standard input");
        stdio->input_fd = -1;
        return 0;
}

static int input_frame(Stdio *stdio, const Frame *frame, Error *err) {
        uint32_t bytes;

        if (frame->type == FRAME_WINDOW) {
                memcpy(&bytes, frame->data, sizeof(bytes));
                if (stdio->input)
                        stream_source_add_credit(stdio->input, le32toh(bytes));
                return 0;
        }
        if (frame->type == FRAME_RESET) {
                if (stdio->input)
                        stream_source_stop(stdio->input);
                return 0;
        }
        return error_set(err, EPROTO, "%s frame for standard input", frame_type_name(frame->type));
}

int stdio_frame(Stdio *stdio, const Frame *frame, Error *err) {
        unsigned which = frame->stream & 3;
        StreamSink *sink;

        if (which == STREAM_STDIN)
                return input_frame(stdio, frame, err);
        sink = which < _STREAM_MAX ? stdio->outputs[which - STREAM_STDOUT] : NULL;
        if (!sink)
                return error_set(err, EPROTO, "%s frame for stream %u that is not open",
                                 frame_type_name(frame->type), which);
        if (frame->type == FRAME_DATA)
                return stream_sink_data(sink, frame->data, frame->length, err);
        if (frame->type == FRAME_CLOSE) {
                stream_sink_close(sink);
                return 0;
        }
        return error_set(err, EPROTO, "%s frame for an output", frame_type_name(frame->type));
}

void stdio_say(Stdio *stdio, const char *line) {
        bool terminal = stdio->terminal_fd >= 0;
        cleanup_free char *text = xasprintf("%s%s", line, terminal ? "\r\n" : "\n");
        StreamSink *sink = stdio->outputs[terminal ? 0 : 1];

        if (sink)
                stream_sink_say(sink, text);
}

void stdio_end(Stdio *stdio) {
        for (size_t i = 0; i < ELEMENTS_OF(stdio->outputs); i++)
                if (stdio->outputs[i])
                        stream_sink_close(stdio->outputs[i]);
}

bool stdio_is_flushed(const Stdio *stdio) {
        return stdio->flushed;
}

void stdio_abort(Stdio *stdio) {
        for (size_t i = 0; i < ELEMENTS_OF(stdio->outputs); i++)
                if (stdio->outputs[i])
                        stream_sink_abort(stdio->outputs[i]);
}

void stdio_window_size(const Stdio *stdio, uint32_t *ret_rows, uint32_t *ret_cols) {
        struct winsize size = { 0 };

        if (stdio->terminal_fd >= 0)
                ioctl(stdio->terminal_fd, TIOCGWINSZ, &size);
        *ret_rows = size.ws_row;
        *ret_cols = size.ws_col;
}
