/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/start-hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"
#include "common/base/str.h"
#include "common/oci/state.h"

#define HOOK_OUTPUT_MAX 4096U /* bytes of what a hook says that go into the error */
#define HOOK_POLL_MS    100

char *start_hooks_state(const OciSpec *spec, const char *id, const char *bundle) {
        cleanup_free char *own_id = xstrdup(id ? id : "");
        cleanup_free char *own_bundle = xstrdup(bundle ? bundle : "");
        cleanup_free char *status = xstrdup(oci_status_name(OCI_CREATED));
        OciState state = {
                .oci_version = spec->oci_version,
                .id = own_id,
                .pid = getpid(),
                .status = status,
                .bundle = own_bundle,
                .annotations = spec->annotations,
        };

        return json_to_text(oci_state_fields, &state, false);
}

/* A hook that runs. */
typedef struct Run {
        const OciHook *hook;
        pid_t pid;
        int pidfd;
        int output; /* what it says on stdout and stderr */
        StrBuf said;
} Run;

static __attribute__((noreturn)) void run_child(const OciHook *hook, int input, int output) {
        char *only_path[] = { hook->path, NULL }, *nothing[] = { NULL };

        if (dup2(input, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0) {
                execve(hook->path, hook->args && *hook->args ? hook->args : only_path,
                       hook->env ? hook->env : nothing);
                dprintf(2, "%s", strerror(errno));
        }
        _exit(127);
}

static int start(Run *run, const char *state, Error *err) {
        struct clone_args args = {
                .flags = CLONE_PIDFD,
                .pidfd = (uint64_t)(uintptr_t)&run->pidfd,
                .exit_signal = SIGCHLD,
        };
        cleanup_close int input = -1, output = -1;
        int pipe_fds[2];

        if (fd_new_memfd("state", state, strlen(state), &input, err) < 0)
                return -err->code;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return error_errno(err, "pipe");
        run->output = pipe_fds[0];
        output = pipe_fds[1];
        run->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
        if (run->pid < 0)
                return error_errno(err, "clone3");
        if (run->pid == 0)
                run_child(run->hook, input, output);
        return 0;
}

/* Keeps the beginning of what the hook says; false at the end of it. */
static bool take_output(Run *run) {
        char chunk[1024];
        ssize_t n = read(run->output, chunk, sizeof(chunk));

        if (n > 0 && run->said.length < HOOK_OUTPUT_MAX)
                strbuf_append(&run->said, chunk, (size_t)n);
        return n > 0 || (n < 0 && errno == EINTR);
}

/* Until the hook has ended (which a child of its may outlive, with its output); false: it took too long. */
static bool wait_for(Run *run) {
        uint64_t seconds = run->hook->timeout.set ? (uint64_t)run->hook->timeout.value : 0;
        uint64_t deadline = now_usec() + seconds * 1000000;
        struct pollfd p[] = { { .fd = run->pidfd, .events = POLLIN },
                              { .fd = run->output, .events = POLLIN } };

        for (;;) {
                uint64_t now = now_usec();

                if (seconds > 0 && now >= deadline)
                        return false;
                if (poll(p, ELEMENTS_OF(p), seconds > 0 ? HOOK_POLL_MS : -1) < 0)
                        continue;
                if (p[1].revents && !take_output(run))
                        p[1].fd = -1;
                else if (p[0].revents && !(p[1].revents & POLLIN))
                        return true;
        }
}

static int judge(Run *run, bool in_time, Error *err) {
        const OciHook *hook = run->hook;
        cleanup_free char *said = NULL;
        int status = 0;

        if (!in_time)
                kill(run->pid, SIGKILL);
        while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!in_time)
                return error_set(err, ETIMEDOUT, "%s: did not end within %lld s", hook->path,
                                 (long long)hook->timeout.value);
        if (status == 0)
                return 0;
        while (run->said.length > 0 && run->said.data[run->said.length - 1] == '\n')
                run->said.length--;
        said = str_printable(run->said.data ? run->said.data : "", run->said.length, HOOK_OUTPUT_MAX);
        return error_set(err, ECANCELED, "%s: exit status %d: %s", hook->path, wait_status_to_exit(status),
                         said);
}

static int run_hook(const OciHook *hook, const char *state, Error *err) {
        Run run = { .hook = hook, .pidfd = -1, .output = -1 };
        int r = start(&run, state, err);

        if (r >= 0)
                r = judge(&run, wait_for(&run), err);
        close_descriptor(&run.pidfd);
        close_descriptor(&run.output);
        strbuf_done(&run.said);
        return r;
}

int start_hooks_run(const OciHooks *hooks, const char *state, Error *err) {
        for (size_t i = 0; hooks && i < hooks->n_start_container; i++)
                if (run_hook(&hooks->start_container[i], state, err) < 0)
                        return error_prefix(err, "hooks.startContainer[%zu]", i);
        return 0;
}
