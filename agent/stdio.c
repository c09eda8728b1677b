/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stdio.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/terminal.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

#define OUTPUTS 2 /* stdout, stderr */

struct Stdio {
        Loop *loop;
        Channel *channel;
        uint32_t process;
        bool terminal;
        int child[_STREAM_MAX]; /* the program's ends; -1 once it has them */
        int output[OUTPUTS];    /* our ends until they are streams */
        int master;             /* of the terminal */
        StrBuf early;           /* input for a terminal that is not there yet */
        StreamSink *input;
        StreamSource *sources[OUTPUTS];
        bool refused[OUTPUTS]; /* the reader went away before the stream began */
        bool drained;
        LoopSource *drained_timer;
        StdioDrainedFn drained_fn;
        void *user;
};

/* ---- setting up ---- */

static int make_pipes(Stdio *stdio, uid_t owner, Error *err) {
        for (unsigned i = 0; i < _STREAM_MAX; i++) {
                int fds[2], r;

                if (pipe2(fds, O_CLOEXEC) < 0)
                        return error_errno(err, "pipe");
                stdio->child[i] = fds[i == STREAM_STDIN ? 0 : 1];
                /* the program may open /proc/self/fd/1 as its own user */
                r = fchown(fds[0], owner, (gid_t)-1);
                if (r < 0)
                        error_errno(err, "giving a pipe to user %u", (unsigned)owner);
                if (i > STREAM_STDIN) {
                        stdio->output[i - 1] = fds[0];
                } else {
                        if (r >= 0)
                                r = stream_sink_new(stdio->loop, stdio->channel,
                                                    stream_id(stdio->process, STREAM_STDIN), fds[1], NULL,
                                                    NULL, &stdio->input, err);
                        if (r < 0)
                                close(fds[1]);
                }
                if (r < 0)
                        return -err->code;
        }
        return 0;
}

