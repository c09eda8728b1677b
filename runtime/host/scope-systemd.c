/* SPDX-License-Identifier: Apache-2.0 */

/* Talks to systemd's manager (org.freedesktop.systemd1(5)) over the system bus. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <linux/magic.h>

#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/cgroup.h"
#include "runtime/host/scope.h"
#include "runtime/plan/sizing.h"

#define MANAGER_NAME      "org.freedesktop.systemd1"
#define MANAGER_PATH      "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"

#define JOB_TIMEOUT_USEC (30ULL * 1000 * 1000)
/* systemd counts CPU time in steps of 1 % */
#define QUOTA_STEP_USEC 10000U

#define cleanup_bus     cleanup(sd_bus_flush_close_unrefp)
#define cleanup_message cleanup(sd_bus_message_unrefp)

/* ---- the bus ---- */

/* WHAT failed with R; systemd's own words are better than those of the number. */
static int bus_error(Error *err, int r, const sd_bus_error *said, const char *what) {
        cleanup_free char *words = NULL;

        if (said && said->message)
                words = str_printable(said->message, strlen(said->message), 512);
        return error_set(err, r < 0 ? -r : EIO, "--systemd-cgroup: %s: %s", what,
                         words ? words : strerror(r < 0 ? -r : EIO));
}

/* Returns < 0 with *error set when the manager refuses. */
static int call(sd_bus *bus, sd_bus_message *message, sd_bus_message **ret_reply, sd_bus_error *error) {
        return sd_bus_call(bus, message, JOB_TIMEOUT_USEC, error, ret_reply);
}

static int new_call(sd_bus *bus, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(bus, ret, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE,
                                              method);
}

static int connect_manager(sd_bus **ret, Error *err) {
        static const char what[] =
                "systemd does not answer on this host's system bus (use the engine's cgroupfs driver)";
        sd_bus_error error = SD_BUS_ERROR_NULL;
        cleanup_message sd_bus_message *message = NULL;
        cleanup_bus sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = new_call(bus, "Subscribe", &message);
        if (r >= 0)
                r = call(bus, message, NULL, &error);
        if (r < 0)
                bus_error(err, r, &error, what);
        else
                *ret = TAKE_PTR(bus);
        sd_bus_error_free(&error);
        return r < 0 ? -err->code : 0;
}

bool scope_is_supported(void) {
        return true;
}

int scope_check(Error *err) {
        cleanup_bus sd_bus *bus = NULL;

        return connect_manager(&bus, err);
}

/* ---- jobs ---- */

typedef struct JobWait {
        const char *job; /* object path */
        char *result;    /* "done"; NULL: not yet */
} JobWait;

static int on_job_removed(sd_bus_message *message, void *user, sd_bus_error *error) {
        const char *path, *unit, *result;
        JobWait *wait = user;
        uint32_t id;

        (void)error;
        if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) >= 0 && streq(path, wait->job)) {
                free(wait->result);
                wait->result = xstrdup(result);
        }
        return 0;
}

static int wait_job(sd_bus *bus, JobWait *wait, Error *err) {
        uint64_t end = now_usec() + JOB_TIMEOUT_USEC;

        while (!wait->result) {
                uint64_t now = now_usec();
                int r = sd_bus_process(bus, NULL);

                if (r == 0 && now < end)
                        r = sd_bus_wait(bus, end - now);
                if (r < 0 && r != -EINTR)
                        return bus_error(err, r, NULL, "waiting for systemd");
                if (r == 0 && now >= end)
                        return bus_error(err, -ETIMEDOUT, NULL, "waiting for systemd");
        }
        if (!streq(wait->result, "done"))
                return error_set(err, EIO, "--systemd-cgroup: systemd ended the job with \"%s\"",
                                 wait->result);
        return 0;
}

