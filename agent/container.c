/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/container.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/disks.h"
#include "agent/namespaces.h"
#include "agent/program.h"
#include "agent/terminal.h"
#include "common/base/mem.h"

#define OVERFLOW_UID 65534U

uid_t container_map_uid(const OciLinux *linux_, uid_t uid) {
        if (!linux_ || !oci_namespace(linux_, "user"))
                return uid;
        for (size_t i = 0; i < linux_->n_uid_mappings; i++) {
                const OciIdMapping *m = &linux_->uid_mappings[i];

                if (uid >= m->container_id && uid - m->container_id < m->size)
                        return m->host_id + (uid - m->container_id);
        }
        return OVERFLOW_UID;
}

/* ---- the child ---- */

static int open_terminal(void *user, Error *err) {
        Container *container = user;
        cleanup_close int master = -1;
        int r;

        r = terminal_open(container->rows, container->cols, &master, err);
        if (r < 0)
                return r;
        return handshake_send(CHILD_FD_HANDSHAKE, HANDSHAKE_TERMINAL, master, err);
}

static void warn(void *user, const char *text) {
        (void)user;
        handshake_send_warning(CHILD_FD_HANDSHAKE, text);
}

/* Into those namespaces of the pod's first container that are to be shared; the pid namespace it was born in. */
static int enter_pod(const Container *container, Error *err) {
        int flags = container->pod_namespaces & ~CLONE_NEWPID;

        if (container->pod_namespaces == 0)
                return 0;
        /* processes of the pod must not look into what is still the agent */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return error_errno(err, "prctl PR_SET_DUMPABLE");
        if (flags != 0 && setns(CHILD_FD_EXTRA, flags) < 0)
                return error_errno(err, "linux.namespaces: entering those of the pod");
        close(CHILD_FD_EXTRA);
        return 0;
}

static int run_init(void *user, Error *err) {
        Container *container = user;
        int r;

        r = handshake_wait(CHILD_FD_HANDSHAKE, HANDSHAKE_GO, err);
        if (r >= 0)
                r = enter_pod(container, err);
        if (r >= 0)
                r = environment_setup(container->environment, err);
        if (r >= 0)
                r = handshake_send(CHILD_FD_HANDSHAKE, HANDSHAKE_READY, -1, err);
        if (r >= 0)
                r = handshake_wait(CHILD_FD_HANDSHAKE, HANDSHAKE_START, err);
        if (r >= 0)
                r = environment_exec(container->environment, err);
        return r;
}

/* ---- the agent ---- */

static int prepare(Container *container, const Driver *driver, Error *err) {
        cleanup_free char *cgroup = NULL;
        OciSpec *spec = container->spec;
        EnvironmentOptions options = {
                .spec = spec,
                .driver = driver,
                .id = container->id,
                .bundle = container->bundle,
                .open_terminal = open_terminal,
                .warn = warn,
                .user = container,
        };
        int r;

        cgroup = container->number ? xasprintf(CGROUP_NAME "-%u", container->number) : xstrdup(CGROUP_NAME);
        r = cgroup_new(CGROUP_ROOT, cgroup, &container->cgroup, err);
        if (r < 0)
                return r;
        options.cgroup = container->cgroup;
        r = environment_new(&options, &container->environment, err);
        if (r >= 0)
                r = cgroup_apply(container->cgroup, spec->linux_ ? spec->linux_->resources : NULL, err);
        return r;
}

/* What of the pod's first container is entered, and how the child gets there. */
static int prepare_pod(Container *container, const ContainerPlace *place, ProcessSpec *spec,
                       int *ret_pid_namespace, Error *err) {
        const OciLinux *linux_ = container->spec->linux_;
        const char *pid_of = namespaces_pid_of(linux_);
        const Container *pod = place->pod,
                        *processes = pid_of && pod ? place->find(place->user, pid_of) : pod;

        container->pod_namespaces = namespaces_pod_flags(linux_);
        if (container->pod_namespaces == 0)
                return 0;
        if (!pod || !pod->init)
                return error_set(err, EINVAL,
                                 "linux.namespaces: there is no pod whose namespaces could be entered");
        if (!processes || !processes->init)
                return error_set(err, ESRCH,
                                 "linux.namespaces: pid: container %s of the pod, whose processes are to be "
                                 "shared, has ended",
                                 pid_of);
        spec->extra_fd = pod->init->pidfd;
        if (container->pod_namespaces & CLONE_NEWPID) {
                cleanup_free char *path = xasprintf("/proc/%d/ns/pid", (int)processes->init->pid);

                *ret_pid_namespace = spec->pid_namespace = open(path, O_RDONLY | O_CLOEXEC);
                if (spec->pid_namespace < 0)
                        return error_errno(err, "%s", path);
        }
        return 0;
}

