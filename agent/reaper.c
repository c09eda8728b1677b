/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reaper.h"

#include <sys/wait.h>

static void on_child(LoopSource *source, const struct signalfd_siginfo *info, void *user) {
        Reaper *reaper = user;
        pid_t pid;
        int status;

        (void)source;
        (void)info;
        /* one signal may stand for any number of children */
        while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
                reaper->fn(pid, status, reaper->user);
}

int reaper_start(Reaper *reaper, Loop *loop, ReaperFn fn, void *user, Error *err) {
        sigset_t set;

        reaper->fn = fn;
        reaper->user = user;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        return loop_add_signals(loop, &set, on_child, reaper, &reaper->watch, err);
}
