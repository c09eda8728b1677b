/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/mounts.h"
#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

char *idmap_format(const OciIdMapping *mappings, size_t n) {
        StrBuf b = { 0 };

        for (size_t i = 0; i < n; i++)
                strbuf_printf(&b, "%u %u %u\n", mappings[i].container_id, mappings[i].host_id,
                              mappings[i].size);
        return strbuf_take(&b);
}

static int write_map(pid_t child, const char *file, const OciIdMapping *mappings, size_t n, Error *err) {
        cleanup_free char *path = xasprintf("/proc/%d/%s", (int)child, file);
        cleanup_free char *text = idmap_format(mappings, n);

        return n > 0 ? file_write(AT_FDCWD, path, text, err) : 0;
}

int idmap_write(const Idmap *map, pid_t child, Error *err) {
        if (write_map(child, "uid_map", map->uids, map->n_uids, err) < 0)
                return -err->code;
        return write_map(child, "gid_map", map->gids, map->n_gids, err);
}

/* A user namespace lives in a process or an open file; this makes one of the latter with a short-lived
 * former. */
static int new_user_namespace(const Idmap *map, Error *err) {
        struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
        cleanup_free char *path = NULL;
        int fd, r;
        pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

        if (pid < 0)
                return error_errno(err, "cloning into a user namespace");
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        pause();
        }
        path = xasprintf("/proc/%d/ns/user", (int)pid);
        r = idmap_write(map, pid, err);
        fd = r < 0 ? r : open(path, O_RDONLY | O_CLOEXEC);
        if (r >= 0 && fd < 0)
                fd = error_errno(err, "%s", path);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return fd;
}

/* An empty file or folder to mount on. */
static int make_target(const char *path, int mount, Error *err) {
        cleanup_free char *parent = path_join(path, "..");
        cleanup_free char *clean = path_normalize(parent);
        struct stat st;
        int fd;

        if (fstat(mount, &st) < 0)
                return error_errno(err, "fstat");
        if (path_make_directories(AT_FDCWD, clean, 0755, err) < 0)
                return -err->code;
        if ((S_ISDIR(st.st_mode) ? mkdir(path, 0755) : mknod(path, S_IFREG | 0644, 0)) < 0 && errno != EEXIST)
                return error_errno(err, "making %s", path);
        fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return error_errno(err, "%s", path);
        return fd;
}

int idmap_mount(const Idmap *map, const char *source, bool recursive, bool map_recursive, const char *target,
                Error *err) {
        cleanup_close int namespace = -1, mount = -1, place = -1;
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
        unsigned flags = AT_EMPTY_PATH | (map_recursive ? AT_RECURSIVE : 0);

        namespace = new_user_namespace(map, err);
        if (namespace < 0)
                return namespace;
        mount = mount_copy(AT_FDCWD, source, recursive, err);
        if (mount < 0)
                return error_prefix(err, "%s", source);
        attr.userns_fd = (uint64_t) namespace;
        if (mount_setattr(mount, "", flags, &attr, sizeof(attr)) < 0) {
                if (errno == EINVAL)
                        return error_set(err, EINVAL, "the file system of %s cannot be idmapped", source);
                return error_errno(err, "idmapping %s", source);
        }
        place = make_target(target, mount, err);
        if (place < 0)
                return place;
        return mount_attach(mount, place, err);
}
