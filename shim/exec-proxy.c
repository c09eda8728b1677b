/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * The proxy connects to the container's control socket and asks for the exec; from then on it is one end of the
 * process's streams, as the monitor is for the container's own process. Signals that can be caught are passed on;
 * when it is killed with SIGKILL its connection ends and the monitor has the process killed. It says on the boss
 * connection how the start went. The connection is a life line: when the command ends before the process, however it
 * ends, the proxy does too, unless the command has said before that somebody knows of the process ("complete"), which
 * one in the foreground never does.
 *
 * When its connection ends, it writes what it still has, and ends. The monitor waits for that (control_free).
 */
#include "shim/exec-proxy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/message.h"
#include "shim/connect.h"
#include "shim/sandbox.h"
#include "shim/signals.h"
#include "shim/stdio.h"

#define SEQ_EXEC 1U
#define SEQ_REST 2U /* answers to signals and resizes are of no interest */

typedef struct Proxy {
        Loop *loop;
        const ExecPlan *plan;
        Channel *control;
        Channel *boss;
        Stdio *stdio;
        uint32_t process;
        bool complete; /* the process stays when the boss goes */
        bool exited;
        int exit_status;
} Proxy;

static void tell_boss(Proxy *proxy, const Frame *reply, const Error *error) {
        if (!proxy->boss)
                return;
        if (error)
                channel_send_error(proxy->boss, SEQ_EXEC, error);
        else
                channel_send(proxy->boss, FRAME_REPLY, 0, SEQ_EXEC, reply->data, reply->length);
        channel_flush(proxy->boss, 1000);
        if (error)
                proxy->boss = channel_free(proxy->boss);
}

static void quit_when_flushed(void *user) {
        Proxy *proxy = user;

        if (proxy->exited && (!proxy->stdio || stdio_is_flushed(proxy->stdio)))
                loop_quit(proxy->loop, proxy->exit_status);
}

static void fail(Proxy *proxy, const Error *error) {
        tell_boss(proxy, NULL, error);
        loop_quit(proxy->loop, error->code == ENOENT ? 127 : error->code == EACCES ? 126 : 255);
}

static int on_started(Proxy *proxy, const Frame *frame, Error *err) {
        ExecReply reply = { 0 };
        StdioSpec spec = {
                .loop = proxy->loop,
                .channel = proxy->control,
                .fds = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
                .terminal = proxy->plan->terminal,
                .flushed = quit_when_flushed,
                .user = proxy,
        };
        int r;

        r = message_read(frame, exec_reply_fields, &reply, err);
        if (r < 0)
                return r;
        if (reply.process == 0 || reply.process > PROCESS_MAX)
                return error_set(err, EPROTO, "exec got process number %u", reply.process);
        proxy->process = spec.process = reply.process;
        if (spec.terminal)
                spec.fds[0] = SHIM_FD_CONSOLE;
        r = stdio_new(&spec, &proxy->stdio, err);
        if (r >= 0)
                r = stdio_open_input(proxy->stdio, err);
        if (r >= 0)
                tell_boss(proxy, frame, NULL);
        return r;
}

static int handle_frame(Proxy *proxy, const Frame *frame, Error *err) {
        Exited exited = { 0 };
        int r;

        switch (frame->type) {
        case FRAME_REPLY:
                return frame->seq == SEQ_EXEC ? on_started(proxy, frame, err) : 0;
        case FRAME_ERROR:
                return frame->seq == SEQ_EXEC ? message_to_error(frame, err) : 0;
        case FRAME_EXITED:
                r = message_read(frame, exited_fields, &exited, err);
                if (r < 0)
                        return r;
                proxy->exited = true;
                proxy->exit_status = exited.status & 255;
                quit_when_flushed(proxy);
                return 0;
        case FRAME_DATA:
        case FRAME_WINDOW:
        case FRAME_CLOSE:
        case FRAME_RESET:
                return proxy->stdio ? stdio_frame(proxy->stdio, frame, err) : 0;
        default:
                return 0;
        }
}

