/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"
#include "common/base/str.h"
#include "common/oci/names.h"
#include "common/protocol/launch.h"
#include "runtime/host/cgroup.h"
#include "runtime/host/joined.h"
#include "runtime/host/tool.h"

#define SHIM_NAME "carrel-shim"

typedef struct ShimChild {
        const ShimSpec *spec;
        int network, ipc, uts; /* namespaces to enter; -1: none */
        bool in_cgroup;
} ShimChild;

static int enter(int namespace, int flag, const char *path, Error *err) {
        if (namespace >= 0 && setns(namespace, flag) < 0)
                return error_errno(err, "entering %s namespace %s", oci_namespace_name(flag), path);
        return 0;
}

static int prepare_child(void *user, Error *err) {
        const ShimChild *child = user;

        if (cgroup_join(child->spec->cgroups, child->in_cgroup, err) < 0)
                return -err->code;
        if (enter(child->network, CLONE_NEWNET, child->spec->network, err) < 0 ||
            enter(child->ipc, CLONE_NEWIPC, child->spec->ipc, err) < 0)
                return -err->code;
        return enter(child->uts, CLONE_NEWUTS, child->spec->uts, err);
}

static int spawn_shim(const ShimSpec *spec, ShimChild *child, int plan, int boss, Shim *shim, Error *err) {
        cleanup_free char *program = tool_of_ours("shim", SHIM_NAME);
        char exec[] = "--exec";
        char *argv[] = { program, spec->exec ? exec : NULL, NULL };
        SpawnFd fds[] = {
                { STDIN_FILENO, STDIN_FILENO },
                { STDOUT_FILENO, STDOUT_FILENO },
                { STDERR_FILENO, STDERR_FILENO },
                { plan, SHIM_FD_PLAN },
                { boss, SHIM_FD_BOSS },
                { spec->log, SHIM_FD_LOG },
                { spec->console, SHIM_FD_CONSOLE },
                { spec->pod_share, SHIM_FD_SHARE },
        };
        SpawnSpec how = {
                .argv = argv,
                .fds = fds,
                .n_fds = ELEMENTS_OF(fds) - (spec->pod_share < 0),
                .new_session = true,
                .cgroup = cgroup_unified(spec->cgroups),
                .in_cgroup = &child->in_cgroup,
                .setup = prepare_child,
                .user = child,
        };

        if (!spec->pass_stdio)
                for (size_t i = 0; i <= STDERR_FILENO; i++)
                        fds[i].fd = -1;
        if (!spec->exec)
                how.clone_flags = CLONE_NEWPID | CLONE_NEWNS | (spec->network ? 0 : CLONE_NEWNET) |
                                  (spec->ipc ? 0 : CLONE_NEWIPC) | (spec->uts ? 0 : CLONE_NEWUTS);
        return spawn(&how, &shim->pid, &shim->pidfd, err);
}

static int open_joined(const ShimSpec *spec, const char *type, const char *path, int *ret, Error *err) {
        if (path)
                *ret = joined_open(type, path, spec->pod_share >= 0, err);
        return path && *ret < 0 ? error_prefix(err, "config.json") : 0;
}

int shim_launch(const ShimSpec *spec, Shim *ret, Error *err) {
        cleanup_close int plan = -1, ours = -1, theirs = -1, network = -1, ipc = -1, uts = -1;
        cleanup_shim Shim shim = SHIM_NONE;
        ShimChild child = { .spec = spec };
        int pair[2], r;

        if (open_joined(spec, "network", spec->network, &network, err) < 0 ||
            open_joined(spec, "ipc", spec->ipc, &ipc, err) < 0 ||
            open_joined(spec, "uts", spec->uts, &uts, err) < 0)
                return -err->code;
        r = fd_new_memfd("plan", spec->plan, strlen(spec->plan), &plan, err);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return error_errno(err, "socketpair");
        ours = pair[0];
        theirs = pair[1];
        child.network = network;
        child.ipc = ipc;
        child.uts = uts;
        r = spawn_shim(spec, &child, plan, theirs, &shim, err);
        if (r < 0)
                return r;
        shim.boss = client_new(TAKE_FD(ours));
        *ret = shim;
        shim = (Shim)SHIM_NONE;
        return 0;
}

void shim_done(Shim *shim) {
        if (shim->pidfd >= 0)
                close(shim->pidfd);
        client_free(shim->boss);
        *shim = (Shim)SHIM_NONE;
}

int shim_wait(const Shim *shim, Error *err) {
        int status;

        while (waitpid(shim->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return error_errno(err, "waiting for %s", SHIM_NAME);
        return wait_status_to_exit(status);
}

void shim_kill(const Shim *shim) {
        cleanup_error Error ignored = { 0 };

        if (shim->pid <= 0)
                return;
        kill(shim->pid, SIGKILL);
        shim_wait(shim, &ignored);
}
