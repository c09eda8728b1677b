/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/copy-tree.h"
#include "agent/mount-options.h"
#include "agent/mount-point.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "common/protocol/message.h"

typedef struct PlannedMount {
        const OciMount *mount;
        MountOptions options;
        int fd; /* the mount, kept for its propagation; or -1 */
} PlannedMount;

struct MountPlan {
        PlannedMount *mounts;
        size_t n_mounts;
        char *cgroup;
        bool user_namespace, cgroup_namespace;
};

/* ---- planning, by the agent ---- */

static bool is_bind(const PlannedMount *m) {
        return m->options.bind || streq(m->mount->type, "bind");
}

static int check_mount(const PlannedMount *m, Error *err) {
        const OciMount *mount = m->mount;
        const MountOptions *o = &m->options;

        if (o->remount)
                return 0;
        if (is_bind(m) && (!mount->source || *mount->source != '/'))
                return error_set(err, EINVAL, "source: expected an absolute path, found \"%s\"",
                                 mount->source ? mount->source : "");
        if (!is_bind(m) && (!mount->type || !*mount->type || streq(mount->type, "none")))
                return error_set(err, EINVAL, "type: missing, and no bind mount is asked for");
        if (o->copy_up && (is_bind(m) || !streq(mount->type, "tmpfs")))
                return error_set(err, EINVAL, "options: tmpcopyup is for tmpfs only");
        return 0;
}

/* Whether it is the memory that containers of a pod share. */
static bool is_of_pod(const PlannedMount *m) {
        return streq(m->mount->type, "tmpfs") && streq(m->mount->source, GUEST_POD_SHM);
}

/* Made for the first container that wants it, as large as that one says. */
static int make_pod_memory(const PlannedMount *m, Error *err) {
        cleanup_close int place = -1, fd = -1;

        if (mkdir(GUEST_POD_SHM, 0700) < 0)
                return errno == EEXIST ? 0 : error_errno(err, GUEST_POD_SHM);
        place = open(GUEST_POD_SHM, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (place < 0)
                return error_errno(err, GUEST_POD_SHM);
        fd = mount_new("tmpfs", "shm", 0, m->options.data, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
        return fd < 0 ? fd : mount_attach(fd, place, err);
}

int mount_plan_new(const OciSpec *spec, const char *cgroup, MountPlan **ret, Error *err) {
        cleanup(mount_plan_freep) MountPlan *plan = xnew(MountPlan, 1);

        plan->mounts = xnew(PlannedMount, spec->n_mounts);
        plan->cgroup = cgroup ? xstrdup(cgroup) : NULL;
        plan->user_namespace = oci_namespace(spec->linux_, "user");
        plan->cgroup_namespace = oci_namespace(spec->linux_, "cgroup");
        for (size_t i = 0; i < spec->n_mounts; i++) {
                PlannedMount *m = &plan->mounts[i];

                m->mount = &spec->mounts[i];
                m->fd = -1;
                plan->n_mounts++;
                mount_options_parse(m->mount->options, &m->options);
                if (check_mount(m, err) < 0 || (is_of_pod(m) && make_pod_memory(m, err) < 0))
                        return error_prefix(err, "mounts[%zu] (%s)", i, m->mount->destination);
        }
        *ret = TAKE_PTR(plan);
        return 0;
}

MountPlan *mount_plan_free(MountPlan *plan) {
        if (!plan)
                return NULL;
        for (size_t i = 0; i < plan->n_mounts; i++) {
                mount_options_done(&plan->mounts[i].options);
                close_descriptor(&plan->mounts[i].fd);
        }
        free(plan->mounts);
        free(plan->cgroup);
        free(plan);
        return NULL;
}

bool mount_plan_binds_dev(const MountPlan *plan) {
        for (size_t i = 0; i < plan->n_mounts; i++) {
                cleanup_free char *clean = path_normalize(plan->mounts[i].mount->destination);

                if (streq(clean, "/dev") && is_bind(&plan->mounts[i]))
                        return true;
        }
        return false;
}

/* ---- the parts ---- */

int mount_copy(int dir, const char *path, bool recursive, Error *err) {
        int fd = open_tree(dir, path,
                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) |
                                   (recursive ? AT_RECURSIVE : 0));

        if (fd < 0)
                return error_errno(err, "open_tree");
        return fd;
}

int mount_change(int fd, bool recursive, uint64_t set, uint64_t clear, Error *err) {
        struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

        if (set == 0 && clear == 0)
                return 0;
        if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) < 0)
                return error_errno(err, "changing the attributes of a mount");
        return 0;
}

int mount_set_propagation(int fd, bool recursive, unsigned long propagation, Error *err) {
        struct mount_attr attr = { .propagation = propagation };

        if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) < 0)
                return error_errno(err, "changing the propagation of a mount");
        return 0;
}

