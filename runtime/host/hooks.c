/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"
#include "common/base/str.h"
#include "runtime/store/process.h"

#define OUTPUT_MAX 4096U /* bytes of a hook's output that are kept for the error */

extern char **environ;

typedef struct HookChild {
        const HookRun *run;
        const OciHook *hook;
        int state_fd, output_fd;
} HookChild;

/* The program is the hook's path and argv[0] what its args say, which spawn() does not tell apart: so the child's
 * last steps are taken here. */
static int become_hook(void *user, Error *err) {
        HookChild *child = user;
        char *just_path[] = { child->hook->path, NULL };
        char *const *argv = child->hook->args && child->hook->args[0] ? child->hook->args : just_path;

        if (child->run->namespaces_of >= 0 &&
            setns(child->run->namespaces_of, CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS) < 0)
                return error_errno(err, "entering the container's namespaces");
        /* the root one enters with is the container's */
        if (child->run->namespaces_of >= 0 && (fchdir(child->run->root) < 0 || chroot(".") < 0))
                return error_errno(err, "the host's root");
        setpgid(0, 0); /* so that it can be killed with all it started */
        /* the bundle may be gone by the time of poststop */
        if (chdir(child->run->bundle) < 0 && chdir("/") < 0)
                return error_errno(err, "/");
        if (dup2(child->state_fd, STDIN_FILENO) < 0 || dup2(child->output_fd, STDOUT_FILENO) < 0 ||
            dup2(child->output_fd, STDERR_FILENO) < 0)
                return error_errno(err, "descriptors");
        if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return error_errno(err, "close_range");
        execve(child->hook->path, argv, child->hook->env ? child->hook->env : environ);
        return error_set(err, errno, "%s", strerror(errno)); /* spawn() names the program */
}

/* Takes in what is there; what is beyond the limit is read and dropped, so that the hook does not wait for it. */
static void read_output(int fd, StrBuf *output) {
        char buffer[4096];
        ssize_t n;

        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                if (output->length < OUTPUT_MAX)
                        strbuf_append(output, buffer, (size_t)n);
}

/* Until the hook ends; a process that it left behind may hold the pipe longer. False when the time is up. */
static bool wait_for_end(int pidfd, int output_fd, int64_t timeout, StrBuf *output) {
        uint64_t end = now_usec() + (uint64_t)timeout * 1000000;
        struct pollfd p[] = { { .fd = pidfd, .events = POLLIN }, { .fd = output_fd, .events = POLLIN } };

        for (;;) {
                uint64_t now = now_usec(), left = now >= end ? 0 : (end - now + 999) / 1000;
                int n = poll(p, ELEMENTS_OF(p), timeout <= 0 ? -1 : left > INT32_MAX ? INT32_MAX : (int)left);

                if (n < 0 && errno != EINTR)
                        return false;
                read_output(output_fd, output);
                if (n > 0 && p[0].revents)
                        return true;
                if (n == 0)
                        return false;
                if (p[1].revents & POLLHUP)
                        p[1].fd = -1;
        }
}

/* What a hook printed, fit for the middle of a line. Owned by the caller. */
static char *one_line(const StrBuf *output) {
        cleanup_free char *text = xstrndup(output->data ? output->data : "", output->length), *joined = NULL;
        cleanup_strv char **lines = strv_split(text, "\r\n");

        joined = strv_join(lines, " | ");
        return str_printable(joined, strlen(joined), OUTPUT_MAX);
}

static int judge(const OciHook *hook, int status, StrBuf *output, Error *err) {
        cleanup_free char *said = NULL;

        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        said = one_line(output);
        if (WIFSIGNALED(status))
                return error_set(err, EIO, "%s: killed by signal %d%s%s", hook->path, WTERMSIG(status),
                                 *said ? "; it said: " : "", said);
        return error_set(err, EIO, "%s: exit status %d%s%s", hook->path, WEXITSTATUS(status),
                         *said ? "; it said: " : "", said);
}

static int run_hook(HookChild *child, int output_read, Error *err) {
        char *argv[] = { child->hook->path, NULL };
        SpawnSpec spec = { .argv = argv, .setup = become_hook, .user = child };
        int64_t timeout = child->hook->timeout.set ? child->hook->timeout.value : 0;
        cleanup_strbuf StrBuf output = { 0 };
        cleanup_close int pidfd = -1;
        int status, r;
        bool ended;
        pid_t pid;

        r = spawn(&spec, &pid, &pidfd, err);
        if (r < 0)
                return r;
        ended = wait_for_end(pidfd, output_read, timeout, &output);
        if (!ended)
                kill(-pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!ended)
                return error_set(err, ETIMEDOUT, "%s: took longer than its timeout of %lld s",
                                 child->hook->path, (long long)timeout);
        return judge(child->hook, status, &output, err);
}

static int run_one(const HookRun *run, const OciHook *hook, Error *err) {
        HookChild child = { .run = run, .hook = hook };
        cleanup_close int state_fd = -1, output_read = -1, output_write = -1;
        int pipe_fds[2], r;

        r = fd_new_memfd("state", run->state, strlen(run->state), &state_fd, err);
        if (r < 0)
                return r;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return error_errno(err, "pipe");
        output_read = pipe_fds[0];
        output_write = pipe_fds[1];
        r = fd_set_nonblocking(output_read, true, err);
        if (r < 0)
                return r;
        child.state_fd = state_fd;
        child.output_fd = output_write;
        return run_hook(&child, output_read, err);
}

int hooks_run(const HookRun *run, const OciHook *hooks, size_t n_hooks, Error *err) {
        for (size_t i = 0; i < n_hooks; i++)
                if (run_one(run, &hooks[i], err) < 0)
                        return error_prefix(err, "%s hook #%zu", run->name, i);
        return 0;
}