static int start_init(Container *container, ProcessTable *table, const ContainerPlace *place, uint32_t seq,
                      Error *err) {
        const OciProcess *program = container->spec->process;
        ProcessSpec spec = {
                .number = container->number << CONTAINER_SHIFT | PROCESS_INIT,
                .seq = seq,
                .terminal = program->terminal,
                .owner = container_map_uid(container->spec->linux_, program->user.uid),
                .clone_flags = environment_clone_flags(container->environment),
                .pid_namespace = -1,
                .cgroup = cgroup_fd(container->cgroup),
                .extra_fd = -1,
                .child = run_init,
                .user = container,
        };
        cleanup_close int pid_namespace = -1;
        int r;

        r = prepare_pod(container, place, &spec, &pid_namespace, err);
        if (r >= 0)
                r = process_start(table, &spec, &container->init, err);
        if (r < 0)
                return r;
        r = environment_attach(container->environment, container->init->pid, err);
        if (r >= 0)
                r = process_go(container->init, err);
        if (r < 0)
                process_abandon(TAKE_PTR(container->init));
        return r;
}

int container_new(ProcessTable *table, const CreateRequest *request, const ContainerPlace *place,
                  uint32_t seq, Container **ret, Error *err) {
        cleanup(container_freep) Container *container = xnew(Container, 1);
        int r;

        r = oci_spec_from_tree(request->config, &container->spec, err);
        if (r < 0)
                return error_prefix(err, "config.json");
        container->number = place->number;
        container->id = request->id ? xstrdup(request->id) : NULL;
        container->bundle = request->bundle ? xstrdup(request->bundle) : NULL;
        terminal_size(container->spec->process, request->rows, request->cols, &container->rows,
                      &container->cols);
        r = disks_resolve(container->spec, err);
        /* only now: the driver's block devices have the guest's numbers */
        if (r >= 0)
                driver_extend_spec(place->driver, container->spec);
        if (r >= 0)
                r = prepare(container, place->driver, err);
        if (r >= 0)
                r = start_init(container, table, place, seq, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(container);
        return 0;
}

Container *container_free(Container *container) {
        if (!container)
                return NULL;
        environment_free(container->environment);
        cgroup_free(container->cgroup);
        oci_spec_free(container->spec);
        free(container->id);
        free(container->bundle);
        free(container);
        return NULL;
}

int container_init_ready(Container *container, Error *err) {
        return program_limit(container->spec->process, container->init->pid, err);
}

int container_can_start(const Container *container, Error *err) {
        if (!container->init || container->init->state == PROCESS_EXITED)
                return error_set(err, EINVAL, "cannot start a container that has stopped");
        if (container->init->state != PROCESS_READY)
                return error_set(err, EINVAL, "cannot start an already running container");
        return 0;
}

int container_start(Container *container, Error *err) {
        int r;

        r = container_can_start(container, err);
        return r < 0 ? r : process_run_program(container->init, err);
}

int container_signal_all(const Container *container, int signal, Error *err) {
        cleanup_free pid_t *pids = NULL;
        size_t n;
        int r;

        if (signal == SIGKILL)
                return cgroup_kill(container->cgroup, err);
        r = cgroup_pids(container->cgroup, &pids, &n, err);
        if (r < 0)
                return r;
        if (n == 0)
                return error_set(err, ESRCH, "no such process");
        /* pids of our children and their descendants: one that ends now stays a zombie until we reap it, or its
         * number is free and no one else's in this moment */
        for (size_t i = 0; i < n; i++)
                if (kill(pids[i], signal) < 0 && errno != ESRCH)
                        return error_errno(err, "signal %d", signal);
        return 0;
}

bool container_is_empty(const Container *container) {
        cleanup_error Error ignored = { 0 };
        cleanup_free pid_t *pids = NULL;
        size_t n = 0;

        return cgroup_pids(container->cgroup, &pids, &n, &ignored) < 0 || n == 0;
}
