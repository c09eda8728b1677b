/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/share.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "common/protocol/message.h"
#include "shim/mapped-bind.h"

static int make_target(const char *path, bool folder, Error *err) {
        int fd;

        if (folder)
                return mkdir(path, 0755) < 0 && errno != EEXIST ? error_errno(err, "making %s", path) : 0;
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_errno(err, "making %s", path);
        close(fd);
        return 0;
}

/* ---- what is shared ---- */

/* What only the kernel of the host can show. The planner knows it by its path, here it is known by what it is: a
 * link may lead there. */
static const struct {
        unsigned long magic;
        const char *why;
} kernel_file_systems[] = {
        { PROC_SUPER_MAGIC, SHARE_NO_PROC },      { SYSFS_MAGIC, SHARE_NO_SYS },
        { CGROUP_SUPER_MAGIC, SHARE_NO_SYS },     { CGROUP2_SUPER_MAGIC, SHARE_NO_SYS },
        { DEBUGFS_MAGIC, SHARE_NO_SYS },          { TRACEFS_MAGIC, SHARE_NO_SYS },
        { DEVPTS_SUPER_MAGIC, SHARE_NO_DEVICES }, { HUGETLBFS_MAGIC, SHARE_NO_HUGE },
};

static const struct {
        const char *path;
        const char *why; /* NULL: may be shared */
} kernel_folders[] = {
        { "/proc", SHARE_NO_PROC },
        { "/sys", SHARE_NO_SYS },
        { "/dev/shm", NULL },
        { "/dev", SHARE_NO_DEVICES },
};

static const char *refusal_of_file_system(unsigned long magic) {
        for (size_t i = 0; i < ELEMENTS_OF(kernel_file_systems); i++)
                if (kernel_file_systems[i].magic == magic)
                        return kernel_file_systems[i].why;
        return NULL;
}

/* devtmpfs calls itself a tmpfs: there is one, and it is told by its number. */
static bool is_device_folder(const struct stat *st) {
        struct stat dev, root;

        return stat("/dev", &dev) == 0 && stat("/", &root) == 0 && dev.st_dev != root.st_dev &&
               st->st_dev == dev.st_dev;
}

static const char *refusal_of_folder(const char *real, const struct stat *st) {
        for (size_t i = 0; i < ELEMENTS_OF(kernel_folders); i++) {
                const char *rest = str_after(real, kernel_folders[i].path);

                if (rest && (!*rest || *rest == '/'))
                        return kernel_folders[i].why;
        }
        return is_device_folder(st) ? SHARE_NO_DEVICES : NULL;
}

static int check_source(const LaunchShare *share, int source, const char *link, const struct stat *st,
                        Error *err) {
        char real[PATH_MAX] = "";
        const char *why = NULL;
        struct statfs fs;

        if (fstatfs(source, &fs) < 0 || readlink(link, real, sizeof(real) - 1) < 0)
                return error_errno(err, "source %s", share->source);
        if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
                why = SHARE_NO_DEVICES;
        if (!why)
                why = refusal_of_file_system((unsigned long)fs.f_type);
        if (!why)
                why = refusal_of_folder(real, st);
        if (why)
                return error_set(err, ENOTSUP, "source %s: %s", share->source, why);
        if (S_ISSOCK(st->st_mode) || S_ISFIFO(st->st_mode))
                log_warning("source %s: %s", share->source,
                            S_ISSOCK(st->st_mode) ? SHARE_SOCKET : SHARE_FIFO);
        return 0;
}

static int bind_source(const LaunchShare *share, int source, const char *link, const char *target,
                       Error *err) {
        Idmap map = {
                .uids = share->uid_mappings,
                .n_uids = share->n_uid_mappings,
                .gids = share->gid_mappings,
                .n_gids = share->n_gid_mappings,
        };

        if (map.n_uids > 0)
                return mapped_bind(&map, source, share->recursive, share->map_recursive, target, err);
        if (mount(link, target, NULL, MS_BIND | (share->recursive ? MS_REC : 0), NULL) < 0)
                return error_errno(err, "bind mount");
        return 0;
}

/* A user namespace may not take from a mount what the host has forbidden there. */
static int make_read_only(const char *target, Error *err) {
        unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY;
        struct statvfs st;

        if (statvfs(target, &st) < 0)
                return error_errno(err, "sharing %s with the guest", target);
        /* the kernel gives these the same numbers */
        flags |= st.f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME);
        if (!(st.f_flag & (ST_NOATIME | ST_RELATIME)))
                flags |= MS_STRICTATIME;
        if (st.f_flag & ST_RELATIME)
                flags |= MS_RELATIME;
        return mount(NULL, target, NULL, flags, NULL) < 0
                       ? error_errno(err, "sharing %s with the guest: read-only remount", target)
                       : 0;
}

static int bind_share(const char *tree, const LaunchShare *share, Error *err) {
        cleanup_free char *target = path_join(tree, share->target), *link = NULL;
        cleanup_close int source = -1;
        struct stat st;
        int r;

        if (!path_is_normalized(target))
                return error_set(err, EINVAL, "share target %s: not a plain path", share->target);
        source = open(share->source, O_PATH | O_CLOEXEC);
        if (source < 0 || fstat(source, &st) < 0)
                return error_errno(err, "source %s", share->source);
        link = xasprintf("/proc/self/fd/%d", source);
        r = check_source(share, source, link, &st, err);
        if (r >= 0)
                r = make_target(target, S_ISDIR(st.st_mode), err);
        if (r < 0)
                return r;
        if (bind_source(share, source, link, target, err) < 0)
                return error_prefix(err, "sharing %s with the guest", share->source);
        if (share->closed && mount(NULL, target, NULL, MS_PRIVATE | MS_REC, NULL) < 0)
                return error_errno(err, "sharing %s with the guest: making it private", share->source);
        return share->read_only ? make_read_only(target, err) : 0;
}