int mount_attach(int fd, int target, Error *err) {
        if (move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return error_errno(err, "move_mount");
        return 0;
}

/* The kernel says in words what it does not like; errno is for when it says nothing. */
static int file_system_error(int fs, const char *type, Error *err) {
        int code = errno;
        char text[512];
        ssize_t n = read(fs, text, sizeof(text) - 1);
        cleanup_free char *clean = NULL;

        if (n <= 2 || text[0] != 'e') {
                errno = code;
                return error_errno(err, "file system %s", type);
        }
        while (n > 0 && text[n - 1] == '\n')
                n--;
        clean = str_printable(text + 2, (size_t)n - 2, sizeof(text));
        return error_set(err, code, "file system %s: %s (%s)", type, clean, strerror(code));
}

static int configure(int fs, unsigned long superblock, char *const *data) {
        static const struct {
                unsigned long flag;
                const char *name;
        } flags[] = {
                { MS_RDONLY, "ro" },     { MS_SYNCHRONOUS, "sync" },  { MS_DIRSYNC, "dirsync" },
                { MS_MANDLOCK, "mand" }, { MS_LAZYTIME, "lazytime" },
        };

        for (size_t i = 0; i < ELEMENTS_OF(flags); i++)
                if ((superblock & flags[i].flag) &&
                    fsconfig(fs, FSCONFIG_SET_FLAG, flags[i].name, NULL, 0) < 0)
                        return -1;
        STRV_FOR_EACH (item, data) {
                cleanup_free char *key = xstrdup(*item);
                char *value = strchr(key, '=');
                int r;

                if (value)
                        *value++ = '\0';
                r = value ? fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0)
                          : fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
                if (r < 0)
                        return -1;
        }
        return 0;
}

int mount_new(const char *type, const char *source, unsigned long superblock, char *const *data, uint64_t set,
              Error *err) {
        cleanup_close int fs = fsopen(type, FSOPEN_CLOEXEC);
        int fd;

        if (fs < 0 && errno == ENODEV)
                return error_set(err, ENODEV, "file system %s: the guest's kernel has no such file system",
                                 type);
        if (fs < 0)
                return error_errno(err, "file system %s", type);
        if ((source && *source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0) ||
            configure(fs, superblock, data) < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return file_system_error(fs, type, err);
        fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)set);
        if (fd < 0)
                return file_system_error(fs, type, err);
        return fd;
}

/* ---- making them, by the child ---- */

static int new_bind(const MountPlan *plan, const PlannedMount *m, Error *err) {
        const char *source = m->mount->source;
        int fd = mount_copy(AT_FDCWD, source, m->options.rbind, err);

        /* In a user namespace a mount cannot be had without those that cover parts of it. */
        if (fd == -EINVAL && plan->user_namespace)
                fd = mount_copy(AT_FDCWD, source, true, err);
        if (fd < 0)
                return error_prefix(err, "%s", source);
        return fd;
}

/* What a tmpfs takes over from the folder it covers, unless its options say otherwise. */
static char **tmpfs_data(const PlannedMount *m, const struct stat *covered) {
        char **data = NULL;

        if (covered) {
                strv_printf(&data, "mode=%o", covered->st_mode & 07777U);
                if (m->options.copy_up) {
                        strv_printf(&data, "uid=%u", covered->st_uid);
                        strv_printf(&data, "gid=%u", covered->st_gid);
                }
        }
        strv_extend(&data, m->options.data);
        return data;
}

static int new_tmpfs(const PlannedMount *m, int root, Error *err) {
        cleanup_error Error missing = { 0 };
        cleanup_close int covered =
                path_open_in_root(root, m->mount->destination, O_RDONLY | O_DIRECTORY, 0, &missing);
        cleanup_close int fd = -1, inside = -1;
        cleanup_strv char **data = NULL;
        struct stat st;

        if (covered >= 0 && fstat(covered, &st) < 0)
                return error_errno(err, "%s", m->mount->destination);
        data = tmpfs_data(m, covered >= 0 ? &st : NULL);
        fd = mount_new("tmpfs", m->mount->source, m->options.superblock & ~MS_RDONLY, data, 0, err);
        if (fd < 0)
                return fd;
        if (covered >= 0 && m->options.copy_up) {
                inside = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (inside < 0)
                        return error_errno(err, "opening the new tmpfs");
                if (copy_tree(covered, inside, err) < 0)
                        return error_prefix(err, "tmpcopyup");
        }
        return TAKE_FD(fd);
}

/* Read-only is a matter of the single mount here: the file system is the kernel's, another mount of it
 * must not inherit that. It is the guest's own, when the container has no namespace to mount one for: a
 * user namespace without a network or pid namespace of its own may not. */
static int new_kernel_file_system(const MountPlan *plan, const PlannedMount *m, const char *ours,
                                  Error *err) {
        int fd = mount_new(m->mount->type, m->mount->source, m->options.superblock & ~MS_RDONLY,
                           m->options.data, 0, err);

        if (fd == -EPERM && plan->user_namespace) {
                error_clear(err);
                fd = mount_copy(AT_FDCWD, ours, true, err);
        }
        return fd;
}

