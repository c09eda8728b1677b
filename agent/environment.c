/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * The order of the child's steps is the whole secret. Each depends on what is still there, or not there any
 * more:
 *
 *   cgroup and time namespaces   while /proc/self belongs to us: after the change of ids it is the kernel's
 *   root of the user namespace   before anything is made, so that it gets the right owner
 *   mounts                       on the old root still: bind sources, the guest's /dev and /proc are in sight,
 *                                and the new root is only a descriptor that look-ups cannot leave
 *   devices, hidden paths        after all mounts, which might cover or bring them
 *   settings                     through the guest's /proc, which the container need not have
 *   pivot_root
 *   propagation                  after pivot_root, which refuses a shared root
 *   working folder               made while the root can be written
 *   terminal, /dev/console       in the container's devpts, before its root is read-only
 *   driver bundle                its libraries become known to the container's loader
 *   read-only root
 *   program                      identity; what is left to do at START is to look at the host's files again, to look
 *                                for the program, to give up the last capabilities, to load the filter, and to exec
 */
#include "agent/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/caps.h"
#include "agent/devices.h"
#include "agent/mount-point.h"
#include "agent/mounts.h"
#include "agent/namespaces.h"
#include "agent/program.h"
#include "agent/rootfs.h"
#include "agent/seccomp.h"
#include "agent/start-hooks.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"

struct Environment {
        const OciSpec *spec;
        const Cgroup *cgroup;
        const Driver *driver;
        char *id, *bundle;
        int (*open_terminal)(void *user, Error *err);
        void (*warn)(void *user, const char *text);
        void *user;

        uint64_t clone_flags;
        Seccomp *seccomp;
        MountPlan *mounts;
        Program *program; /* the child's */
};

/* ---- the agent ---- */

static void warn_unknown_capabilities(const OciProcess *process) {
        cleanup_strv char **unknown = NULL;
        CapSets sets;

        caps_parse(process->capabilities, &sets, &unknown);
        STRV_FOR_EACH (name, unknown)
                log_warning("process.capabilities: the guest's kernel does not know %s", *name);
}

int environment_new(const EnvironmentOptions *options, Environment **ret, Error *err) {
        cleanup(environment_freep) Environment *e = xnew(Environment, 1);
        const OciSpec *spec = options->spec;

        if (!spec->process || !spec->root)
                return error_set(err, EINVAL, "process, root: missing");
        if (spec->process->terminal && !options->open_terminal)
                return error_set(err, EINVAL, "process.terminal: there is nobody to open one");
        e->spec = spec;
        e->cgroup = options->cgroup;
        e->driver = options->driver;
        e->id = options->id ? xstrdup(options->id) : NULL;
        e->bundle = options->bundle ? xstrdup(options->bundle) : NULL;
        e->open_terminal = options->open_terminal;
        e->warn = options->warn;
        e->user = options->user;
        if (namespaces_clone_flags(spec->linux_, &e->clone_flags, err) < 0 ||
            seccomp_new(spec->linux_ ? spec->linux_->seccomp : NULL, &e->seccomp, err) < 0 ||
            mount_plan_new(spec, e->cgroup ? cgroup_path(e->cgroup) : NULL, &e->mounts, err) < 0 ||
            namespaces_set_personality(spec->linux_, err) < 0)
                return -err->code;
        warn_unknown_capabilities(spec->process);
        *ret = TAKE_PTR(e);
        return 0;
}

Environment *environment_free(Environment *e) {
        if (!e)
                return NULL;
        program_free(e->program);
        mount_plan_free(e->mounts);
        seccomp_free(e->seccomp);
        free(e->id);
        free(e->bundle);
        free(e);
        return NULL;
}

uint64_t environment_clone_flags(const Environment *e) {
        return e->clone_flags;
}

const Seccomp *environment_seccomp(const Environment *e) {
        return e->seccomp;
}

const Driver *environment_driver(const Environment *e) {
        return e->driver;
}

/* The owner, outside, of what the container's user makes of its cgroup: only a user namespace makes it
 * another one than root, who needs no permission. */
