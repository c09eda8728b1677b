/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/watched.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "runtime/host/host-root.h"

#define LINE_MAX_BYTES 1024U

typedef struct Job {
        int root;
        const char *path;
        const char *text; /* to be written; NULL: read */
} Job;

typedef struct Outcome {
        int code; /* positive errno; 0: done */
        char line[LINE_MAX_BYTES];
} Outcome;

static int act(const Job *job, Outcome *outcome) {
        /* O_TRUNC means nothing to the kernel's files */
        int flags = job->text ? O_WRONLY | O_TRUNC : O_RDONLY;
        int fd = host_root_open_file(job->root, job->path, flags | O_NOCTTY);
        ssize_t n;

        if (fd < 0)
                return errno;
        if (job->text)
                return write(fd, job->text, strlen(job->text)) < 0 ? errno : 0;
        n = read(fd, outcome->line, sizeof(outcome->line) - 1);
        if (n < 0)
                return errno;
        outcome->line[n] = '\0';
        outcome->line[strcspn(outcome->line, "\n")] = '\0';
        return 0;
}

/* Locks, and pipes whose end somebody waits for, must not live on in a child that cannot end. What it needs becomes
 * descriptors 3 and 4. */
static void hold_nothing(int *root, int *report) {
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        int lifted_root = fcntl(*root, F_DUPFD, 5), lifted_report = fcntl(*report, F_DUPFD, 5);

        if (null_fd < 0 || lifted_root < 0 || lifted_report < 0)
                _exit(1);
        for (int fd = 0; fd < 3; fd++)
                dup2(null_fd, fd);
        *root = dup2(lifted_root, 3);
        *report = dup2(lifted_report, 4);
        fd_close_from(5);
}

static __attribute__((noreturn)) void run_child(Job *job, int report, pid_t parent) {
        Outcome outcome = { 0 };
        sigset_t none;
        ssize_t n;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        signal(SIGPIPE, SIG_IGN);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        hold_nothing(&job->root, &report);
        outcome.code = act(job, &outcome);
        n = write(report, &outcome, sizeof(outcome));
        _exit(n == (ssize_t)sizeof(outcome) ? 0 : 1);
}

/* False: the time is over. */
static bool wait_report(int fd, int timeout_ms) {
        uint64_t end = now_usec() + (uint64_t)timeout_ms * 1000;

        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                uint64_t now = now_usec();
                int n = poll(&p, 1, now < end ? (int)((end - now + 999) / 1000) : 0);

                if (n > 0)
                        return true;
                if (n == 0 || errno != EINTR)
                        return false;
        }
}

static int watch(Job *job, int timeout_ms, Outcome *ret, Error *err) {
        cleanup_close int ours = -1;
        pid_t parent = getpid(), child;
        int pair[2];
        ssize_t n;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return error_errno(err, "pipe");
        child = fork();
        if (child == 0)
                run_child(job, pair[1], parent);
        close(pair[1]);
        ours = pair[0];
        if (child < 0)
                return error_errno(err, "fork");
        if (!wait_report(ours, timeout_ms))
                return error_set(err, ETIMEDOUT, "%s: the kernel has not come to an end with it within %d s",
                                 job->path, (timeout_ms + 999) / 1000);
        n = read(ours, ret, sizeof(*ret));
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
                ;
        if (n != (ssize_t)sizeof(*ret))
                return error_set(err, EIO, "%s: the process that was to do it has ended", job->path);
        return ret->code ? error_set(err, ret->code, "%s: %s", job->path, strerror(ret->code)) : 0;
}

int watched_write(int root, const char *path, const char *text, int timeout_ms, Error *err) {
        Job job = { root, path, text };
        Outcome outcome;

        return watch(&job, timeout_ms, &outcome, err);
}

int watched_read_line(int root, const char *path, int timeout_ms, char **ret, Error *err) {
        Job job = { .root = root, .path = path };
        Outcome outcome;
        int r = watch(&job, timeout_ms, &outcome, err);

        if (r < 0)
                return r;
        outcome.line[sizeof(outcome.line) - 1] = '\0';
        *ret = xstrdup(outcome.line);
        return 0;
}
