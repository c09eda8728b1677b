/* SPDX-License-Identifier: Apache-2.0 */

/* What config-linux.md demands of the `linux` section, as far as the text alone can tell. */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>

#include "common/oci/check.h"
#include "common/oci/names.h"

/* The kernel's dev_t: 12 bits and 20 bits. */
#define MAJOR_MAX 4095
#define MINOR_MAX 1048575

#define ANY_ID UINT64_C(4294967296)

int oci_check_mappings(const OciIdMapping *mappings, size_t n, const char *place, Error *err) {
        for (size_t i = 0; i < n; i++) {
                const OciIdMapping *m = &mappings[i];

                if (m->size == 0)
                        return error_set(err, EINVAL, "%s[%zu].size: must be at least 1", place, i);
                if (m->container_id + (uint64_t)m->size > ANY_ID || m->host_id + (uint64_t)m->size > ANY_ID)
                        return error_set(err, EINVAL,
                                         "%s[%zu].size: %" PRIu32 " ids reach beyond the last id", place, i,
                                         m->size);
        }
        return 0;
}

static int check_all_mappings(const OciLinux *l, Error *err) {
        const OciNamespace *user = oci_namespace(l, "user");
        int r = oci_check_mappings(l->uid_mappings, l->n_uid_mappings, "linux.uidMappings", err);

        if (r >= 0)
                r = oci_check_mappings(l->gid_mappings, l->n_gid_mappings, "linux.gidMappings", err);
        if (r >= 0 && !user && l->n_uid_mappings + l->n_gid_mappings > 0)
                return error_set(err, EINVAL,
                                 "linux.%s: user namespace mappings specified, but user namespace isn't "
                                 "enabled in the config",
                                 l->n_uid_mappings > 0 ? "uidMappings" : "gidMappings");
        if (r < 0 || !user || (user->path && *user->path))
                return r;
        if (l->n_uid_mappings == 0)
                return error_set(err, EINVAL,
                                 "linux.uidMappings: missing, and a new user namespace needs them");
        if (l->n_gid_mappings == 0)
                return error_set(err, EINVAL,
                                 "linux.gidMappings: missing, and a new user namespace needs them");
        return 0;
}

static int check_namespaces(const OciLinux *l, Error *err) {
        int seen = 0;

        for (size_t i = 0; i < l->n_namespaces; i++) {
                const OciNamespace *ns = &l->namespaces[i];
                int flag = oci_namespace_flag(ns->type), r;

                if (flag == 0)
                        return oci_unexpected(err, "a namespace such as \"pid\" or \"network\"", ns->type,
                                              "linux.namespaces[%zu].type", i);
                if (seen & flag)
                        return error_set(err, EINVAL, "linux.namespaces[%zu].type: %s is there twice", i,
                                         ns->type);
                seen |= flag;
                if (!ns->path || !*ns->path)
                        continue;
                r = oci_check_absolute(err, ns->path, "linux.namespaces[%zu].path", i);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_time_offsets(const OciLinux *l, Error *err) {
        if (l->time_offsets && !oci_namespace(l, "time"))
                return error_set(err, EINVAL,
                                 "linux.timeOffsets: time namespace offsets specified, but time namespace "
                                 "isn't enabled in the config");
        return 0;
}

static int check_device_number(int64_t n, int64_t max, size_t i, const char *name, Error *err) {
        if (n >= 0 && n <= max)
                return 0;
        return error_set(err, EINVAL,
                         "linux.devices[%zu].%s: expected an integer from 0 to %" PRId64 ", found %" PRId64,
                         i, name, max, n);
}

static bool is_one_of(const char *word, const char *letters) {
        return word[0] && !word[1] && strchr(letters, word[0]);
}

static int check_devices(const OciLinux *l, Error *err) {
        for (size_t i = 0; i < l->n_devices; i++) {
                const OciDevice *d = &l->devices[i];
                int r;

                if (!is_one_of(d->type, "cbup"))
                        return oci_unexpected(err, "c, b, u or p", d->type, "linux.devices[%zu].type", i);
                r = oci_check_absolute(err, d->path, "linux.devices[%zu].path", i);
                if (r >= 0 && *d->type != 'p')
                        r = check_device_number(d->major, MAJOR_MAX, i, "major", err);
                if (r >= 0 && *d->type != 'p')
                        r = check_device_number(d->minor, MINOR_MAX, i, "minor", err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_arg(const OciSeccompArg *a, size_t syscall, size_t i, Error *err) {
        if (a->index > 5)
                return error_set(
                        err, EINVAL,
                        "linux.seccomp.syscalls[%zu].args[%zu].index: expected an integer from 0 to 5, found "
                        "%" PRIu32,
                        syscall, i, a->index);
        if (!oci_is_seccomp_operator(a->op))
                return oci_unexpected(err, "an operator such as \"SCMP_CMP_EQ\"", a->op,
                                      "linux.seccomp.syscalls[%zu].args[%zu].op", syscall, i);
        return 0;
}

static int check_seccomp(const OciSeccomp *s, Error *err) {
        static const char expected[] = "an action such as \"SCMP_ACT_ERRNO\"";

        if (!oci_is_seccomp_action(s->default_action))
                return oci_unexpected(err, expected, s->default_action, "linux.seccomp.defaultAction");
        for (size_t i = 0; i < s->n_syscalls; i++) {
                const OciSyscall *call = &s->syscalls[i];

                if (!oci_is_seccomp_action(call->action))
                        return oci_unexpected(err, expected, call->action,
                                              "linux.seccomp.syscalls[%zu].action", i);
                for (size_t k = 0; k < call->n_args; k++) {
                        int r = check_arg(&call->args[k], i, k, err);

                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int oci_check_resources(const OciResources *resources, const char *at, Error *err) {
        for (size_t i = 0; i < resources->n_devices; i++) {
                const OciDeviceRule *d = &resources->devices[i];

                if (d->type && *d->type && !is_one_of(d->type, "acb"))
                        return oci_unexpected(err, "a, c or b", d->type, "%sdevices[%zu].type", at, i);
                if (d->access && d->access[strspn(d->access, "rwm")])
                        return oci_unexpected(err, "letters of \"rwm\"", d->access, "%sdevices[%zu].access",
                                              at, i);
        }
        return 0;
}

static int check_words(const OciLinux *l, Error *err) {
        const char *propagation = l->rootfs_propagation;
        const OciPersonality *p = l->personality;

        if (propagation && *propagation && !oci_is_propagation(propagation))
                return oci_unexpected(err, "shared, slave, private or unbindable", propagation,
                                      "linux.rootfsPropagation");
        if (p && !streq(p->domain, "LINUX") && !streq(p->domain, "LINUX32"))
                return oci_unexpected(err, "LINUX or LINUX32", p->domain, "linux.personality.domain");
        return 0;
}

int oci_check_linux(const OciLinux *l, Error *err) {
        int r = check_namespaces(l, err);

        if (r >= 0)
                r = check_all_mappings(l, err);
        if (r >= 0)
                r = check_time_offsets(l, err);
        if (r >= 0)
                r = check_devices(l, err);
        if (r >= 0 && l->resources)
                r = oci_check_resources(l->resources, "linux.resources.", err);
        if (r >= 0 && l->seccomp)
                r = check_seccomp(l->seccomp, err);
        return r < 0 ? r : check_words(l, err);
}
