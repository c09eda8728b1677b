/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/oci/idmap.h"
#include "common/base/str.h"
#include "common/oci/names.h"
#include "common/protocol/message.h"

/* Made by the child itself: see namespaces_clone_flags(). */
#define UNSHARED_LATER (CLONE_NEWCGROUP | CLONE_NEWTIME)

/* Those that containers of a pod can share; the network's they share anyway. */
#define POD_NAMESPACES (CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID)

static bool is_of_pod(const OciNamespace *namespace) {
        return namespace->path &&
               (streq(namespace->path, NAMESPACE_OF_POD) ||
                (streq(namespace->type, "pid") && str_after(namespace->path, NAMESPACE_OF_POD "/")));
}

const char *namespaces_pid_of(const OciLinux *linux_) {
        const OciNamespace *pid = oci_namespace(linux_, "pid");

        return pid && pid->path ? str_after(pid->path, NAMESPACE_OF_POD "/") : NULL;
}

int namespaces_pod_flags(const OciLinux *linux_) {
        int flags = 0;

        for (size_t i = 0; linux_ && i < linux_->n_namespaces; i++)
                if (is_of_pod(&linux_->namespaces[i]))
                        flags |= oci_namespace_flag(linux_->namespaces[i].type);
        return flags & POD_NAMESPACES;
}

int namespaces_clone_flags(const OciLinux *linux_, uint64_t *ret, Error *err) {
        uint64_t flags = CLONE_NEWNS;

        for (size_t i = 0; linux_ && i < linux_->n_namespaces; i++) {
                const OciNamespace *namespace = &linux_->namespaces[i];
                int flag = oci_namespace_flag(namespace->type);

                if (is_of_pod(namespace) && (flag & (POD_NAMESPACES | CLONE_NEWNET)) != 0)
                        continue;
                if (namespace->path && *namespace->path)
                        return error_set(err, ENOTSUP,
                                         "linux.namespaces[%zu].path: %s is not in the virtual machine", i,
                                         namespace->path);
                if (flag == 0)
                        return error_set(err, EINVAL, "linux.namespaces[%zu].type: unknown namespace \"%s\"",
                                         i, namespace->type);
                /* The guest's network is the container's. */
                if (flag != CLONE_NEWNET)
                        flags |= (uint64_t)flag;
        }
        *ret = flags & ~(uint64_t)UNSHARED_LATER;
        return 0;
}

int namespaces_join_flags(const OciLinux *linux_) {
        int flags = CLONE_NEWNS;

        for (size_t i = 0; linux_ && i < linux_->n_namespaces; i++)
                flags |= oci_namespace_flag(linux_->namespaces[i].type);
        return flags & ~CLONE_NEWNET;
}

/* ---- ids ---- */

int namespaces_write_maps(const OciLinux *linux_, pid_t child, Error *err) {
        Idmap map = { 0 };

        if (!oci_namespace(linux_, "user"))
                return 0;
        map.uids = linux_->uid_mappings;
        map.n_uids = linux_->n_uid_mappings;
        map.gids = linux_->gid_mappings;
        map.n_gids = linux_->n_gid_mappings;
        if (map.n_uids == 0 || map.n_gids == 0)
                return error_set(err, EINVAL,
                                 "linux.uidMappings, linux.gidMappings: a user namespace takes both");
        if (idmap_write(&map, child, err) < 0)
                return error_prefix(err, "linux.uidMappings, linux.gidMappings");
        return 0;
}

int namespaces_become_root(const OciLinux *linux_, Error *err) {
        if (!oci_namespace(linux_, "user"))
                return 0;
        if (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0)
                return error_errno(err, "becoming root of the user namespace (is id 0 mapped?)");
        return 0;
}

/* ---- namespaces of the second hour ---- */

static void add_offset(StrBuf *b, const char *clock, const OciTimeOffset *offset) {
        if (offset)
                strbuf_printf(b, "%s %lld %u\n", clock, (long long)offset->secs, offset->nanosecs);
}

static int write_time_offsets(const OciTimeOffsets *offsets, Error *err) {
        cleanup_strbuf StrBuf b = { 0 };

        add_offset(&b, "monotonic", offsets->monotonic);
        add_offset(&b, "boottime", offsets->boottime);
        if (b.length == 0)
                return 0;
        return file_write(AT_FDCWD, "/proc/self/timens_offsets", b.data, err);
}