/* Makes a call that is answered with a job, and waits for that. *ERROR has what systemd says to the call. */
static int run_job(sd_bus *bus, sd_bus_message *message, const char *what, sd_bus_error *error, Error *err) {
        cleanup_message sd_bus_message *reply = NULL;
        cleanup(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        JobWait wait = { 0 };
        int r;

        r = sd_bus_match_signal(bus, &slot, NULL, MANAGER_PATH, MANAGER_INTERFACE, "JobRemoved",
                                on_job_removed, &wait);
        if (r >= 0)
                r = call(bus, message, &reply, error);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &wait.job);
        if (r < 0)
                return bus_error(err, r, error, what);
        r = wait_job(bus, &wait, err);
        free(wait.result);
        return r;
}

/* ---- limits as properties of a unit ---- */

static bool is_unified(void) {
        struct statfs fs;

        return statfs("/sys/fs/cgroup", &fs) >= 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Microseconds of CPU time a second. */
static uint64_t quota_per_second(const OciCpu *cpu) {
        uint64_t period = cpu->period.value ? cpu->period.value : 100000, quota;

        if (cpu->quota.value < 0)
                return UINT64_MAX;
        if ((uint64_t)cpu->quota.value > UINT64_MAX / 1000000)
                return UINT64_MAX;
        quota = (uint64_t)cpu->quota.value * 1000000 / period;
        return (quota + QUOTA_STEP_USEC - 1) / QUOTA_STEP_USEC * QUOTA_STEP_USEC;
}

static int append_list(sd_bus_message *message, const char *property, const char *list) {
        uint8_t mask[CPU_MASK_BYTES];
        size_t length = CPU_MASK_BYTES;
        uint32_t count;
        int r;

        /* only version 2 has it; what cannot be read is for whoever writes the cgroup's files to complain about */
        if (!list || !*list || !is_unified() || !sizing_cpu_mask(list, mask, &count) || count == 0)
                return 0;
        while (mask[length - 1] == 0)
                length--;
        r = sd_bus_message_open_container(message, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", property);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(message, 'y', mask, length);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_cpu(sd_bus_message *message, const OciCpu *cpu) {
        int r = 0;

        if (cpu->shares.value && is_unified())
                r = sd_bus_message_append(message, "(sv)", "CPUWeight", "t",
                                          cgroup_weight(cpu->shares.value));
        else if (cpu->shares.value)
                r = sd_bus_message_append(message, "(sv)", "CPUShares", "t", cpu->shares.value);
        if (r >= 0 && cpu->period.value)
                r = sd_bus_message_append(message, "(sv)", "CPUQuotaPeriodUSec", "t", cpu->period.value);
        if (r >= 0 && cpu->quota.value)
                r = sd_bus_message_append(message, "(sv)", "CPUQuotaPerSecUSec", "t", quota_per_second(cpu));
        if (r >= 0)
                r = append_list(message, "AllowedCPUs", cpu->cpus);
        return r < 0 ? r : append_list(message, "AllowedMemoryNodes", cpu->mems);
}

static int append_limits(sd_bus_message *message, const ScopeLimits *limits) {
        int r = 0;

        if (limits->memory)
                r = sd_bus_message_append(message, "(sv)", is_unified() ? "MemoryMax" : "MemoryLimit", "t",
                                          limits->memory);
        return r < 0 || !limits->cpu ? r : append_cpu(message, limits->cpu);
}

int scope_limit(const char *unit, const ScopeLimits *limits, Error *err) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        cleanup_message sd_bus_message *message = NULL;
        cleanup_bus sd_bus *bus = NULL;
        int r;

        r = connect_manager(&bus, err);
        if (r < 0)
                return r;
        r = new_call(bus, "SetUnitProperties", &message);
        if (r >= 0)
                r = sd_bus_message_append(message, "sb", unit, 1);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "(sv)");
        if (r >= 0)
                r = append_limits(message, limits);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        if (r >= 0)
                r = call(bus, message, NULL, &error);
        if (r < 0)
                bus_error(err, r, &error, unit);
        sd_bus_error_free(&error);
        return r < 0 ? -err->code : 0;
}

/* ---- a process of ours ---- */

struct ScopeHold {
        pid_t pid;
};

