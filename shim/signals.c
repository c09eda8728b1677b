/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/signals.h"

#include "common/base/cleanup.h"

#define REPEAT_USEC 20000

bool signals_repeated(SignalTimes *times, uint32_t signal_) {
        uint64_t now = now_usec(), *last;

        if (signal_ >= ELEMENTS_OF(times->usec) || (int)signal_ >= SIGRTMIN)
                return false;
        last = &times->usec[signal_];
        if (*last != 0 && now - *last < REPEAT_USEC)
                return true;
        *last = now;
        return false;
}

void signals_block(void) {
        static const int ending[] = { SIGHUP,  SIGINT,    SIGQUIT, SIGUSR1, SIGUSR2,   SIGTERM,
                                      SIGALRM, SIGVTALRM, SIGPROF, SIGPWR,  SIGSTKFLT, SIGIO };
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTS_OF(ending); i++)
                sigaddset(&set, ending[i]);
        for (int n = SIGRTMIN; n <= SIGRTMAX; n++)
                sigaddset(&set, n);
        sigprocmask(SIG_BLOCK, &set, NULL);
}

int signals_catch(Loop *loop, LoopSignalFn fn, void *user, Error *err) {
        static const int caught[] = { SIGCHLD, SIGTERM,  SIGINT,  SIGHUP,  SIGQUIT, SIGUSR1, SIGUSR2,
                                      SIGALRM, SIGWINCH, SIGCONT, SIGTSTP, SIGURG,  SIGPWR,  SIGIO };
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTS_OF(caught); i++)
                sigaddset(&set, caught[i]);
        for (int n = SIGRTMIN; n <= SIGRTMAX; n++)
                sigaddset(&set, n);
        signal(SIGPIPE, SIG_IGN);
        return loop_add_signals(loop, &set, fn, user, NULL, err);
}
