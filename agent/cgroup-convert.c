/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroup-convert.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

static uint64_t scale(uint64_t value, uint64_t low, uint64_t high) {
        if (value < low)
                value = low;
        if (value > high)
                value = high;
        return 1 + (value - low) * 9999 / (high - low);
}

uint64_t cgroup_shares_to_weight(uint64_t shares) {
        return scale(shares, 2, 262144);
}

uint64_t cgroup_io_weight(uint64_t weight) {
        return scale(weight, 10, 1000);
}

char *cgroup_limit(int64_t value) {
        return value < 0 ? xstrdup("max") : xasprintf("%lld", (long long)value);
}

/* As everywhere in linux.resources, 0 counts as not set. */
static bool is_set(const OptInt64 *value) {
        return value->set && value->value != 0;
}

int cgroup_swap_limit(const OciMemory *memory, char **ret, Error *err) {
        if (!is_set(&memory->swap)) {
                /* Under v1 memory without a limit meant swap without one. */
                if (!is_set(&memory->limit) || memory->limit.value > 0)
                        return 0;
                *ret = xstrdup("max");
                return 1;
        }
        if (memory->swap.value < 0) {
                *ret = xstrdup("max");
                return 1;
        }
        if (!is_set(&memory->limit) || memory->limit.value < 0)
                return error_set(
                        err, EINVAL,
                        "linux.resources.memory.swap: a limit of memory and swap together takes one of "
                        "memory (memory.limit)");
        if (memory->swap.value < memory->limit.value)
                return error_set(err, EINVAL,
                                 "linux.resources.memory.swap: memory and swap together (%lld) are less than "
                                 "memory.limit (%lld)",
                                 (long long)memory->swap.value, (long long)memory->limit.value);
        *ret = cgroup_limit(memory->swap.value - memory->limit.value);
        return 1;
}

char *cgroup_cpu_max(const OciCpu *cpu, const char *current) {
        cleanup_free char *quota = NULL;
        bool has_quota = is_set(&cpu->quota), has_period = cpu->period.set && cpu->period.value != 0;

        if (!has_quota && !has_period)
                return NULL;
        quota = has_quota ? cgroup_limit(cpu->quota.value) : xstrndup(current, strcspn(current, " \n"));
        /* Without a period the kernel keeps the one it has. */
        return has_period ? xasprintf("%s %llu", quota, (unsigned long long)cpu->period.value)
                          : TAKE_PTR(quota);
}

static void add_rdma_limit(StrBuf *b, const char *name, const Json *value) {
        uint64_t number;

        if (value && json_uint64(value, &number))
                strbuf_printf(b, " %s=%llu", name, (unsigned long long)number);
}

char *cgroup_rdma_line(const char *device, const Json *limits) {
        StrBuf b = { 0 };

        strbuf_puts(&b, device);
        add_rdma_limit(&b, "hca_handle", json_get(limits, "hcaHandles"));
        add_rdma_limit(&b, "hca_object", json_get(limits, "hcaObjects"));
        return strbuf_take(&b);
}
