/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/signals.h"

#include "common/base/cleanup.h"

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
