/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/joined.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/oci/names.h"

/* As /proc/PID/ns calls it. */
static const char *file_of(const char *type) {
        return oci_namespace_flag(type) == CLONE_NEWNET ? "net" : type;
}

/* What to do instead of sharing it. */
static const char *remedy(const char *type, bool of_host) {
        if (!streq(type, "network"))
                return "give the container one of its own, or with it the network of a container of carrel";
        return of_host ? "choose a bridge network, or none" : "give the container a network of its own";
}

static bool is_same(int dir, const char *path, const struct stat *namespace) {
        struct stat st;

        return fstatat(dir, path, &st, 0) == 0 && st.st_dev == namespace->st_dev &&
               st.st_ino == namespace->st_ino;
}

bool joined_is_host(const char *type, const struct stat *namespace) {
        cleanup_free char *own = xasprintf("/proc/self/ns/%s", file_of(type));
        cleanup_free char *first = xasprintf("/proc/1/ns/%s", file_of(type));

        return is_same(AT_FDCWD, own, namespace) || is_same(AT_FDCWD, first, namespace);
}

/* Processes that are not ours to see do not count: there is no way to know. */
static int refuse_used(const char *type, const char *path, const struct stat *namespace, Error *err) {
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
                link = xasprintf("%s/ns/%s", entry->d_name, file_of(type));
                if (!is_same(dirfd(folder), link, namespace))
                        continue;
                name = xasprintf("%s/comm", entry->d_name);
                file_read_line(dirfd(folder), name, &text, &ignored);
                r = error_set(err, EBUSY,
                              "linux.namespaces: %s namespace %s is that of process %s (%s): a virtual "
                              "machine cannot share it (pods, --%s container:…); %s",
                              type, path, entry->d_name, text ? text : "?", type, remedy(type, false));
        }
        closedir(folder);
        return r;
}

int joined_open(const char *type, const char *path, bool shared, Error *err) {
        cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, "linux.namespaces: %s namespace %s", type, path);
        if (ioctl(fd, NS_GET_NSTYPE) != oci_namespace_flag(type))
                return error_set(err, EINVAL, "linux.namespaces: %s is not a namespace of type %s", path,
                                 type);
        if (joined_is_host(type, &st))
                return error_set(err, EBUSY,
                                 "linux.namespaces: %s namespace %s is the host's, which cannot be used from "
                                 "inside a virtual machine; %s",
                                 type, path, remedy(type, true));
        if (!shared && refuse_used(type, path, &st, err) < 0)
                return -err->code;
        return TAKE_FD(fd);
}