static int hold_new(ScopeHold **ret, Error *err) {
        ScopeHold *hold;
        pid_t parent = getpid(), pid = fork();

        if (pid < 0)
                return error_errno(err, "fork");
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                fd_close_from(0);
                while (getppid() == parent)
                        pause();
                _exit(0);
        }
        hold = xnew(ScopeHold, 1);
        hold->pid = pid;
        *ret = hold;
        return 0;
}

ScopeHold *scope_release(ScopeHold *hold) {
        if (!hold)
                return NULL;
        kill(hold->pid, SIGKILL);
        while (waitpid(hold->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        free(hold);
        return NULL;
}

/* ---- units ---- */

static int append_properties(sd_bus_message *message, const Scope *scope, const char *id, pid_t pid,
                             const ScopeLimits *limits) {
        cleanup_free char *description = xasprintf("carrel container %s", id);
        int r;

        r = sd_bus_message_append(message, "ss", scope->unit, "replace");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
                                          description, "Slice", "s", scope->slice, "Delegate", "b", 1,
                                          "DefaultDependencies", "b", 0, "PIDs", "au", 1, (uint32_t)pid,
                                          "MemoryAccounting", "b", 1, "CPUAccounting", "b", 1,
                                          is_unified() ? "IOAccounting" : "BlockIOAccounting", "b", 1,
                                          "TasksAccounting", "b", 1);
        if (r >= 0)
                r = append_limits(message, limits);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_append(message, "a(sa(sv))", 0);
}

static int start_once(sd_bus *bus, const Scope *scope, const char *id, pid_t pid, const ScopeLimits *limits,
                      bool *ret_exists, Error *err) {
        cleanup_free char *what = xasprintf("starting %s", scope->unit);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        cleanup_message sd_bus_message *message = NULL;
        int r;

        r = new_call(bus, "StartTransientUnit", &message);
        if (r >= 0)
                r = append_properties(message, scope, id, pid, limits);
        r = r < 0 ? bus_error(err, r, NULL, what) : run_job(bus, message, what, &error, err);
        *ret_exists = r < 0 && sd_bus_error_has_name(&error, MANAGER_NAME ".UnitExists");
        sd_bus_error_free(&error);
        return r;
}

/* A unit that has failed is remembered until somebody says that it may be forgotten. */
static void reset_failed(sd_bus *bus, const char *unit) {
        cleanup_message sd_bus_message *message = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (new_call(bus, "ResetFailedUnit", &message) >= 0 && sd_bus_message_append(message, "s", unit) >= 0)
                call(bus, message, NULL, &error);
        sd_bus_error_free(&error);
}

int scope_start(const Scope *scope, const char *id, const ScopeLimits *limits, ScopeHold **ret, Error *err) {
        cleanup(scope_releasep) ScopeHold *hold = NULL;
        cleanup_bus sd_bus *bus = NULL;
        bool exists = false;
        int r;

        r = connect_manager(&bus, err);
        if (r >= 0)
                r = hold_new(&hold, err);
        if (r >= 0)
                r = start_once(bus, scope, id, hold->pid, limits, &exists, err);
        if (r < 0 && exists) {
                error_clear(err);
                reset_failed(bus, scope->unit);
                r = start_once(bus, scope, id, hold->pid, limits, &exists, err);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(hold);
        return 0;
}

int scope_stop(const char *unit, Error *err) {
        cleanup_free char *what = xasprintf("stopping %s", unit);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        cleanup_message sd_bus_message *message = NULL;
        cleanup_bus sd_bus *bus = NULL;
        int r;

        if (connect_manager(&bus, err) < 0) {
                error_clear(err); /* then there is no unit either */
                return 0;
        }
        r = new_call(bus, "StopUnit", &message);
        if (r >= 0)
                r = sd_bus_message_append(message, "ss", unit, "replace");
        r = r < 0 ? bus_error(err, r, NULL, what) : run_job(bus, message, what, &error, err);
        if (r < 0 && sd_bus_error_has_name(&error, MANAGER_NAME ".NoSuchUnit")) {
                error_clear(err);
                r = 0;
        }
        reset_failed(bus, unit);
        sd_bus_error_free(&error);
        return r;
}