static int new_cgroup(const MountPlan *plan, const PlannedMount *m, Error *err) {
        /* Options of cgroup v1 name controllers; there is one hierarchy with all of them here. */
        bool v2 = streq(m->mount->type, "cgroup2");

        if (plan->cgroup_namespace)
                return mount_new("cgroup2", m->mount->source, 0, v2 ? m->options.data : NULL, 0, err);
        if (!plan->cgroup)
                return error_set(err, EINVAL, "there is no cgroup to mount");
        return mount_copy(AT_FDCWD, plan->cgroup, true, err);
}

static int new_mount(const MountPlan *plan, const PlannedMount *m, int root, Error *err) {
        const OciMount *mount = m->mount;

        if (is_bind(m) || is_of_pod(m))
                return new_bind(plan, m, err);
        if (streq(mount->type, "tmpfs"))
                return new_tmpfs(m, root, err);
        if (streq(mount->type, "cgroup") || streq(mount->type, "cgroup2"))
                return new_cgroup(plan, m, err);
        if (streq(mount->type, "sysfs"))
                return new_kernel_file_system(plan, m, "/sys", err);
        if (streq(mount->type, "proc"))
                return new_kernel_file_system(plan, m, "/proc", err);
        if (streq(mount->type, "mqueue") || streq(mount->type, "devpts"))
                return mount_new(mount->type, mount->source, m->options.superblock & ~MS_RDONLY,
                                 m->options.data, 0, err);
        return mount_new(mount->type, mount->source, m->options.superblock, m->options.data, 0, err);
}

static int set_attributes(const PlannedMount *m, int fd, Error *err) {
        const MountOptions *o = &m->options;

        if (mount_change(fd, false, o->set, o->clear, err) < 0)
                return -err->code;
        return mount_change(fd, true, o->recursive_set, o->recursive_clear, err);
}

/* "remount": changes what is there, the file system too if there are options for it. */
static int change_mounted(const PlannedMount *m, int root, Error *err) {
        cleanup_close int target = path_open_in_root(root, m->mount->destination, O_PATH, 0, err), fs = -1;

        if (target < 0 || set_attributes(m, target, err) < 0)
                return -err->code;
        if (is_bind(m) || (!m->options.data && m->options.superblock == 0))
                return 0;
        fs = fspick(target, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
        if (fs < 0)
                return error_errno(err, "fspick");
        if (configure(fs, m->options.superblock, m->options.data) < 0 ||
            fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
                return file_system_error(fs, "remount", err);
        return 0;
}

static int open_target(const PlannedMount *m, int fd, int root, Error *err) {
        struct stat st;
        int target;

        if (fstat(fd, &st) < 0)
                return error_errno(err, "the new mount");
        target = mount_point_open(root, m->mount->destination, !S_ISDIR(st.st_mode), err);
        /* "not a directory" is what engines look for, to give their user a hint. */
        if (target == -ENOTDIR)
                return error_set(
                        err, ENOTDIR,
                        "a file can be mounted on a file only, a folder on a folder: not a directory");
        return target < 0 ? error_prefix(err, "mount point") : target;
}

static int make_mount(const MountPlan *plan, PlannedMount *m, int *root, Error *err) {
        cleanup_close int fd = -1, target = -1;

        if (m->options.remount)
                return change_mounted(m, *root, err);
        fd = new_mount(plan, m, *root, err);
        if (fd < 0 || set_attributes(m, fd, err) < 0)
                return -err->code;
        target = open_target(m, fd, *root, err);
        if (target < 0 || mount_attach(fd, target, err) < 0)
                return -err->code;
        if (m->options.propagation != 0) {
                m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
                if (m->fd < 0)
                        return error_errno(err, "keeping a mount");
        }
        if (path_is_normalized(m->mount->destination) && m->mount->destination[1] == '\0') {
                close(*root);
                *root = TAKE_FD(fd);
        }
        return 0;
}

int mount_plan_apply(MountPlan *plan, int *root, Error *err) {
        for (size_t i = 0; i < plan->n_mounts; i++) {
                PlannedMount *m = &plan->mounts[i];

                if (make_mount(plan, m, root, err) < 0)
                        return error_prefix(err, "mounts[%zu] (%s)", i, m->mount->destination);
        }
        return 0;
}

int mount_plan_apply_propagation(MountPlan *plan, Error *err) {
        for (size_t i = 0; i < plan->n_mounts; i++) {
                PlannedMount *m = &plan->mounts[i];

                if (m->fd >= 0 && mount_set_propagation(m->fd, m->options.propagation_recursive,
                                                        m->options.propagation, err) < 0)
                        return error_prefix(err, "mounts[%zu] (%s)", i, m->mount->destination);
        }
        return 0;
}

void mount_plan_look_again(const MountPlan *plan) {
        struct statx ignored;

        for (size_t i = 0; i < plan->n_mounts; i++)
                if (is_bind(&plan->mounts[i]))
                        (void)statx(AT_FDCWD, plan->mounts[i].mount->destination, AT_STATX_FORCE_SYNC,
                                    STATX_SIZE, &ignored);
}
