/* SPDX-License-Identifier: Apache-2.0 */

/* linux.resources → files of the cgroup. Values that v1 had and v2 has not are warned about, once each. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cgroup-convert.h"
#include "agent/cgroup-devices.h"
#include "agent/cgroup-private.h"
#include "agent/cpu-list.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* Writes TEXT to FILE; KEY is the one of linux.resources, for the error. */
static int set_value(const Cgroup *cgroup, const char *key, const char *file, const char *text, Error *err) {
        int r = file_write(cgroup->fd, file, text, err);

        if (r == -ENOENT)
                return error_set(err, ENOTSUP, "linux.resources.%s: the guest's kernel has no %s", key, file);
        return r < 0 ? error_prefix(err, "linux.resources.%s", key) : 0;
}

static int set_number(const Cgroup *cgroup, const char *key, const char *file, uint64_t value, Error *err) {
        cleanup_free char *text = xasprintf("%llu", (unsigned long long)value);

        return set_value(cgroup, key, file, text, err);
}

static int set_limit(const Cgroup *cgroup, const char *key, const char *file, const OptInt64 *value,
                     Error *err) {
        cleanup_free char *text = NULL;

        if (!value->set || value->value == 0)
                return 0;
        text = cgroup_limit(value->value);
        return set_value(cgroup, key, file, text, err);
}

static bool has_file(const Cgroup *cgroup, const char *file) {
        return faccessat(cgroup->fd, file, F_OK, 0) == 0;
}

/* ---- memory ---- */

static int check_usage(const Cgroup *cgroup, const OciMemory *memory, Error *err) {
        cleanup_free char *text = NULL;
        uint64_t usage;

        if (!memory->check_before_update.value || !memory->limit.set || memory->limit.value <= 0)
                return 0;
        if (file_read_line(cgroup->fd, "memory.current", &text, err) < 0)
                return error_prefix(err, "linux.resources.memory.checkBeforeUpdate");
        if (str_to_u64(text, 10, UINT64_MAX, &usage) && usage > (uint64_t)memory->limit.value)
                return error_set(err, EBUSY, "unable to set memory limit to %lld (current usage: %s)",
                                 (long long)memory->limit.value, text);
        return 0;
}

static void warn_memory(const OciMemory *memory) {
        if (memory->kernel.set && memory->kernel.value > 0)
                log_warning("linux.resources.memory.kernel: cgroup v2 knows no such limit; ignored");
        if (memory->kernel_tcp.set && memory->kernel_tcp.value > 0)
                log_warning("linux.resources.memory.kernelTCP: cgroup v2 knows no such limit; ignored");
        if (memory->swappiness.set)
                log_warning("linux.resources.memory.swappiness: cgroup v2 knows no such setting; ignored");
        if (memory->disable_oom_killer.value)
                log_warning(
                        "linux.resources.memory.disableOOMKiller: cgroup v2 knows no such setting; ignored");
}

static int apply_memory(const Cgroup *cgroup, const OciMemory *memory, Error *err) {
        cleanup_free char *swap = NULL;
        int r;

        if (!memory)
                return 0;
        warn_memory(memory);
        r = cgroup_swap_limit(memory, &swap, err);
        if (r >= 0)
                r = check_usage(cgroup, memory, err);
        /* Without support for swap there is none to be limited. */
        if (r >= 0 && swap &&
            (has_file(cgroup, "memory.swap.max") || !(streq(swap, "max") || streq(swap, "0"))))
                r = set_value(cgroup, "memory.swap", "memory.swap.max", swap, err);
        if (r >= 0)
                r = set_limit(cgroup, "memory.limit", "memory.max", &memory->limit, err);
        if (r >= 0)
                r = set_limit(cgroup, "memory.reservation", "memory.low", &memory->reservation, err);
        return r;
}

/* ---- cpu ---- */

static int apply_cpu_max(const Cgroup *cgroup, const OciCpu *cpu, Error *err) {
        bool has_burst = cpu->burst.set, late_burst = false;
        cleanup_free char *current = NULL, *text = NULL;
        int r = 0;

        if (cpu->quota.set || cpu->period.set) {
                if (file_read_line(cgroup->fd, "cpu.max", &current, err) < 0)
                        return error_prefix(err, "linux.resources.cpu.quota");
                text = cgroup_cpu_max(cpu, current);
        }
        /* A burst must not exceed the quota at any time: it goes first when both shrink, last when both
         * grow. */
        if (has_burst) {
                r = set_number(cgroup, "cpu.burst", "cpu.max.burst", cpu->burst.value, err);
                late_burst = r == -EINVAL && text;
                if (late_burst) {
                        error_clear(err);
                        r = 0;
                }
        }
        if (r >= 0 && text)
                r = set_value(cgroup, "cpu.quota", "cpu.max", text, err);
        if (r >= 0 && late_burst)
                r = set_number(cgroup, "cpu.burst", "cpu.max.burst", cpu->burst.value, err);
        return r;
}

