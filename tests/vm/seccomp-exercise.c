/* SPDX-License-Identifier: Apache-2.0 */

/*
 * seccomp-exercise CALL: a thread makes a system call; the other one says what became of it, if it is still there.
 * The calls are harmless ones, which neither libc nor a shell makes.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
        const char *name;
        long number;
} calls[] = {
        { "getpriority", SYS_getpriority },
        { "sched_rr_get_interval", SYS_sched_rr_get_interval },
        { "sched_getparam", SYS_sched_getparam },
        { "sched_get_priority_max", SYS_sched_get_priority_max },
        { "sched_get_priority_min", SYS_sched_get_priority_min },
};

static volatile sig_atomic_t trapped;
static const char *answer = "the thread is gone";

static void on_sigsys(int number) {
        (void)number;
        trapped = 1;
}

static void *make_call(void *number) {
        long r = syscall(*(const long *)number, 0L, 0L);

        answer = trapped ? "SIGSYS" : strerror(r < 0 ? errno : 0);
        return NULL;
}

int main(int argc, char **argv) {
        for (size_t i = 0; argc == 2 && i < sizeof(calls) / sizeof(calls[0]); i++) {
                long number = calls[i].number;
                pthread_t thread;

                if (strcmp(calls[i].name, argv[1]) != 0)
                        continue;
                signal(SIGSYS, on_sigsys);
                if (pthread_create(&thread, NULL, make_call, &number) != 0)
                        return 3;
                pthread_join(thread, NULL);
                puts(answer);
                return 0;
        }
        fputs("usage: seccomp-exercise CALL\n", stderr);
        return 2;
}
