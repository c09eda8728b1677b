/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/mount-options.h"
#include "agent/mounts.h"
#include "common/base/path.h"
#include "common/base/str.h"

int rootfs_open(const OciSpec *spec, Error *err) {
        const char *path = spec->root->path;
        cleanup_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), place = -1, root = -1;

        if (old < 0)
                return error_errno(err, "/");
        if (mount_set_propagation(old, true, MS_PRIVATE, err) < 0)
                return error_prefix(err, "/");
        place = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (place < 0)
                return error_errno(err, "root.path %s", path);
        root = mount_copy(place, "", true, err);
        if (root < 0 || mount_attach(root, place, err) < 0)
                return error_prefix(err, "root.path %s", path);
        return TAKE_FD(root);
}

/* ---- paths that are hidden or read-only ---- */

/* 1: opened; 0: there is no such path in the container. */
static int open_existing(int root, const char *path, int *ret, Error *err) {
        int fd = path_open_in_root(root, path, O_PATH, 0, err);

        if (fd == -ENOENT || fd == -ENOTDIR) {
                error_clear(err);
                return 0;
        }
        if (fd < 0)
                return fd;
        *ret = fd;
        return 1;
}

static int make_read_only(int root, const char *path, Error *err) {
        cleanup_close int place = -1, copy = -1;
        int r = open_existing(root, path, &place, err);

        if (r <= 0)
                return r;
        copy = mount_copy(place, "", true, err);
        if (copy < 0 || mount_change(copy, true, MOUNT_ATTR_RDONLY, 0, err) < 0)
                return -err->code;
        return mount_attach(copy, place, err);
}

/* *folder_cover: an empty folder, made and used for the first path; a copy of it serves for the next ones
 * (a mount can be copied only once it has a place). */
static int cover_folder(int place, int *folder_cover, Error *err) {
        const uint64_t attributes =
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        char mode[] = "mode=755", *data[] = { mode, NULL };
        cleanup_close int copy = -1;

        if (*folder_cover < 0) {
                *folder_cover = mount_new("tmpfs", "tmpfs", 0, data, attributes, err);
                return *folder_cover < 0 ? *folder_cover : mount_attach(*folder_cover, place, err);
        }
        copy = mount_copy(*folder_cover, "", false, err);
        return copy < 0 ? copy : mount_attach(copy, place, err);
}

static int cover(int root, const char *path, int *folder_cover, Error *err) {
        cleanup_close int place = -1, copy = -1;
        struct stat st;
        int r = open_existing(root, path, &place, err);

        if (r <= 0)
                return r;
        if (fstat(place, &st) < 0)
                return error_errno(err, "fstat");
        if (S_ISDIR(st.st_mode))
                return cover_folder(place, folder_cover, err);
        copy = mount_copy(AT_FDCWD, "/dev/null", false, err);
        return copy < 0 ? copy : mount_attach(copy, place, err);
}

int rootfs_hide(const OciSpec *spec, int root, Error *err) {
        const OciLinux *linux_ = spec->linux_;
        cleanup_close int folder_cover = -1;

        if (!linux_)
                return 0;
        STRV_FOR_EACH (path, linux_->readonly_paths)
                if (make_read_only(root, *path, err) < 0)
                        return error_prefix(err, "linux.readonlyPaths (%s)", *path);
        STRV_FOR_EACH (path, linux_->masked_paths)
                if (cover(root, *path, &folder_cover, err) < 0)
                        return error_prefix(err, "linux.maskedPaths (%s)", *path);
        return 0;
}

/* ---- "/" ---- */

int rootfs_pivot(int root, Error *err) {
        /* With both folders the same, the old root comes to lie on top of the new one, and is taken off
         * from there: no folder in the new root is needed for it. */
        if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
                return error_errno(err, "pivot_root");
        if (umount2(".", MNT_DETACH) < 0)
                return error_errno(err, "unmounting the guest's root");
        if (chdir("/") < 0)
                return error_errno(err, "/");
        return 0;
}

static int open_root(Error *err) {
        int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        return root < 0 ? error_errno(err, "/") : root;
}

int rootfs_set_propagation(const OciSpec *spec, Error *err) {
        char *name = spec->linux_ ? spec->linux_->rootfs_propagation : NULL;
        char *names[] = { name, NULL };
        cleanup_mount_options MountOptions options = { 0 };
        cleanup_close int root = -1;

        if (!name || !*name)
                return 0;
        mount_options_parse(names, &options);
        if (options.propagation == 0)
                return error_set(err, EINVAL, "linux.rootfsPropagation: \"%s\" is no propagation", name);
        root = open_root(err);
        if (root < 0)
                return root;
        if (mount_set_propagation(root, options.propagation_recursive, options.propagation, err) < 0)
                return error_prefix(err, "linux.rootfsPropagation");
        return 0;
}

int rootfs_seal(const OciSpec *spec, Error *err) {
        cleanup_close int root = -1;

        if (!spec->root->readonly)
                return 0;
        root = open_root(err);
        if (root < 0)
                return root;
        if (mount_change(root, false, MOUNT_ATTR_RDONLY, 0, err) < 0)
                return error_prefix(err, "root.readonly");
        return 0;
}
