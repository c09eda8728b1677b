/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* Typed ahead of what the container reads. */
#define INPUT_MAX (64U << 10)

int terminal_open(uint32_t rows, uint32_t cols, Terminal *ret, Error *err) {
        cleanup_terminal Terminal terminal = TERMINAL_NONE;
        struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };
        char name[128];

        terminal.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (terminal.master < 0 || grantpt(terminal.master) < 0 || unlockpt(terminal.master) < 0 ||
            ptsname_r(terminal.master, name, sizeof(name)) != 0)
                return error_errno(err, "making a terminal");
        if (rows && cols && ioctl(terminal.master, TIOCSWINSZ, &size) < 0)
                return error_errno(err, "size of the terminal");
        terminal.slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (terminal.slave < 0)
                return error_errno(err, "%s", name);
        terminal.name = xstrdup(name);
        *ret = terminal;
        terminal = (Terminal)TERMINAL_NONE;
        return 0;
}

void terminal_done(Terminal *terminal) {
        if (terminal->master >= 0)
                close(terminal->master);
        if (terminal->slave >= 0)
                close(terminal->slave);
        free(terminal->name);
        *terminal = (Terminal)TERMINAL_NONE;
}

/* ---- proxy ---- */

struct TerminalProxy {
        Loop *loop;
        int master;
        LoopSource *input, *output;
        StrBuf pending; /* typed, and not yet taken by the pty */
        bool raw;
        struct termios saved;
};

static void update_events(TerminalProxy *proxy) {
        if (proxy->output)
                loop_source_set_events(proxy->output, EPOLLIN | (proxy->pending.length > 0 ? EPOLLOUT : 0));
        if (proxy->input)
                loop_source_set_events(proxy->input, proxy->pending.length < INPUT_MAX ? EPOLLIN : 0);
}

static void write_pending(TerminalProxy *proxy) {
        while (proxy->pending.length > 0) {
                ssize_t n = write(proxy->master, proxy->pending.data, proxy->pending.length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return;
                strbuf_consume(&proxy->pending, (size_t)n);
        }
}

static void on_input(LoopSource *source, int fd, uint32_t events, void *user) {
        TerminalProxy *proxy = user;
        char buffer[4096];
        ssize_t n;

        (void)source;
        (void)events;
        n = read(fd, buffer, sizeof(buffer));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0) {
                strbuf_append(&proxy->pending, buffer, (size_t)n);
        } else {
                /* the end of a file is typed as its character, which is what a terminal knows */
                if (n == 0)
                        strbuf_putc(&proxy->pending, 4);
                proxy->input = loop_source_free(proxy->input);
        }
        write_pending(proxy);
        update_events(proxy);
}

/* False when the pty has no more. */
static bool pass_output(TerminalProxy *proxy) {
        cleanup_error Error ignored = { 0 };
        char buffer[16384];
        ssize_t n = read(proxy->master, buffer, sizeof(buffer));

        if (n < 0 && errno == EINTR)
                return true;
        if (n <= 0)
                return false;
        fd_write_all(STDOUT_FILENO, buffer, (size_t)n, &ignored);
        return true;
}

static void on_output(LoopSource *source, int fd, uint32_t events, void *user) {
        TerminalProxy *proxy = user;

        (void)source;
        (void)fd;
        if (events & EPOLLOUT)
                write_pending(proxy);
        if ((events & (EPOLLIN | EPOLLHUP)) && !pass_output(proxy) && errno != EAGAIN)
                proxy->output = loop_source_free(proxy->output);
        update_events(proxy);
}

void terminal_proxy_resize(TerminalProxy *proxy) {
        struct winsize size;

        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) >= 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0)
                ioctl(proxy->master, TIOCSWINSZ, &size);
}

void terminal_proxy_drain(TerminalProxy *proxy) {
        while (proxy->output && pass_output(proxy))
                ;
}

int terminal_proxy_new(Loop *loop, int master, TerminalProxy **ret, Error *err) {
        cleanup(terminal_proxy_freep) TerminalProxy *proxy = xnew(TerminalProxy, 1);
        struct termios raw;
        int r;

        proxy->loop = loop;
        proxy->master = master;
        r = fd_set_nonblocking(master, true, err);
        if (r >= 0)
                r = loop_add_fd(loop, master, EPOLLIN, on_output, proxy, &proxy->output, err);
        if (r >= 0)
                r = loop_add_fd(loop, STDIN_FILENO, EPOLLIN, on_input, proxy, &proxy->input, err);
        if (r < 0)
                return error_prefix(err, "terminal");
        if (tcgetattr(STDIN_FILENO, &proxy->saved) >= 0) {
                raw = proxy->saved;
                cfmakeraw(&raw);
                if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
                        return error_errno(err, "terminal");
                proxy->raw = true;
        }
        terminal_proxy_resize(proxy);
        *ret = TAKE_PTR(proxy);
        return 0;
}

TerminalProxy *terminal_proxy_free(TerminalProxy *proxy) {
        if (!proxy)
                return NULL;
        if (proxy->raw)
                tcsetattr(STDIN_FILENO, TCSADRAIN, &proxy->saved);
        loop_source_free(proxy->input);
        loop_source_free(proxy->output);
        strbuf_done(&proxy->pending);
        free(proxy);
        return NULL;
}
