/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a container on this machine, with the agent's own modules but without an agent, shim or virtual
 * machine:
 *
 *   environment-run CONFIG.json      (root.path is relative to the working folder)
 *
 * Exit status: that of the program, or 125 with the error on stderr. The host is left alone as long as the
 * bundle asks for uts, ipc and pid namespaces.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/environment.h"
#include "agent/handshake.h"
#include "agent/program.h"
#include "agent/terminal.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"

#define FAILED 125

typedef struct Run {
        OciSpec *spec;
        Environment *environment;
        Cgroup *cgroup;
        int agent, child; /* the handshake's two ends */
        int master;
        pid_t pid;
} Run;

/* ---- the child ---- */

static int open_terminal(void *user, Error *err) {
        const Run *run = user;
        cleanup_close int master = -1;

        if (terminal_open(24, 80, &master, err) < 0)
                return -err->code;
        return handshake_send(run->child, HANDSHAKE_TERMINAL, master, err);
}

static __attribute__((noreturn)) void run_child(Run *run) {
        Error error = { 0 };

        close(run->agent);
        setsid();
        if (handshake_wait(run->child, HANDSHAKE_GO, &error) >= 0 &&
            environment_setup(run->environment, &error) >= 0 &&
            handshake_send(run->child, HANDSHAKE_READY, -1, &error) >= 0 &&
            handshake_wait(run->child, HANDSHAKE_START, &error) >= 0)
                environment_exec(run->environment, &error);
        handshake_send_error(run->child, &error);
        _exit(FAILED);
}

/* ---- the agent's part ---- */

/* Below this, whatever the environment does to mounts and /run is gone at the end. */
static int isolate(Error *err) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
            mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0)
                return error_errno(err, "isolating mounts");
        return 0;
}

static int read_spec(const char *path, OciSpec **ret, Error *err) {
        cleanup_free char *text = NULL, *root = NULL;
        size_t length;

        if (file_read(AT_FDCWD, path, JSON_MAX_BYTES, &text, &length, err) < 0 ||
            oci_spec_parse(text, length, ret, err) < 0)
                return -err->code;
        root = realpath((*ret)->root->path, NULL);
        if (!root)
                return error_errno(err, "root.path %s", (*ret)->root->path);
        free((*ret)->root->path);
        (*ret)->root->path = TAKE_PTR(root);
        return 0;
}

/* A cgroup of the unified hierarchy, if there is one (it may have no controllers). */
static int make_cgroup(Run *run, Error *err) {
        static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
        cleanup_free char *name = xasprintf("carrel-environment-%d", (int)getpid());

        for (size_t i = 0; i < ELEMENTS_OF(roots); i++) {
                cleanup_free char *file = xasprintf("%s/cgroup.controllers", roots[i]);

                if (access(file, F_OK) < 0)
                        continue;
                if (cgroup_new(roots[i], name, &run->cgroup, err) < 0)
                        return -err->code;
                return cgroup_apply(run->cgroup, run->spec->linux_ ? run->spec->linux_->resources : NULL,
                                    err);
        }
        return 0;
}

static int start_child(Run *run, Error *err) {
        struct clone_args args = { .flags = environment_clone_flags(run->environment),
                                   .exit_signal = SIGCHLD };

        if (run->cgroup) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t)cgroup_fd(run->cgroup);
        }
        run->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
        if (run->pid < 0)
                return error_errno(err, "clone3");
        if (run->pid == 0)
                run_child(run);
        close(TAKE_FD(run->child));
        if (environment_attach(run->environment, run->pid, err) < 0)
                return -err->code;
        return handshake_send(run->agent, HANDSHAKE_GO, -1, err);
}

/* Until the program runs. */
static int follow(Run *run, Error *err) {
        for (;;) {
                struct pollfd p = { .fd = run->agent, .events = POLLIN };
                HandshakeMessage message;
                int fd = -1;

                poll(&p, 1, -1);
                switch (handshake_receive(run->agent, &message, &fd)) {
                case HANDSHAKE_CLOSED:
                        return 0;
                case HANDSHAKE_NOTHING:
                        continue;
                case HANDSHAKE_MESSAGE:
                default:
                        break;
                }
                if (message.step == HANDSHAKE_ERROR)
                        return error_set(err, message.code, "%s", message.text);
                if (message.step == HANDSHAKE_TERMINAL)
                        run->master = fd;
                if (message.step == HANDSHAKE_READY &&
                    (program_limit(run->spec->process, run->pid, err) < 0 ||
                     handshake_send(run->agent, HANDSHAKE_START, -1, err) < 0))
                        return -err->code;
        }
}

static void copy_terminal(const Run *run) {
        struct pollfd p = { .fd = run->master, .events = POLLIN };
        char chunk[4096];
        ssize_t n;

        while (run->master >= 0 && poll(&p, 1, -1) > 0 && (n = read(run->master, chunk, sizeof(chunk))) > 0)
                if (write(1, chunk, (size_t)n) < n)
                        break;
}

static void end_cgroup(const Run *run) {
        cleanup_error Error ignored = { 0 };

        if (!run->cgroup)
                return;
        cgroup_kill(run->cgroup, &ignored);
        for (unsigned i = 0; i < 100 && rmdir(cgroup_path(run->cgroup)) < 0 && errno == EBUSY; i++)
                usleep(10000);
}

static int run_container(Run *run, const char *path, Error *err) {
        EnvironmentOptions options = { .id = "test", .open_terminal = open_terminal, .user = run };
        int status = 0, r;

        r = isolate(err);
        if (r >= 0)
                r = read_spec(path, &run->spec, err);
        if (r >= 0)
                r = make_cgroup(run, err);
        options.spec = run->spec;
        options.cgroup = run->cgroup;
        if (r >= 0)
                r = environment_new(&options, &run->environment, err);
        if (r >= 0)
                r = handshake_new(&run->agent, &run->child, err);
        if (r >= 0)
                r = start_child(run, err);
        if (r >= 0)
                r = follow(run, err);
        if (r < 0 && run->pid > 0)
                kill(run->pid, SIGKILL);
        if (r >= 0)
                copy_terminal(run);
        if (run->pid > 0)
                waitpid(run->pid, &status, 0);
        return r < 0 ? r : wait_status_to_exit(status);
}

int main(int argc, char **argv) {
        Run run = { .agent = -1, .child = -1, .master = -1 };
        Error error = { 0 };
        int r;

        if (argc != 2) {
                fprintf(stderr, "usage: environment-run CONFIG.json\n");
                return FAILED;
        }
        log_set_program("environment-run");
        r = run_container(&run, argv[1], &error);
        if (r < 0)
                fprintf(stderr, "%s\n", error.message);
        end_cgroup(&run);
        environment_free(run.environment);
        cgroup_free(run.cgroup);
        oci_spec_free(run.spec);
        error_clear(&error);
        return r < 0 ? FAILED : r;
}
