/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/qemu-user.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/host-root.h"

#define MAX_PASSWD (4U << 20)

/* "name:x:uid:gid:..." */
static bool find_in_text(char *text, const char *name, QemuUser *ret) {
        char *rest = text;

        while (rest && *rest) {
                char *line = strsep(&rest, "\n"), *fields[4] = { NULL };
                uint64_t u, g;

                for (size_t i = 0; i < ELEMENTS_OF(fields) && line; i++)
                        fields[i] = strsep(&line, ":");
                if (!fields[3] || !(streq(fields[0], name) || streq(fields[2], name)))
                        continue;
                if (!str_to_u64(fields[2], 10, UINT32_MAX - 1, &u) ||
                    !str_to_u64(fields[3], 10, UINT32_MAX - 1, &g))
                        continue;
                *ret = (QemuUser){ .uid = (uint32_t)u, .gid = (uint32_t)g };
                return true;
        }
        return false;
}

static bool is_the_host(int root) {
        struct stat here, real;

        return fstat(root, &here) == 0 && stat("/", &real) == 0 && here.st_dev == real.st_dev &&
               here.st_ino == real.st_ino;
}

int qemu_user_find(int root, const char *name, QemuUser *ret, Error *err) {
        cleanup_free char *passwd = NULL;
        const struct passwd *entry;
        uint64_t number;

        if (streq(name, "root") || streq(name, "0")) {
                *ret = (QemuUser){ 0 };
                return 0;
        }
        passwd = host_root_read(root, "/etc/passwd", MAX_PASSWD, NULL);
        if (passwd && find_in_text(passwd, name, ret))
                return 0;
        if (str_to_u64(name, 10, UINT32_MAX - 1, &number)) {
                *ret = (QemuUser){ .uid = (uint32_t)number, .gid = (uint32_t)number };
                return 0;
        }
        entry = is_the_host(root) ? getpwnam(name) : NULL;
        if (!entry)
                return error_set(err, ENOENT,
                                 "there is no user \"%s\" on this host (make one: useradd --system "
                                 "--no-create-home --shell /usr/sbin/nologin %s)",
                                 name, name);
        *ret = (QemuUser){ .uid = entry->pw_uid, .gid = entry->pw_gid };
        return 0;
}

char *qemu_user_kvm_obstacle(int root, const QemuUser *user, uint32_t *ret_gid) {
        const unsigned both = S_IROTH | S_IWOTH;
        struct stat st;
        cleanup_close int fd = host_root_open_file(root, "/dev/kvm", O_PATH);

        *ret_gid = 0;
        if (user->uid == 0)
                return NULL;
        if (fd < 0 || fstat(fd, &st) < 0)
                return xasprintf("/dev/kvm: %s", strerror(errno));
        if ((st.st_mode & both) == both)
                return NULL;
        if (st.st_uid == user->uid && (st.st_mode >> 6 & both) == both)
                return NULL;
        if (st.st_gid != 0 && (st.st_mode >> 3 & both) == both) {
                *ret_gid = st.st_gid;
                return NULL;
        }
        return xasprintf("/dev/kvm (mode %04o, owner %u, group %u) cannot be opened by uid %u, which QEMU "
                         "runs as: give it "
                         "a group of its own (chgrp kvm /dev/kvm; chmod 0660 /dev/kvm)",
                         (unsigned)st.st_mode & 07777, st.st_uid, st.st_gid, user->uid);
}