static int delegate_cgroup(const Environment *e, Error *err) {
        const OciLinux *linux_ = e->spec->linux_;
        uint32_t uid = e->spec->process->user.uid;

        if (!e->cgroup || !oci_namespace(linux_, "user") || !oci_namespace(linux_, "cgroup"))
                return 0;
        for (size_t i = 0; i < linux_->n_uid_mappings; i++) {
                const OciIdMapping *m = &linux_->uid_mappings[i];

                if (uid >= m->container_id && uid - m->container_id < m->size)
                        return cgroup_delegate(e->cgroup, m->host_id + (uid - m->container_id), err);
        }
        return 0;
}

int environment_attach(Environment *e, pid_t child, Error *err) {
        if (namespaces_write_maps(e->spec->linux_, child, err) < 0 ||
            namespaces_write_settings(e->spec, SETTING_GUEST, err) < 0 || devices_prepare(e->spec, err) < 0)
                return -err->code;
        return delegate_cgroup(e, err);
}

/* ---- the child ---- */

static int build_root(Environment *e, int *root, Error *err) {
        const OciSpec *spec = e->spec;

        *root = rootfs_open(spec, err);
        if (*root < 0 || mount_plan_apply(e->mounts, root, err) < 0)
                return -err->code;
        if (!mount_plan_binds_dev(e->mounts) && devices_make(spec, *root, err) < 0)
                return -err->code;
        if (driver_mount(e->driver, *root, err) < 0)
                return -err->code;
        return rootfs_hide(spec, *root, err);
}

/* As runc does: the folder is made, by root, if it does not exist. */
static int make_working_folder(const OciProcess *process, int root, Error *err) {
        int fd;

        if (!process->cwd || !*process->cwd)
                return 0;
        fd = mount_point_open(root, process->cwd, false, err);
        if (fd < 0)
                return error_prefix(err, "process.cwd");
        close(fd);
        return 0;
}

static int open_terminal(const Environment *e, int root, Error *err) {
        if (!e->spec->process->terminal)
                return 0;
        if (e->open_terminal(e->user, err) < 0)
                return -err->code;
        return mount_plan_binds_dev(e->mounts) ? 0 : devices_mount_console(root, err);
}

static int enter_root(Environment *e, int root, Error *err) {
        cleanup_free char *warning = NULL;
        const OciSpec *spec = e->spec;

        if (rootfs_pivot(root, err) < 0 || rootfs_set_propagation(spec, err) < 0 ||
            mount_plan_apply_propagation(e->mounts, err) < 0)
                return -err->code;
        if (make_working_folder(spec->process, root, err) < 0 || open_terminal(e, root, err) < 0)
                return -err->code;
        if (driver_settle(e->driver, spec->process, e->seccomp, &warning, err) < 0)
                return error_prefix(err, "driver bundle");
        if (warning && e->warn)
                e->warn(e->user, warning);
        return rootfs_seal(spec, err);
}

int environment_setup(Environment *e, Error *err) {
        const OciSpec *spec = e->spec;
        cleanup_close int root = -1;
        mode_t mask;

        if (namespaces_unshare(spec->linux_, err) < 0 || namespaces_become_root(spec->linux_, err) < 0)
                return -err->code;
        mask = umask(0);
        if (build_root(e, &root, err) < 0 || namespaces_write_settings(spec, SETTING_NAMESPACE, err) < 0 ||
            enter_root(e, root, err) < 0)
                return -err->code;
        umask(mask);
        return program_setup(spec->process, e->seccomp, &e->program, err);
}

int environment_exec(Environment *e, Error *err) {
        mount_plan_look_again(e->mounts);
        if (e->spec->hooks && e->spec->hooks->n_start_container > 0) {
                cleanup_free char *state = start_hooks_state(e->spec, e->id, e->bundle);

                if (start_hooks_run(e->spec->hooks, state, err) < 0)
                        return -err->code;
        }
        return program_exec(e->program, err);
}