static void on_frame(Channel *channel, const Frame *frame, void *user) {
        cleanup_error Error error = { 0 };
        Proxy *proxy = user;

        (void)channel;
        if (handle_frame(proxy, frame, &error) < 0)
                fail(proxy, &error);
}

static void on_end(Channel *channel, const char *why, void *user) {
        cleanup_error Error error = { 0 };
        Proxy *proxy = user;

        (void)channel;
        (void)why;
        if (proxy->exited)
                return; /* only our own output is still to be written */
        proxy->exited = true;
        proxy->exit_status = EXIT_PROXY_LOST;
        error_set(&error, ESRCH, "container not running");
        tell_boss(proxy, NULL, &error);
        if (proxy->stdio)
                stdio_end(proxy->stdio);
        quit_when_flushed(proxy);
}

static void on_boss_end(Channel *channel, const char *why, void *user) {
        Proxy *proxy = user;

        (void)channel;
        (void)why;
        proxy->boss = channel_free(proxy->boss);
        if (!proxy->complete && !proxy->exited)
                loop_quit(proxy->loop, 128 + SIGKILL);
}

static void on_boss_frame(Channel *channel, const Frame *frame, void *user) {
        Proxy *proxy = user;

        (void)channel;
        if (frame->type == FRAME_EVENT) /* EVENT_COMPLETE is the only one */
                proxy->complete = true;
}

static void on_signal(LoopSource *source, const struct signalfd_siginfo *info, void *user) {
        Proxy *proxy = user;

        (void)source;
        if (info->ssi_signo == SIGCHLD || !proxy->process)
                return;
        if (info->ssi_signo == SIGWINCH) {
                ResizeRequest size = { .process = proxy->process };

                stdio_window_size(proxy->stdio, &size.rows, &size.cols);
                if (size.rows && size.cols)
                        channel_send_json(proxy->control, FRAME_RESIZE, SEQ_REST, resize_request_fields,
                                          &size);
        } else {
                SignalRequest request = { .process = proxy->process, .signal = (int32_t)info->ssi_signo };

                channel_send_json(proxy->control, FRAME_SIGNAL, SEQ_REST, signal_request_fields, &request);
        }
}

static int bring_up(Proxy *proxy, Error *err) {
        ChannelHandlers control = { .frame = on_frame, .end = on_end, .user = proxy };
        ChannelHandlers boss = { .frame = on_boss_frame, .end = on_boss_end, .user = proxy };
        ExecRequest request = { .spec = proxy->plan->spec,
                                .cgroup = proxy->plan->cgroup,
                                .rows = proxy->plan->rows,
                                .cols = proxy->plan->cols,
                                .proxy = (uint32_t)getpid() };
        int fd, r;

        r = channel_new(proxy->loop, SHIM_FD_BOSS, &boss, &proxy->boss, err);
        if (r >= 0)
                r = signals_catch(proxy->loop, on_signal, proxy, err);
        if (r < 0)
                return r;
        fd = control_connect(proxy->plan->control, err);
        if (fd < 0)
                return fd;
        r = channel_new(proxy->loop, fd, &control, &proxy->control, err);
        if (r < 0) {
                close(fd);
                return r;
        }
        channel_send_json(proxy->control, FRAME_EXEC, SEQ_EXEC, exec_request_fields, &request);
        /* it reads what the guest sends, and needs nothing but what it has open; a user's has no capabilities */
        return geteuid() == 0 ? sandbox_drop_all(err) : 0;
}

int exec_proxy_run(const ExecPlan *plan, Error *err) {
        Proxy proxy = { .plan = plan };
        int r;

        r = loop_new(&proxy.loop, err);
        if (r < 0)
                return r;
        r = bring_up(&proxy, err);
        if (r < 0)
                tell_boss(&proxy, NULL, err);
        else
                r = loop_run(proxy.loop, err);
        stdio_free(proxy.stdio);
        channel_free(proxy.control);
        channel_free(proxy.boss);
        loop_free(proxy.loop);
        return r;
}
