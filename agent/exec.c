/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/namespaces.h"
#include "agent/program.h"
#include "agent/terminal.h"
#include "common/base/mem.h"

/* What the child needs; it has its own copy of everything by then. */
typedef struct Exec {
        const Container *container;
        OciProcess *spec;
        uint32_t rows, cols;
} Exec;

/* ---- the child ---- */

/* Into all namespaces of the container's init but the pid namespace, in which the child was born. */
static int join(const Exec *exec, Error *err) {
        int flags = namespaces_join_flags(exec->container->spec->linux_) & ~CLONE_NEWPID;

        /* the container's processes must not look into what is still the agent */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return error_errno(err, "prctl PR_SET_DUMPABLE");
        if (setns(CHILD_FD_EXTRA, flags) < 0)
                return error_errno(err, "entering the container's namespaces");
        close(CHILD_FD_EXTRA);
        return namespaces_become_root(exec->container->spec->linux_, err);
}

static int take_terminal(const Exec *exec, Error *err) {
        cleanup_close int master = -1;
        int r;

        if (!exec->spec->terminal)
                return 0;
        r = terminal_open(exec->rows, exec->cols, &master, err);
        if (r < 0)
                return r;
        return handshake_send(CHILD_FD_HANDSHAKE, HANDSHAKE_TERMINAL, master, err);
}

static int run_exec(void *user, Error *err) {
        cleanup(program_freep) Program *program = NULL;
        const Exec *exec = user;
        int r;

        r = join(exec, err);
        if (r >= 0)
                driver_set_environment(environment_driver(exec->container->environment), exec->spec);
        if (r >= 0)
                r = take_terminal(exec, err);
        if (r >= 0)
                r = program_setup(exec->spec, environment_seccomp(exec->container->environment), &program,
                                  err);
        if (r >= 0)
                r = handshake_send(CHILD_FD_HANDSHAKE, HANDSHAKE_READY, -1, err);
        if (r >= 0)
                r = handshake_wait(CHILD_FD_HANDSHAKE, HANDSHAKE_START, err);
        if (r >= 0)
                r = program_exec(program, err);
        return r;
}

/* ---- the agent ---- */

static int start(ProcessTable *table, Exec *exec, const ExecRequest *request, uint32_t seq, Error *err) {
        const Container *container = exec->container;
        ProcessSpec spec = {
                .number = container->number << CONTAINER_SHIFT | request->process,
                .seq = seq,
                .terminal = exec->spec->terminal,
                .owner = container_map_uid(container->spec->linux_, exec->spec->user.uid),
                .pid_namespace = -1,
                .extra_fd = container->init->pidfd,
                .child = run_exec,
                .user = exec,
        };
        cleanup_close int cgroup = -1, namespace = -1;
        Process *process;
        int r;

        r = request->cgroup ? cgroup_open_below(container->cgroup, request->cgroup, &cgroup, err)
                            : cgroup_open_for(container->cgroup, container->init->pid, &cgroup, err);
        if (r < 0)
                return r;
        spec.cgroup = cgroup;
        if (namespaces_join_flags(container->spec->linux_) & CLONE_NEWPID) {
                cleanup_free char *path = xasprintf("/proc/%d/ns/pid", (int)container->init->pid);

                namespace = open(path, O_RDONLY | O_CLOEXEC);
                if (namespace < 0)
                        return error_errno(err, "%s", path);
                spec.pid_namespace = namespace;
        }
        r = process_start(table, &spec, &process, err);
        if (r >= 0)
                process->program = TAKE_PTR(exec->spec);
        return r;
}

/* A container that is set up will do: it need not have been started. */
static int check_container(const Container *container, Error *err) {
        if (!container || !container->init || container->init->state >= PROCESS_EXITED)
                return error_set(err, EINVAL, "cannot exec in a stopped container");
        if (container->init->state == PROCESS_PREPARING)
                return error_set(err, EINVAL, "cannot exec in a creating container");
        return 0;
}

int exec_start(ProcessTable *table, const Container *container, const ExecRequest *request, uint32_t seq,
               Error *err) {
        cleanup(oci_process_freep) OciProcess *program = NULL;
        Exec exec = { .container = container };
        int r;

        r = check_container(container, err);
        if (r >= 0 && request->process > PROCESS_MAX)
                r = error_set(err, EINVAL, "process number %u", request->process);
        if (r < 0)
                return r;
        r = oci_process_from_tree(request->spec, &program, err);
        if (r < 0)
                return error_prefix(err, "process");
        terminal_size(program, request->rows, request->cols, &exec.rows, &exec.cols);
        exec.spec = program;
        r = start(table, &exec, request, seq, err);
        if (r >= 0)
                program = NULL; /* the process has it */
        return r;
}

int exec_ready(Process *process, Error *err) {
        int r = program_limit(process->program, process->pid, err);

        if (r >= 0)
                r = process_run_program(process, err);
        return r;
}
