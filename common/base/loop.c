/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"

typedef enum SourceKind {
        SOURCE_FD,
        SOURCE_TIMER,
        SOURCE_SIGNAL,
} SourceKind;

struct LoopSource {
        Loop *loop;
        LoopSource *next;
        SourceKind kind;
        bool dead;   /* freed; its memory goes when no callback can hold it */
        bool always; /* epoll refused the descriptor: it is always ready */
        int fd;
        uint32_t events;
        uint64_t due; /* timer: now_usec() */
        union {
                LoopFdFn fd_fn;
                LoopTimerFn timer_fn;
                LoopSignalFn signal_fn;
        };
        void *user;
};

struct Loop {
        int epoll_fd;
        LoopSource *sources;
        bool quit;
        bool have_dead;
        int status;
};

uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int loop_new(Loop **ret, Error *err) {
        int fd = epoll_create1(EPOLL_CLOEXEC);

        if (fd < 0)
                return error_errno(err, "epoll_create1");
        *ret = xnew(Loop, 1);
        (*ret)->epoll_fd = fd;
        return 0;
}

static void collect(Loop *loop) {
        loop->have_dead = false;
        for (LoopSource **p = &loop->sources; *p;) {
                LoopSource *source = *p;

                if (source->dead) {
                        *p = source->next;
                        free(source);
                } else {
                        p = &source->next;
                }
        }
}

Loop *loop_free(Loop *loop) {
        if (!loop)
                return NULL;
        for (LoopSource *source = loop->sources; source; source = source->next)
                loop_source_free(source);
        collect(loop);
        close(loop->epoll_fd);
        free(loop);
        return NULL;
}

static LoopSource *add_source(Loop *loop, SourceKind kind, void *user) {
        LoopSource *source = xnew(LoopSource, 1);

        source->loop = loop;
        source->kind = kind;
        source->fd = -1;
        source->user = user;
        source->next = loop->sources;
        loop->sources = source;
        return source;
}

int loop_add_fd(Loop *loop, int fd, uint32_t events, LoopFdFn fn, void *user, LoopSource **ret, Error *err) {
        LoopSource *source = add_source(loop, SOURCE_FD, user);
        struct epoll_event event = { .events = events, .data.ptr = source };

        source->fd = fd;
        source->events = events;
        source->fd_fn = fn;
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                if (errno != EPERM) {
                        source->fd = -1;
                        loop_source_free(source);
                        return error_errno(err, "watching descriptor %d", fd);
                }
                source->always = true;
        }
        *ret = source;
        return 0;
}

void loop_source_set_events(LoopSource *source, uint32_t events) {
        struct epoll_event event = { .events = events, .data.ptr = source };

        if (source->events == events)
                return;
        source->events = events;
        if (!source->always)
                epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

void loop_add_timer(Loop *loop, uint64_t usec, LoopTimerFn fn, void *user, LoopSource **ret) {
        LoopSource *source = add_source(loop, SOURCE_TIMER, user);

        source->timer_fn = fn;
        source->due = now_usec() + usec;
        if (ret)
                *ret = source;
}

int loop_add_signals(Loop *loop, const sigset_t *set, LoopSignalFn fn, void *user, LoopSource **ret,
                     Error *err) {
        struct epoll_event event = { .events = EPOLLIN };
        LoopSource *source;
        int fd;

        if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
                return error_errno(err, "sigprocmask");
        fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return error_errno(err, "signalfd");
        source = add_source(loop, SOURCE_SIGNAL, user);
        source->fd = fd;
        source->signal_fn = fn;
        event.data.ptr = source;
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                loop_source_free(source);
                return error_errno(err, "watching signals");
        }
        if (ret)
                *ret = source;
        return 0;
}

LoopSource *loop_source_free(LoopSource *source) {
        if (!source || source->dead)
                return NULL;
        if (source->fd >= 0 && !source->always)
                epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
        if (source->kind == SOURCE_SIGNAL)
                close(source->fd);
        source->dead = true;
        source->loop->have_dead = true;
        return NULL;
}

static void dispatch_signals(LoopSource *source) {
        struct signalfd_siginfo info;

        while (!source->dead && read(source->fd, &info, sizeof(info)) == sizeof(info))
                source->signal_fn(source, &info, source->user);
}

/* Milliseconds until something must be done without an event: -1 for never. */
static int next_timeout(const Loop *loop) {
        uint64_t first = UINT64_MAX, now = now_usec();

        for (const LoopSource *s = loop->sources; s; s = s->next) {
                if (s->dead)
                        continue;
                if (s->always && s->events)
                        return 0;
                if (s->kind == SOURCE_TIMER && s->due < first)
                        first = s->due;
        }
        if (first == UINT64_MAX)
                return -1;
        if (first <= now)
                return 0;
        first = (first - now + 999) / 1000;
        return first > 60000 ? 60000 : (int)first;
}

static void dispatch_unpolled(Loop *loop) {
        uint64_t now = now_usec();

        for (LoopSource *s = loop->sources; s && !loop->quit; s = s->next) {
                if (s->dead)
                        continue;
                if (s->always && s->events) {
                        s->fd_fn(s, s->fd, s->events, s->user);
                } else if (s->kind == SOURCE_TIMER && s->due <= now) {
                        s->timer_fn(s, s->user);
                        loop_source_free(s);
                }
        }
}

int loop_run(Loop *loop, Error *err) {
        struct epoll_event events[32];

        while (!loop->quit) {
                int n = epoll_wait(loop->epoll_fd, events, ELEMENTS_OF(events), next_timeout(loop));

                if (n < 0 && errno != EINTR)
                        return error_errno(err, "epoll_wait");
                for (int i = 0; i < n && !loop->quit; i++) {
                        LoopSource *s = events[i].data.ptr;

                        if (s->dead)
                                continue;
                        if (s->kind == SOURCE_SIGNAL)
                                dispatch_signals(s);
                        else
                                s->fd_fn(s, s->fd, events[i].events, s->user);
                }
                if (!loop->quit)
                        dispatch_unpolled(loop);
                if (loop->have_dead)
                        collect(loop);
        }
        loop->quit = false;
        return loop->status;
}

void loop_quit(Loop *loop, int status) {
        loop->quit = true;
        loop->status = status;
}
