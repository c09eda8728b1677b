/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/pod-share.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/message.h"

#define DEPTH_MAX    4 /* virtiofsd forks once or twice below the shim */
#define CHILDREN_MAX 65536U

/* Whatever virtiofsd is called: the process whose root is the shared tree, a tmpfs (and that of its parent, in the same
 * mount namespace). */
static bool serves_tree(const char *pid) {
        cleanup_free char *tree = xasprintf("/proc/%s/root/.", pid);
        cleanup_free char *mounts = xasprintf("/proc/%s/root/mounts", pid);
        cleanup_free char *rootfs = xasprintf("/proc/%s/root/rootfs", pid);
        struct statfs fs;

        return statfs(tree, &fs) == 0 && fs.f_type == TMPFS_MAGIC && access(mounts, F_OK) == 0 &&
               access(rootfs, F_OK) == 0;
}

/* proc(5), /proc/PID/task/TID/children. -1: none of them. */
static int find_below(const char *pid, int depth) {
        cleanup_free char *path = xasprintf("/proc/%s/task/%s/children", pid, pid), *text = NULL;
        cleanup_error Error ignored = { 0 };
        cleanup_strv char **children = NULL;
        int fd = -1;

        if (depth == 0 || file_read(AT_FDCWD, path, CHILDREN_MAX, &text, NULL, &ignored) < 0)
                return -1;
        children = strv_split(text, " ");
        STRV_FOR_EACH (child, children) {
                cleanup_free char *namespace = xasprintf("/proc/%s/ns/mnt", *child);

                fd = serves_tree(*child) ? open(namespace, O_RDONLY | O_CLOEXEC)
                                         : find_below(*child, depth - 1);
                if (fd >= 0)
                        break;
        }
        return fd;
}

int pod_share_open(pid_t shim, Error *err) {
        cleanup_free char *pid = xasprintf("%d", (int)shim);
        int fd = find_below(pid, DEPTH_MAX);

        return fd >= 0 ? fd
                       : error_set(err, ENOTSUP,
                                   "the pod's virtual machine has no virtiofsd, so no further container can "
                                   "bring its "
                                   "files; set \"share\" to \"virtiofs\"");
}

static void remove_tree(const char *member) {
        cleanup_free char *folder = xasprintf("/" SHARE_MEMBER, member);

        folder[strlen(folder) - 1] = '\0';
        umount2(folder, MNT_DETACH);
        rmdir(folder);
}

int pod_share_remove(int namespace, const char *member, Error *err) {
        pid_t child = fork();
        int status;

        if (child < 0)
                return error_errno(err, "fork");
        if (child == 0) {
                if (setns(namespace, CLONE_NEWNS) < 0)
                        _exit(1);
                remove_tree(member);
                _exit(0);
        }
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return error_errno(err, "waitpid");
        return 0;
}
