/* SPDX-License-Identifier: Apache-2.0 */

/* The `process` section: tables and checks. `exec --process` takes the same object as a document of its own. */

#include "common/oci/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/oci/check.h"
#include "common/oci/names.h"

#define UMASK_MAX 0777U

/* ---- tables ---- */

static const JsonField console_size_fields[] = {
        { JSON_FIELD(OciConsoleSize, height, "height", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciConsoleSize, width, "width", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { 0 },
};

static const JsonField user_fields[] = {
        { JSON_FIELD(OciUser, uid, "uid", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciUser, gid, "gid", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciUser, umask, "umask", JSON_KIND_OPT_UINT32) },
        { JSON_UINT32_ARRAY_FIELD(OciUser, additional_gids, "additionalGids") },
        { 0 },
};

static const JsonField capabilities_fields[] = {
        { JSON_FIELD(OciCapabilities, bounding, "bounding", JSON_KIND_STRV) },
        { JSON_FIELD(OciCapabilities, effective, "effective", JSON_KIND_STRV) },
        { JSON_FIELD(OciCapabilities, inheritable, "inheritable", JSON_KIND_STRV) },
        { JSON_FIELD(OciCapabilities, permitted, "permitted", JSON_KIND_STRV) },
        { JSON_FIELD(OciCapabilities, ambient, "ambient", JSON_KIND_STRV) },
        { 0 },
};

static const JsonField rlimit_fields[] = {
        { JSON_FIELD(OciRlimit, type, "type", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciRlimit, soft, "soft", JSON_KIND_UINT64), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciRlimit, hard, "hard", JSON_KIND_UINT64), .flags = JSON_REQUIRED },
        { 0 },
};

static const JsonField scheduler_fields[] = {
        { JSON_FIELD(OciScheduler, policy, "policy", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciScheduler, nice, "nice", JSON_KIND_INT32) },
        { JSON_FIELD(OciScheduler, priority, "priority", JSON_KIND_INT32) },
        { JSON_FIELD(OciScheduler, flags, "flags", JSON_KIND_STRV) },
        { JSON_FIELD(OciScheduler, runtime, "runtime", JSON_KIND_UINT64) },
        { JSON_FIELD(OciScheduler, deadline, "deadline", JSON_KIND_UINT64) },
        { JSON_FIELD(OciScheduler, period, "period", JSON_KIND_UINT64) },
        { 0 },
};

static const JsonField io_priority_fields[] = {
        { JSON_FIELD(OciIoPriority, class, "class", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciIoPriority, priority, "priority", JSON_KIND_INT32) },
        { 0 },
};

static const JsonField exec_cpu_affinity_fields[] = {
        { JSON_FIELD(OciExecCpuAffinity, initial, "initial", JSON_KIND_STRING) },
        { JSON_FIELD(OciExecCpuAffinity, final, "final", JSON_KIND_STRING) },
        { 0 },
};

const JsonField oci_process_fields[] = {
        { JSON_FIELD(OciProcess, terminal, "terminal", JSON_KIND_BOOL) },
        { JSON_OBJECT_PTR_FIELD(OciProcess, console_size, "consoleSize", console_size_fields) },
        { JSON_OBJECT_FIELD(OciProcess, user, "user", user_fields), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(OciProcess, args, "args", JSON_KIND_STRV), .flags = JSON_REQUIRED | JSON_NONEMPTY },
        { JSON_FIELD(OciProcess, env, "env", JSON_KIND_STRV) },
        { JSON_FIELD(OciProcess, cwd, "cwd", JSON_KIND_STRING), .flags = JSON_REQUIRED | JSON_NONEMPTY },
        { JSON_OBJECT_PTR_FIELD(OciProcess, capabilities, "capabilities", capabilities_fields) },
        { JSON_ARRAY_FIELD(OciProcess, rlimits, "rlimits", rlimit_fields) },
        { JSON_FIELD(OciProcess, no_new_privileges, "noNewPrivileges", JSON_KIND_BOOL) },
        { JSON_FIELD(OciProcess, apparmor_profile, "apparmorProfile", JSON_KIND_STRING) },
        { JSON_FIELD(OciProcess, oom_score_adj, "oomScoreAdj", JSON_KIND_OPT_INT64) },
        { JSON_OBJECT_PTR_FIELD(OciProcess, scheduler, "scheduler", scheduler_fields) },
        { JSON_FIELD(OciProcess, selinux_label, "selinuxLabel", JSON_KIND_STRING) },
        { JSON_OBJECT_PTR_FIELD(OciProcess, io_priority, "ioPriority", io_priority_fields) },
        { JSON_OBJECT_PTR_FIELD(OciProcess, exec_cpu_affinity, "execCPUAffinity", exec_cpu_affinity_fields) },
        { 0 },
};

/* ---- checks ---- */

static int check_rlimits(const OciProcess *process, const char *at, Error *err) {
        uint32_t seen = 0;

        for (size_t i = 0; i < process->n_rlimits; i++) {
                const OciRlimit *l = &process->rlimits[i];
                int number = oci_rlimit_number(l->type);

                if (number < 0)
                        return oci_unexpected(err, "a limit such as \"RLIMIT_NOFILE\"", l->type,
                                              "%srlimits[%zu].type", at, i);
                if (seen & 1U << number)
                        return error_set(err, EINVAL, "%srlimits[%zu].type: %s is there twice", at, i,
                                         l->type);
                seen |= 1U << number;
                if (l->soft > l->hard)
                        return error_set(err, EINVAL,
                                         "%srlimits[%zu].soft: %" PRIu64 " is above the hard limit %" PRIu64,
                                         at, i, l->soft, l->hard);
        }
        return 0;
}

static int check_numbers(const OciProcess *process, const char *at, Error *err) {
        const OciScheduler *s = process->scheduler;
        const OciIoPriority *io = process->io_priority;
        const OptInt64 *oom = &process->oom_score_adj;

        if (s && !oci_is_scheduler_policy(s->policy))
                return oci_unexpected(err, "a policy such as \"SCHED_OTHER\"", s->policy,
                                      "%sscheduler.policy", at);
        if (io && !oci_is_io_priority_class(io->class))
                return oci_unexpected(err, "a class such as \"IOPRIO_CLASS_BE\"", io->class,
                                      "%sioPriority.class", at);
        if (process->user.umask.value > UMASK_MAX)
                return error_set(err, EINVAL, "%suser.umask: expected at most %u (0%o), found %" PRIu32, at,
                                 UMASK_MAX, UMASK_MAX, process->user.umask.value);
        if (oom->set && (oom->value < -1000 || oom->value > 1000))
                return error_set(err, EINVAL,
                                 "%soomScoreAdj: expected an integer from -1000 to 1000, found %" PRId64, at,
                                 oom->value);
        return 0;
}

int oci_check_process(const OciProcess *process, const char *at, Error *err) {
        int r = oci_check_absolute(err, process->cwd, "%scwd", at);

        /* Names of capabilities are not checked: the guest's kernel knows which there are. One that it
         * does not know is warned about (OCI runtime specification, "Linux Process"). */
        if (r >= 0)
                r = check_rlimits(process, at, err);
        return r < 0 ? r : check_numbers(process, at, err);
}

/* ---- documents ---- */

int oci_process_from_tree(const Json *v, OciProcess **ret, Error *err) {
        cleanup(oci_process_freep) OciProcess *process = xnew(OciProcess, 1);
        int r = json_read(v, oci_process_fields, process, err);

        if (r >= 0)
                r = oci_check_process(process, "", err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(process);
        return 0;
}

int oci_process_parse(const char *text, size_t length, OciProcess **ret, Error *err) {
        cleanup_json Json *v = NULL;
        int r = json_parse(text, length, NULL, &v, err);

        return r < 0 ? r : oci_process_from_tree(v, ret, err);
}

OciProcess *oci_process_free(OciProcess *process) {
        if (process)
                json_clear(oci_process_fields, process);
        free(process);
        return NULL;
}

const char *oci_process_variable(const OciProcess *process, const char *name) {
        const char *value = NULL;

        STRV_FOR_EACH (entry, process ? process->env : NULL)
                if (str_after(*entry, name))
                        value = str_after(*entry, name);
        return value;
}