static int apply_cpuset(const Cgroup *cgroup, const char *what, const char *list, Error *err) {
        cleanup_free char *file = xasprintf("cpuset.%s", what),
                          *effective = xasprintf("cpuset.%s.effective", what);
        cleanup_free char *key = xasprintf("cpu.%s", what), *text = NULL;
        cpu_set_t wanted, there;
        int missing;

        if (!list || !*list)
                return 0;
        if (!cpu_list_parse(list, &wanted))
                return error_set(err, EINVAL, "linux.resources.%s: \"%s\" is not a list of numbers", key,
                                 list);
        if (file_read_line(cgroup->root, effective, &text, err) < 0)
                return error_prefix(err, "linux.resources.%s", key);
        if (!cpu_list_parse(text, &there))
                return error_set(err, EIO, "%s: unexpected text \"%s\"", effective, text);
        missing = cpu_list_missing(&wanted, &there);
        if (missing >= 0)
                return error_set(err, EINVAL,
                                 "linux.resources.%s: \"%s\": the virtual machine has no %s %d, only %s", key,
                                 list, streq(what, "cpus") ? "CPU" : "memory node", missing, text);
        return set_value(cgroup, key, file, list, err);
}

static int apply_cpu(const Cgroup *cgroup, const OciCpu *cpu, Error *err) {
        int r = 0;

        if (!cpu)
                return 0;
        if ((cpu->realtime_runtime.set && cpu->realtime_runtime.value != 0) ||
            (cpu->realtime_period.set && cpu->realtime_period.value != 0))
                return error_set(
                        err, ENOTSUP,
                        "linux.resources.cpu.realtimeRuntime, realtimePeriod: cgroup v2 has no real-time "
                        "budgets");
        /* An idle cgroup takes no weight. */
        if (cpu->idle.set && cpu->idle.value == 0)
                r = set_number(cgroup, "cpu.idle", "cpu.idle", 0, err);
        if (r >= 0 && cpu->shares.set && cpu->shares.value != 0)
                r = set_number(cgroup, "cpu.shares", "cpu.weight", cgroup_shares_to_weight(cpu->shares.value),
                               err);
        if (r >= 0 && cpu->idle.set && cpu->idle.value != 0)
                r = set_number(cgroup, "cpu.idle", "cpu.idle", 1, err);
        if (r >= 0)
                r = apply_cpu_max(cgroup, cpu, err);
        if (r >= 0)
                r = apply_cpuset(cgroup, "cpus", cpu->cpus, err);
        if (r >= 0)
                r = apply_cpuset(cgroup, "mems", cpu->mems, err);
        return r;
}

/* ---- block devices ---- */

static int apply_weights(const Cgroup *cgroup, const OciBlockIo *io, Error *err) {
        bool bfq = has_file(cgroup, "io.bfq.weight");
        const char *file = bfq ? "io.bfq.weight" : "io.weight";

        if (io->weight.set && io->weight.value != 0) {
                uint64_t weight = bfq ? io->weight.value : cgroup_io_weight(io->weight.value);

                if (set_number(cgroup, "blockIO.weight", file, weight, err) < 0)
                        return -err->code;
        }
        if (io->leaf_weight.set && io->leaf_weight.value != 0)
                log_warning("linux.resources.blockIO.leafWeight: cgroup v2 knows no such setting; ignored");
        for (size_t i = 0; i < io->n_weight_device; i++) {
                const OciWeightDevice *device = &io->weight_device[i];
                uint64_t weight = bfq ? device->weight.value : cgroup_io_weight(device->weight.value);
                cleanup_free char *line = xasprintf("%lld:%lld %llu", (long long)device->major,
                                                    (long long)device->minor, (unsigned long long)weight);

                if (device->weight.set && device->weight.value != 0 &&
                    set_value(cgroup, "blockIO.weightDevice", file, line, err) < 0)
                        return -err->code;
        }
        return 0;
}

static int apply_throttle(const Cgroup *cgroup, const char *key, const char *word,
                          const OciThrottleDevice *devices, size_t n, Error *err) {
        for (size_t i = 0; i < n; i++) {
                cleanup_free char *rate = devices[i].rate > 0
                                                  ? xasprintf("%llu", (unsigned long long)devices[i].rate)
                                                  : xstrdup("max");
                cleanup_free char *line = xasprintf("%lld:%lld %s=%s", (long long)devices[i].major,
                                                    (long long)devices[i].minor, word, rate);

                if (set_value(cgroup, key, "io.max", line, err) < 0)
                        return -err->code;
        }
        return 0;
}

