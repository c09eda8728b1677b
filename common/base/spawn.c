/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

extern char **environ;

/* What a child that failed says through the pipe: code, then text. */
typedef struct ChildError {
        int code;
        char text[1024];
} ChildError;

static void reset_signals(void) {
        struct sigaction act = { .sa_handler = SIG_DFL };
        sigset_t none;

        for (int n = 1; n < 65; n++)
                sigaction(n, &act, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Moves the descriptors to their places. All sources are first lifted above every target, so that no move
 * overwrites one that is still needed. *report is lifted with them. */
static int place_descriptors(const SpawnSpec *spec, int *report, Error *err) {
        int top = 3, null_fd;
        int *lifted = xnew(int, spec->n_fds + 1);

        for (size_t i = 0; i < spec->n_fds; i++)
                if (spec->fds[i].target >= top)
                        top = spec->fds[i].target + 1;
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null_fd < 0)
                return error_errno(err, "/dev/null");
        for (size_t i = 0; i < spec->n_fds; i++) {
                lifted[i] = fcntl(spec->fds[i].fd >= 0 ? spec->fds[i].fd : null_fd, F_DUPFD_CLOEXEC, top);
                if (lifted[i] < 0)
                        return error_errno(err, "descriptor %d", spec->fds[i].fd);
        }
        *report = fcntl(*report, F_DUPFD_CLOEXEC, top);
        for (int fd = 0; fd < 3; fd++)
                if (null_fd != fd && dup2(null_fd, fd) < 0)
                        return error_errno(err, "descriptor %d", fd);
        for (int fd = 3; fd < top; fd++)
                close(fd);
        for (size_t i = 0; i < spec->n_fds; i++)
                if (dup2(lifted[i], spec->fds[i].target) < 0)
                        return error_errno(err, "descriptor %d", spec->fds[i].target);
        /* what is left above is ours: close-on-exec whatever it was */
        if (close_range((unsigned)top, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return error_errno(err, "close_range");
        return 0;
}

static int become(const SpawnSpec *spec, Error *err) {
        if (spec->set_identity) {
                if (setgroups(spec->n_groups, spec->groups) < 0)
                        return error_errno(err, "setgroups");
                if (setresgid(spec->gid, spec->gid, spec->gid) < 0)
                        return error_errno(err, "setresgid %u", (unsigned)spec->gid);
                if (setresuid(spec->uid, spec->uid, spec->uid) < 0)
                        return error_errno(err, "setresuid %u", (unsigned)spec->uid);
        }
        /* after the change of identity, which clears it */
        if (spec->death_signal && prctl(PR_SET_PDEATHSIG, spec->death_signal) < 0)
                return error_errno(err, "prctl PR_SET_PDEATHSIG");
        if (spec->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_errno(err, "prctl PR_SET_NO_NEW_PRIVS");
        return 0;
}

static __attribute__((noreturn)) void run_child(const SpawnSpec *spec, int report) {
        Error error = { 0 };
        ChildError out = { 0 };
        ssize_t n;

        reset_signals();
        if (spec->new_session && setsid() < 0)
                error_errno(&error, "setsid");
        else if ((!spec->setup || spec->setup(spec->user, &error) >= 0) &&
                 place_descriptors(spec, &report, &error) >= 0 && become(spec, &error) >= 0) {
                char *const *env = spec->env ? spec->env : environ;

                execvpe(spec->argv[0], spec->argv, env);
                error_errno(&error, "%s", spec->argv[0]);
        }
        out.code = error.code;
        if (error.message)
                strncpy(out.text, error.message, sizeof(out.text) - 1);
        n = write(report, &out, sizeof(out));
        _exit(n == sizeof(out) ? 127 : 126);
}

/* As fork(2), with a pidfd. */
static pid_t clone_child(const SpawnSpec *spec, int *ret_pidfd) {
        struct clone_args args = { .flags = CLONE_PIDFD | spec->clone_flags,
                                   .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
                                   .exit_signal = SIGCHLD };
        cleanup_close int cgroup = -1;
        pid_t pid;

        if (spec->cgroup) {
                struct clone_args born_in = args;

                cgroup = open(spec->cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
                born_in.flags |= CLONE_INTO_CGROUP;
                born_in.cgroup = (uint64_t)cgroup;
                *spec->in_cgroup = true;
                pid = cgroup < 0 ? -1 : (pid_t)syscall(SYS_clone3, &born_in, sizeof(born_in));
                if (pid >= 0)
                        return pid;
                *spec->in_cgroup = false; /* setup() moves there, or says why it cannot */
        }
        return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int spawn(const SpawnSpec *spec, pid_t *ret_pid, int *ret_pidfd, Error *err) {
        cleanup_close int report_read = -1, report_write = -1, pidfd = -1;
        ChildError failed = { 0 };
        int pipe_fds[2];
        ssize_t n;
        pid_t pid;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return error_errno(err, "pipe");
        report_read = pipe_fds[0];
        report_write = pipe_fds[1];
        pid = clone_child(spec, &pidfd);
        if (pid < 0)
                return error_errno(err, "starting %s: clone3", spec->argv[0]);
        if (pid == 0)
                run_child(spec, report_write);
        close(TAKE_FD(report_write));
        do
                n = read(report_read, &failed, sizeof(failed));
        while (n < 0 && errno == EINTR);
        if (n == sizeof(failed)) {
                waitpid(pid, NULL, 0);
                failed.text[sizeof(failed.text) - 1] = '\0';
                return error_set(err, failed.code, "starting %s: %s", spec->argv[0], failed.text);
        }
        *ret_pid = pid;
        if (ret_pidfd)
                *ret_pidfd = TAKE_FD(pidfd);
        return 0;
}

int wait_status_to_exit(int status) {
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