int stdio_new(Loop *loop, Channel *channel, uint32_t process, bool terminal, uid_t owner, Stdio **ret,
              Error *err) {
        cleanup(stdio_freep) Stdio *stdio = xnew(Stdio, 1);
        int r;

        *stdio = (Stdio){
                .loop = loop,
                .channel = channel,
                .process = process,
                .terminal = terminal,
                .child = { -1, -1, -1 },
                .output = { -1, -1 },
                .master = -1,
        };
        if (!terminal) {
                r = make_pipes(stdio, owner, err);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(stdio);
        return 0;
}

Stdio *stdio_free(Stdio *stdio) {
        if (!stdio)
                return NULL;
        stdio_close_child_ends(stdio);
        loop_source_free(stdio->drained_timer);
        stream_sink_free(stdio->input);
        for (unsigned i = 0; i < OUTPUTS; i++) {
                stream_source_free(stdio->sources[i]);
                close_descriptor(&stdio->output[i]);
        }
        close_descriptor(&stdio->master);
        strbuf_done(&stdio->early);
        free(stdio);
        return NULL;
}

int stdio_install(const Stdio *stdio, Error *err) {
        for (int i = 0; i < _STREAM_MAX; i++)
                if (stdio->child[i] >= 0 && dup2(stdio->child[i], i) < 0)
                        return error_errno(err, "standard stream %d", i);
        return 0;
}

void stdio_close_child_ends(Stdio *stdio) {
        for (unsigned i = 0; i < _STREAM_MAX; i++)
                if (stdio->child[i] >= 0)
                        close(TAKE_FD(stdio->child[i]));
}

int stdio_set_terminal(Stdio *stdio, int master, Error *err) {
        cleanup_close int fd = master, sink = -1;
        int r;

        if (!stdio->terminal || stdio->master >= 0)
                return error_set(err, EPROTO, "a terminal that nobody asked for");
        /* it was opened where the container has its say */
        if (!terminal_is_master(fd))
                return error_set(err, EPROTO, "the container's /dev/pts/ptmx makes no terminals");
        r = fd_set_nonblocking(fd, true, err);
        if (r < 0)
                return r;
        sink = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        stdio->output[0] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (sink < 0 || stdio->output[0] < 0)
                return error_errno(err, "terminal");
        r = stream_sink_new(stdio->loop, stdio->channel, stream_id(stdio->process, STREAM_STDIN), sink, NULL,
                            NULL, &stdio->input, err);
        if (r < 0)
                return r;
        TAKE_FD(sink);
        stdio->master = TAKE_FD(fd);
        if (stdio->early.length > 0) {
                r = stream_sink_data(stdio->input, stdio->early.data, stdio->early.length, err);
                strbuf_done(&stdio->early);
        }
        return r < 0 ? r : 0;
}

/* ---- output ---- */

static void on_drained(LoopSource *source, void *user) {
        Stdio *stdio = user;

        (void)source;
        stdio->drained_timer = NULL;
        stdio->drained_fn(stdio->user);
}

/* Says that all is sent, but not from here: the caller may be within one of the streams. */
static void check_drained(Stdio *stdio) {
        if (!stdio->drained_fn || stdio->drained)
                return;
        for (unsigned i = 0; i < OUTPUTS; i++)
                if (stdio->sources[i] && !stream_source_is_done(stdio->sources[i]))
                        return;
        stdio->drained = true;
        loop_add_timer(stdio->loop, 0, on_drained, stdio, &stdio->drained_timer);
}

static void on_source_done(StreamSource *source, void *user) {
        (void)source;
        check_drained(user);
}

int stdio_begin(Stdio *stdio, Error *err) {
        for (unsigned i = 0; i < OUTPUTS; i++) {
                uint32_t stream = stream_id(stdio->process, STREAM_STDOUT + i);
                int r;

                if (stdio->output[i] < 0)
                        continue;
                r = stream_source_new(stdio->loop, stdio->channel, stream, stdio->output[i], on_source_done,
                                      stdio, &stdio->sources[i], err);
                if (r < 0)
                        return r;
                stdio->output[i] = -1;
                if (stdio->refused[i])
                        stream_source_stop(stdio->sources[i]);
        }
        return 0;
}

void stdio_drain(Stdio *stdio, StdioDrainedFn drained, void *user) {
        stdio->drained_fn = drained;
        stdio->user = user;
        if (stdio->input)
                stream_sink_abort(stdio->input);
        for (unsigned i = 0; i < OUTPUTS; i++)
                if (stdio->sources[i])
                        stream_source_drain(stdio->sources[i]);
        check_drained(stdio);
}

/* ---- frames ---- */

/* The other side of a terminal is gone: the program gets SIGHUP, as it would on the host. */
static void hang_up(Stdio *stdio) {
        if (!stdio->terminal)
                return;
        if (stdio->input)
                stream_sink_abort(stdio->input);
        if (stdio->master >= 0)
                close(TAKE_FD(stdio->master));
}

static int input_frame(Stdio *stdio, const Frame *frame, Error *err) {
        if (frame->type == FRAME_CLOSE) {
                /* a terminal has no end of file of its own: the user types it */
                if (!stdio->terminal)
                        stream_sink_close(stdio->input);
                return 0;
        }
        if (frame->type != FRAME_DATA)
                return error_set(err, EPROTO, "%s frame for standard input", frame_type_name(frame->type));
        if (stdio->input)
                return stream_sink_data(stdio->input, frame->data, frame->length, err);
        if (stdio->early.length + frame->length > STREAM_WINDOW)
                return error_set(err, EPROTO, "stream %u: %u bytes beyond the credit", frame->stream,
                                 frame->length);
        strbuf_append(&stdio->early, frame->data, frame->length);
        return 0;
}

static int output_frame(Stdio *stdio, const Frame *frame, unsigned i, Error *err) {
        StreamSource *source = stdio->sources[i];
        uint32_t bytes;

        if (frame->type == FRAME_RESET) {
                stdio->refused[i] = true;
                if (source)
                        stream_source_stop(source);
                hang_up(stdio);
                return 0;
        }
        if (frame->type != FRAME_WINDOW)
                return error_set(err, EPROTO, "%s frame for an output", frame_type_name(frame->type));
        memcpy(&bytes, frame->data, sizeof(bytes));
        if (source)
                stream_source_add_credit(source, le32toh(bytes));
        return 0;
}

int stdio_frame(Stdio *stdio, const Frame *frame, Error *err) {
        switch (frame->stream & 3) {
        case STREAM_STDIN:
                return input_frame(stdio, frame, err);
        case STREAM_STDOUT:
        case STREAM_STDERR:
                return output_frame(stdio, frame, (frame->stream & 3) - STREAM_STDOUT, err);
        default:
                return error_set(err, EPROTO, "stream %u does not exist", frame->stream);
        }
}

int stdio_resize(Stdio *stdio, uint32_t rows, uint32_t cols, Error *err) {
        if (!stdio->terminal)
                return error_set(err, EINVAL, "process %u has no terminal", stdio->process);
        if (stdio->master < 0)
                return 0;
        return terminal_resize(stdio->master, rows, cols, err);
}