static int apply_block_io(const Cgroup *cgroup, const OciBlockIo *io, Error *err) {
        int r;

        if (!io)
                return 0;
        r = apply_weights(cgroup, io, err);
        if (r >= 0)
                r = apply_throttle(cgroup, "blockIO.throttleReadBpsDevice", "rbps", io->throttle_read_bps,
                                   io->n_throttle_read_bps, err);
        if (r >= 0)
                r = apply_throttle(cgroup, "blockIO.throttleWriteBpsDevice", "wbps", io->throttle_write_bps,
                                   io->n_throttle_write_bps, err);
        if (r >= 0)
                r = apply_throttle(cgroup, "blockIO.throttleReadIOPSDevice", "riops", io->throttle_read_iops,
                                   io->n_throttle_read_iops, err);
        if (r >= 0)
                r = apply_throttle(cgroup, "blockIO.throttleWriteIOPSDevice", "wiops",
                                   io->throttle_write_iops, io->n_throttle_write_iops, err);
        return r;
}

/* ---- the rest ---- */

static int apply_hugepages(const Cgroup *cgroup, const OciResources *resources, Error *err) {
        for (size_t i = 0; i < resources->n_hugepage_limits; i++) {
                const OciHugepageLimit *limit = &resources->hugepage_limits[i];
                cleanup_free char *file = xasprintf("hugetlb.%s.max", limit->page_size);
                cleanup_free char *reserved = xasprintf("hugetlb.%s.rsvd.max", limit->page_size);

                if (strchr(limit->page_size, '/'))
                        return error_set(err, EINVAL, "linux.resources.hugepageLimits[%zu].pageSize: \"%s\"",
                                         i, limit->page_size);
                if (set_number(cgroup, "hugepageLimits", file, limit->limit, err) < 0)
                        return -err->code;
                if (has_file(cgroup, reserved) &&
                    set_number(cgroup, "hugepageLimits", reserved, limit->limit, err) < 0)
                        return -err->code;
        }
        return 0;
}

static int apply_rdma(const Cgroup *cgroup, const Json *rdma, Error *err) {
        for (size_t i = 0; i < json_count(rdma); i++) {
                cleanup_free char *line = cgroup_rdma_line(json_key(rdma, i), json_item(rdma, i));

                if (set_value(cgroup, "rdma", "rdma.max", line, err) < 0)
                        return -err->code;
        }
        return 0;
}

/* Files by name, as they are; one line at a time, as some of them want it. */
static int apply_unified(const Cgroup *cgroup, const StrMap *unified, Error *err) {
        for (size_t i = 0; i < unified->count; i++) {
                const char *name = unified->keys[i];
                cleanup_strv char **lines = strv_split(unified->values[i], "\n");
                cleanup_free char *key = xasprintf("unified[\"%s\"]", name);

                if (!*name || strchr(name, '/') || *name == '.')
                        return error_set(
                                err, EINVAL,
                                "linux.resources.unified: \"%s\" must be the name of a file (no slashes)",
                                name);
                STRV_FOR_EACH (line, lines)
                        if (set_value(cgroup, key, name, *line, err) < 0)
                                return -err->code;
        }
        return 0;
}

/* At create there is a program in any case: what no rule allows is denied. */
static int apply_devices(Cgroup *cgroup, const OciResources *resources, Error *err) {
        size_t n = resources ? resources->n_devices : 0;

        if (cgroup->devices >= 0 && n == 0)
                return 0;
        return cgroup_set_devices(cgroup->fd, resources ? resources->devices : NULL, n, &cgroup->devices,
                                  err);
}

int cgroup_apply(Cgroup *cgroup, const OciResources *resources, Error *err) {
        int r = apply_devices(cgroup, resources, err);

        if (r < 0 || !resources)
                return r;
        if (json_count(resources->network) > 0)
                log_warning("linux.resources.network: cgroup v2 knows no such settings; ignored");
        r = apply_memory(cgroup, resources->memory, err);
        if (r >= 0)
                r = apply_cpu(cgroup, resources->cpu, err);
        if (r >= 0 && resources->pids)
                r = set_limit(cgroup, "pids.limit", "pids.max", &resources->pids->limit, err);
        if (r >= 0)
                r = apply_block_io(cgroup, resources->block_io, err);
        if (r >= 0)
                r = apply_hugepages(cgroup, resources, err);
        if (r >= 0)
                r = apply_rdma(cgroup, resources->rdma, err);
        if (r >= 0)
                r = apply_unified(cgroup, &resources->unified, err);
        return r;
}