int share_assemble(const LaunchPlan *plan, Error *err) {
        cleanup_free char *private = path_join(plan->state_dir, STATE_PRIVATE);
        cleanup_free char *tree = path_join(private, PRIVATE_SHARE);
        cleanup_free char *mounts = plan->pod ? xasprintf("%s/" SHARE_MEMBER "mounts", tree, plan->member)
                                              : path_join(tree, "mounts");
        int r;

        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return error_errno(err, "making the mount namespace a slave of the host's");
        if (mkdir(private, 0700) < 0 && errno != EEXIST)
                return error_errno(err, "making %s", private);
        if (mount("carrel", private, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=4m") < 0)
                return error_errno(err, "%s: mounting a tmpfs", private);
        r = path_make_directories(AT_FDCWD, mounts, 0755, err);
        for (size_t i = 0; r >= 0 && i < plan->n_shares; i++) {
                r = bind_share(tree, &plan->shares[i], err);
                if (r < 0 && i > 0 && plan->shares[i].destination)
                        error_prefix(err, "mounts (%s)", plan->shares[i].destination);
        }
        return r;
}

/* A copy of the mount, and of those below it, that is attached nowhere. */
static int copy_mount(const char *tree, const LaunchShare *share, Error *err) {
        cleanup_free char *path = path_join(tree, share->target);
        int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

        return fd < 0 ? error_errno(err, "%s: copying the mount", path) : fd;
}

/* What an image has instead of a mount point is found out, and told, by the agent. */
static void show_bind(const char *tree, const LaunchShare *share, int root) {
        cleanup_error Error ignored = { 0 };
        cleanup_close int point = -1, copy = -1;
        struct stat st;

        copy = copy_mount(tree, share, &ignored);
        if (copy < 0 || fstat(copy, &st) < 0)
                return;
        point = path_make_in_root(root, share->destination, !S_ISDIR(st.st_mode),
                                  S_ISDIR(st.st_mode) ? 0755 : 0644, &ignored);
        if (point >= 0)
                move_mount(copy, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/*
 * The root of a mount namespace, for those who enter it, is the topmost mount at its root; for a process that is there
 * it is the one it had. Without this, podman cp into a running container would write to the host's files.
 */
int share_show(const LaunchPlan *plan, Error *err) {
        cleanup_free char *private = path_join(plan->state_dir, STATE_PRIVATE);
        cleanup_free char *tree = path_join(private, PRIVATE_SHARE);
        cleanup_close int root = -1;

        root = copy_mount(tree, &plan->shares[0], err);
        if (root < 0)
                return root;
        if (move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_errno(err, "putting the container's root in front of the host's");
        for (size_t i = 1; i < plan->n_shares; i++)
                if (plan->shares[i].destination)
                        show_bind(tree, &plan->shares[i], root);
        return 0;
}

int share_release(const LaunchPlan *plan, Error *err) {
        cleanup_free char *private = path_join(plan->state_dir, STATE_PRIVATE);

        return umount2(private, MNT_DETACH) < 0 ? error_errno(err, "%s: unmounting", private) : 0;
}

/* ---- a pod's further container ---- */

/* In a child, because who has entered another mount namespace does not find back to its own files. */
static int place(const LaunchPlan *plan, int tree, int namespace, Error *err) {
        cleanup_free char *folder = xasprintf("/" SHARE_MEMBER, plan->member);

        folder[strlen(folder) - 1] = '\0';
        if (setns(namespace, CLONE_NEWNS) < 0)
                return error_errno(err, "entering virtiofsd's mount namespace");
        if (path_make_directories(AT_FDCWD, folder, 0755, err) < 0)
                return -err->code;
        if (move_mount(tree, "", AT_FDCWD, folder, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_errno(err, "mounting the container's files for the pod's guest");
        return 0;
}

static int place_from_child(const LaunchPlan *plan, int tree, int namespace, Error *err) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *words = NULL;
        cleanup_close int reader = -1;
        size_t length = 0;
        int ends[2];
        pid_t child;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_errno(err, "pipe");
        reader = ends[0];
        child = fork();
        if (child == 0) {
                cleanup_error Error error = { 0 };

                if (place(plan, tree, namespace, &error) < 0)
                        fd_write_all(ends[1], error.message, strlen(error.message), &ignored);
                _exit(0);
        }
        close(ends[1]);
        if (child < 0)
                return error_errno(err, "fork");
        fd_read(reader, 4096, &words, &length, &ignored);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
                ;
        return length > 0 ? error_set(err, EIO, "%s", words) : 0;
}

int share_join(const LaunchPlan *plan, int namespace, Error *err) {
        cleanup_free char *folder = xasprintf("%s/" STATE_PRIVATE "/" PRIVATE_SHARE "/" SHARE_MEMBER,
                                              plan->state_dir, plan->member);
        cleanup_close int tree = -1;

        if (share_assemble(plan, err) < 0)
                return -err->code;
        tree = open_tree(AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (tree < 0)
                return error_errno(err, "%s", folder);
        if (place_from_child(plan, tree, namespace, err) < 0 || share_show(plan, err) < 0)
                return -err->code;
        return share_release(plan, err);
}
