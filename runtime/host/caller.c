/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"

#define ROOT_OF_ROOT  "/run/carrel"
#define ROOT_OF_USERS "carrel"
#define ALL_IDS       4294967295U

/* Whether the ids here are those of the host: all of them, each as itself. */
static bool has_all_ids(void) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *line = NULL;
        unsigned inside, outside, count;

        if (file_read_line(AT_FDCWD, "/proc/self/uid_map", &line, &ignored) < 0)
                return true;
        return sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 &&
               count == ALL_IDS;
}

static int write_map(const char *name, uint32_t id, Error *err) {
        cleanup_free char *path = path_join("/proc/self", name), *line = xasprintf("0 %u 1", id);

        return file_write(AT_FDCWD, path, line, err);
}

Caller caller_look(void) {
        Caller caller = { .uid = geteuid() };

        caller.rootless = caller.uid != 0 || !has_all_ids();
        if (caller.uid != 0)
                caller.gid = getegid();
        return caller;
}

int caller_become_root(const Caller *caller, Error *err) {
        int r;

        if (caller->uid == 0)
                return 0;
        if (unshare(CLONE_NEWUSER) < 0)
                return error_set(err, errno,
                                 "making a user namespace, which who is not root needs: %s (sysctl "
                                 "user.max_user_namespaces, kernel.unprivileged_userns_clone)",
                                 strerror(errno));
        /* the kernel wants it before a group is mapped: it could take away what a group is forbidden */
        r = file_write(AT_FDCWD, "/proc/self/setgroups", "deny", err);
        if (r >= 0)
                r = write_map("uid_map", caller->uid, err);
        if (r >= 0)
                r = write_map("gid_map", caller->gid, err);
        return r < 0 ? error_prefix(err, "user namespace") : 0;
}

char *caller_default_root(void) {
        const char *folder = getenv("XDG_RUNTIME_DIR");

        if (folder && *folder == '/' && (geteuid() != 0 || !has_all_ids()))
                return path_join(folder, ROOT_OF_USERS);
        return xstrdup(ROOT_OF_ROOT);
}

static int become(uid_t uid, gid_t gid, Error *err) {
        const struct passwd *user = getpwuid(uid);
        int r = user ? initgroups(user->pw_name, user->pw_gid) : setgroups(0, NULL);

        if (user)
                gid = user->pw_gid;
        if (r < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return error_errno(err, "acting as user %u", (unsigned)uid);
        return 0;
}

int caller_act_for_owner(const char *root, Error *err) {
        struct stat st;

        if (stat(root, &st) < 0 || st.st_uid == geteuid())
                return 0;
        if (geteuid() != 0 || !has_all_ids())
                return error_set(err, EPERM, "state root %s: it belongs to user %u; name another with --root",
                                 root, (unsigned)st.st_uid);
        return become(st.st_uid, st.st_gid, err) < 0 ? error_prefix(err, "state root %s", root) : 0;
}
