/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/netns.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

static bool is_same(int dir, const char *path, const struct stat *namespace) {
        struct stat st;

        return fstatat(dir, path, &st, 0) == 0 && st.st_dev == namespace->st_dev &&
               st.st_ino == namespace->st_ino;
}

/* Processes that are not ours to see do not count: there is no way to know. */
static int refuse_used(const char *path, const struct stat *namespace, Error *err) {
        DIR *folder = opendir("/proc");
        const struct dirent *entry;
        int r = 0;

        if (!folder)
                return error_errno(err, "/proc");
        while (r >= 0 && (entry = readdir(folder))) {
                cleanup_free char *link = NULL, *name = NULL, *text = NULL;
                cleanup_error Error ignored = { 0 };

                if (!isdigit((unsigned char)entry->d_name[0]))
                        continue;
                link = xasprintf("%s/ns/net", entry->d_name);
                if (!is_same(dirfd(folder), link, namespace))
                        continue;
                name = xasprintf("%s/comm", entry->d_name);
                file_read_line(dirfd(folder), name, &text, &ignored);
                r = error_set(err, EBUSY,
                              "linux.namespaces: network namespace %s is that of process %s (%s): a virtual "
                              "machine "
                              "cannot share it (pods, --network container:…); give the container a network "
                              "of its own",
                              path, entry->d_name, text ? text : "?");
        }
        closedir(folder);
        return r;
}

int netns_open(const char *path, bool shared, Error *err) {
        cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, "linux.namespaces: network namespace %s", path);
        if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
                return error_set(err, EINVAL, "linux.namespaces: %s is not a network namespace", path);
        if (is_same(AT_FDCWD, "/proc/self/ns/net", &st) || is_same(AT_FDCWD, "/proc/1/ns/net", &st))
                return error_set(
                        err, EBUSY,
                        "linux.namespaces: network namespace %s is the host's, which cannot be used from "
                        "inside a virtual machine; choose a bridge network, or none",
                        path);
        if (!shared && refuse_used(path, &st, err) < 0)
                return -err->code;
        return TAKE_FD(fd);
}
