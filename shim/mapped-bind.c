/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/mapped-bind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* The shim is in a pid namespace of its own, /proc is not: the process has another number there. */
static pid_t number_in_proc(int pidfd, Error *err) {
        cleanup_free char *path = xasprintf("/proc/self/fdinfo/%d", pidfd), *text = NULL;
        const char *line;
        size_t length;

        if (file_read(AT_FDCWD, path, 4096, &text, &length, err) < 0)
                return -1;
        line = strstr(text, "\nPid:");
        if (!line) {
                error_set(err, ENOTSUP, "%s: no process number", path);
                return -1;
        }
        return (pid_t)strtol(line + strlen("\nPid:"), NULL, 10);
}

static int open_namespace(const Idmap *map, int pidfd, Error *err) {
        cleanup_free char *path = NULL;
        pid_t pid = number_in_proc(pidfd, err);
        int fd;

        if (pid < 0 || idmap_write(map, pid, err) < 0)
                return -err->code;
        path = xasprintf("/proc/%d/ns/user", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? error_errno(err, "%s", path) : fd;
}

/* A user namespace lives in a process or an open file; this makes one of the latter with a short-lived
 * former. */
static int new_user_namespace(const Idmap *map, Error *err) {
        cleanup_close int pidfd = -1;
        struct clone_args args = {
                .flags = CLONE_NEWUSER | CLONE_PIDFD,
                .pidfd = (uint64_t)(uintptr_t)&pidfd,
                .exit_signal = SIGCHLD,
        };
        int fd;
        pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

        if (pid < 0)
                return error_errno(err, "cloning into a user namespace");
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        pause();
        }
        fd = open_namespace(map, pidfd, err);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return fd;
}

int mapped_bind(const Idmap *map, int source, bool recursive, bool map_recursive, const char *target,
                Error *err) {
        cleanup_close int namespace = -1, mount = -1;
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
        unsigned copy = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
        unsigned flags = AT_EMPTY_PATH | (map_recursive ? AT_RECURSIVE : 0);

        namespace = new_user_namespace(map, err);
        if (namespace < 0)
                return namespace;
        mount = open_tree(source, "", copy);
        if (mount < 0)
                return error_errno(err, "open_tree");
        attr.userns_fd = (uint64_t) namespace;
        if (mount_setattr(mount, "", flags, &attr, sizeof(attr)) < 0)
                return errno == EINVAL ? error_set(err, EINVAL, "its file system cannot be idmapped")
                                       : error_errno(err, "mapping ids");
        if (move_mount(mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_errno(err, "move_mount");
        return 0;
}
