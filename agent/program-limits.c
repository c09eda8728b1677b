/* SPDX-License-Identifier: Apache-2.0 */

/* The part of program.h that the agent does to a process from outside. */

#include "agent/program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/oci/names.h"

typedef struct Name {
        const char *name;
        int value;
} Name;

/* -1: none of them. */
static int find_name(const Name *names, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (streq(names[i].name, name))
                        return names[i].value;
        return -1;
}

static int set_rlimits(const OciProcess *process, pid_t pid, Error *err) {
        for (size_t i = 0; i < process->n_rlimits; i++) {
                const OciRlimit *limit = &process->rlimits[i];
                struct rlimit value = { .rlim_cur = limit->soft, .rlim_max = limit->hard };
                int number = oci_rlimit_number(limit->type);

                if (number < 0)
                        return error_set(err, EINVAL, "process.rlimits[%zu].type: unknown limit \"%s\"", i,
                                         limit->type);
                if (prlimit(pid, (enum __rlimit_resource)number, &value, NULL) < 0)
                        return error_errno(err, "process.rlimits[%zu] (%s)", i, limit->type);
        }
        return 0;
}

static int set_oom_score(const OciProcess *process, pid_t pid, Error *err) {
        cleanup_free char *path = xasprintf("/proc/%d/oom_score_adj", (int)pid);
        cleanup_free char *value = xasprintf("%lld", (long long)process->oom_score_adj.value);

        if (!process->oom_score_adj.set)
                return 0;
        if (file_write(AT_FDCWD, path, value, err) < 0)
                return error_prefix(err, "process.oomScoreAdj");
        return 0;
}

static int set_io_priority(const OciIoPriority *priority, pid_t pid, Error *err) {
        static const Name classes[] = {
                { "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
                { "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
                { "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
        };
        int class;

        if (!priority)
                return 0;
        class = find_name(classes, ELEMENTS_OF(classes), priority->class);
        if (class < 0)
                return error_set(err, EINVAL, "process.ioPriority.class: unknown class \"%s\"",
                                 priority->class ? priority->class : "");
        if (priority->priority < 0 || priority->priority > 7)
                return error_set(err, EINVAL, "process.ioPriority.priority: expected 0 to 7, found %d",
                                 priority->priority);
        if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, IOPRIO_PRIO_VALUE(class, priority->priority)) <
            0)
                return error_errno(err, "process.ioPriority");
        return 0;
}

/* ---- scheduler ---- */

/* The kernel's struct sched_attr, whose header cannot be had together with <sched.h>. */
typedef struct SchedulerAttributes {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
} SchedulerAttributes;

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

static const Name policies[] = {
        { "SCHED_OTHER", SCHED_OTHER }, { "SCHED_BATCH", SCHED_BATCH }, { "SCHED_IDLE", SCHED_IDLE },
        { "SCHED_FIFO", SCHED_FIFO },   { "SCHED_RR", SCHED_RR },       { "SCHED_DEADLINE", SCHED_DEADLINE },
};

static const Name scheduler_flags[] = {
        { "SCHED_FLAG_RESET_ON_FORK", 0x01 },  { "SCHED_FLAG_RECLAIM", 0x02 },
        { "SCHED_FLAG_DL_OVERRUN", 0x04 },     { "SCHED_FLAG_KEEP_POLICY", 0x08 },
        { "SCHED_FLAG_KEEP_PARAMS", 0x10 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
        { "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
};

static int set_scheduler(const OciScheduler *scheduler, pid_t pid, Error *err) {
        SchedulerAttributes attr = { .size = sizeof(attr) };
        int policy;

        if (!scheduler)
                return 0;
        policy = find_name(policies, ELEMENTS_OF(policies), scheduler->policy);
        if (policy < 0)
                return error_set(err, EINVAL, "process.scheduler.policy: unknown policy \"%s\"",
                                 scheduler->policy ? scheduler->policy : "");
        STRV_FOR_EACH (name, scheduler->flags) {
                int flag = find_name(scheduler_flags, ELEMENTS_OF(scheduler_flags), *name);

                if (flag < 0)
                        return error_set(err, EINVAL, "process.scheduler.flags: unknown flag \"%s\"", *name);
                attr.flags |= (uint64_t)flag;
        }
        attr.policy = (uint32_t)policy;
        attr.nice = scheduler->nice;
        attr.priority = (uint32_t)scheduler->priority;
        attr.runtime = scheduler->runtime;
        attr.deadline = scheduler->deadline;
        attr.period = scheduler->period;
        if (syscall(SYS_sched_setattr, pid, &attr, 0) < 0)
                return error_errno(err, "process.scheduler (%s)", scheduler->policy);
        return 0;
}

int program_limit(const OciProcess *process, pid_t pid, Error *err) {
        if (set_rlimits(process, pid, err) < 0 || set_oom_score(process, pid, err) < 0 ||
            set_io_priority(process->io_priority, pid, err) < 0)
                return -err->code;
        return set_scheduler(process->scheduler, pid, err);
}
