/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/foreground.h"

#include <signal.h>

#include "common/base/mem.h"
#include "runtime/host/terminal.h"

/* So many requests to stop, and the shim is killed, which takes everything with it. */
#define PATIENCE 3

struct Foreground {
        Loop *loop;
        const Shim *shim;
        TerminalProxy *proxy;
        int stops; /* SIGINT and SIGTERM so far */
};

static void on_signal(LoopSource *source, const struct signalfd_siginfo *info, void *user) {
        Foreground *f = user;
        int signal_ = (int)info->ssi_signo;

        (void)source;
        if (signal_ == SIGWINCH) {
                if (f->proxy)
                        terminal_proxy_resize(f->proxy);
                return;
        }
        if ((signal_ == SIGINT || signal_ == SIGTERM) && ++f->stops >= PATIENCE)
                signal_ = SIGKILL;
        kill(f->shim->pid, signal_);
}

static void on_end(LoopSource *source, int fd, uint32_t events, void *user) {
        Foreground *f = user;

        (void)source;
        (void)fd;
        (void)events;
        loop_quit(f->loop, 0);
}

int foreground_new(const Shim *shim, int master, Foreground **ret, Error *err) {
        static const int handed_on[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
                                         SIGUSR2, SIGALRM, SIGCONT, SIGPWR,  SIGWINCH };
        cleanup(foreground_freep) Foreground *f = xnew(Foreground, 1);
        LoopSource *source;
        sigset_t set;
        int r;

        f->shim = shim;
        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTS_OF(handed_on); i++)
                sigaddset(&set, handed_on[i]);
        r = loop_new(&f->loop, err);
        if (r >= 0)
                r = loop_add_signals(f->loop, &set, on_signal, f, NULL, err);
        if (r >= 0)
                r = loop_add_fd(f->loop, shim->pidfd, EPOLLIN, on_end, f, &source, err);
        if (r >= 0 && master >= 0)
                r = terminal_proxy_new(f->loop, master, &f->proxy, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

int foreground_wait(Foreground *foreground, Error *err) {
        int r = loop_run(foreground->loop, err);

        if (r < 0)
                return r;
        if (foreground->proxy)
                terminal_proxy_drain(foreground->proxy);
        return shim_wait(foreground->shim, err);
}

Foreground *foreground_free(Foreground *foreground) {
        if (!foreground)
                return NULL;
        terminal_proxy_free(foreground->proxy);
        loop_free(foreground->loop);
        free(foreground);
        return NULL;
}