int namespaces_unshare(const OciLinux *linux_, Error *err) {
        if (oci_namespace(linux_, "cgroup") && unshare(CLONE_NEWCGROUP) < 0)
                return error_errno(err, "making a cgroup namespace");
        if (!oci_namespace(linux_, "time"))
                return 0;
        if (unshare(CLONE_NEWTIME) < 0)
                return error_errno(err, "making a time namespace");
        if (linux_->time_offsets && write_time_offsets(linux_->time_offsets, err) < 0)
                return error_prefix(err, "linux.timeOffsets");
        return 0;
}

/* ---- settings ---- */

int namespaces_set_personality(const OciLinux *linux_, Error *err) {
        const OciPersonality *p = linux_ ? linux_->personality : NULL;
        unsigned long value = PER_LINUX;

        if (!p)
                return 0;
        if (streq(p->domain, "LINUX32"))
                value = PER_LINUX32;
        else if (!streq(p->domain, "LINUX"))
                return error_set(err, EINVAL, "linux.personality.domain: unknown domain \"%s\"",
                                 p->domain ? p->domain : "");
        if (p->flags && *p->flags)
                return error_set(err, EINVAL,
                                 "linux.personality.flags: the specification defines none, found \"%s\"",
                                 *p->flags);
        if (personality(value) < 0)
                return error_errno(err, "linux.personality");
        return 0;
}

int namespaces_sysctl_path(const char *name, char **ret, Error *err) {
        cleanup_free char *path = xstrdup(name);
        size_t first = strcspn(name, "./");

        if (name[first] == '.')
                for (char *p = path; *p; p++)
                        *p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
        for (const char *p = path;; p++) {
                size_t n = strcspn(p, "/");

                if (n == 0 || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
                        return error_set(err, EINVAL, "linux.sysctl: \"%s\" is not the name of a setting",
                                         name);
                p += n;
                if (!*p)
                        break;
        }
        *ret = TAKE_PTR(path);
        return 0;
}

/* "net/ipv4/conf/eth0/...": one of an interface, or of all that there are at that moment. */
static bool is_of_interfaces(const char *path) {
        static const char *const folders[] = { "net/ipv4/conf/", "net/ipv4/neigh/", "net/ipv6/conf/",
                                               "net/ipv6/neigh/", "net/mpls/conf/" };

        for (size_t i = 0; i < ELEMENTS_OF(folders); i++) {
                const char *name = str_after(path, folders[i]);

                if (name)
                        return !str_after(name, "default/") && !str_after(name, "lo/");
        }
        return false;
}

/* Settings that a namespace of the container has for itself; all others there are one of in the guest. */
static SettingScope sysctl_scope(const OciLinux *linux_, const char *path) {
        static const char *const ipc[] = { "kernel/msg", "kernel/sem", "kernel/shm", "fs/mqueue/" };

        if (oci_namespace(linux_, "uts") &&
            (streq(path, "kernel/hostname") || streq(path, "kernel/domainname")))
                return SETTING_NAMESPACE;
        if (oci_namespace(linux_, "user") && str_after(path, "user/"))
                return SETTING_NAMESPACE;
        for (size_t i = 0; i < ELEMENTS_OF(ipc); i++)
                if (oci_namespace(linux_, "ipc") && str_after(path, ipc[i]))
                        return SETTING_NAMESPACE;
        return is_of_interfaces(path) ? SETTING_NETWORK : SETTING_GUEST;
}

static int write_sysctls(const OciLinux *linux_, SettingScope scope, Error *err) {
        for (size_t i = 0; i < linux_->sysctl.count; i++) {
                cleanup_free char *path = NULL, *file = NULL;

                if (namespaces_sysctl_path(linux_->sysctl.keys[i], &path, err) < 0)
                        return -err->code;
                if (sysctl_scope(linux_, path) != scope)
                        continue;
                file = xasprintf("/proc/sys/%s", path);
                if (file_write(AT_FDCWD, file, linux_->sysctl.values[i], err) < 0)
                        return error_prefix(err, "linux.sysctl: %s", linux_->sysctl.keys[i]);
        }
        return 0;
}

int namespaces_write_settings(const OciSpec *spec, SettingScope scope, Error *err) {
        bool names = scope == (oci_namespace(spec->linux_, "uts") ? SETTING_NAMESPACE : SETTING_GUEST);

        if (names && spec->hostname && *spec->hostname &&
            sethostname(spec->hostname, strlen(spec->hostname)) < 0)
                return error_errno(err, "hostname");
        if (names && spec->domainname && *spec->domainname &&
            setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
                return error_errno(err, "domainname");
        return spec->linux_ ? write_sysctls(spec->linux_, scope, err) : 0;
}
