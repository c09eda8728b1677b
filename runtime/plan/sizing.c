/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan/sizing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/plan/planner.h"
#include "runtime/plan/pod-size.h"

#define CPU_PERIOD_DEFAULT 100000U /* microseconds; the kernel's */

/* Measured: kernel 6.12 and a small init leave all but 46 MiB and 2 % (page structures) of guests of 128 MiB to 8 GiB.
 * The rest is for the agent and caches. */
#define GUEST_OVERHEAD_FIXED (64U * MIB)
#define GUEST_OVERHEAD_SHARE 48U /* one part in so many */

/* QEMU without the guest's RAM, virtiofsd, shim, their kernel memory; and page tables of the RAM, on the host and in
 * the processor. An emulator has also the code it translates. Measured: 45 to 110 MB. */
#define HOST_OVERHEAD_FIXED (128U * MIB)
#define HOST_OVERHEAD_SHARE 256U
#define HOST_OVERHEAD_TCG   (TCG_CODE_MIB * MIB)

/* ---- limits of the container ---- */

static const char *next_number(const char *s, uint32_t *ret) {
        uint64_t n = 0;
        const char *start = s;

        while (*s >= '0' && *s <= '9' && n <= CPU_LIST_MAX)
                n = n * 10 + (uint64_t)(*s++ - '0');
        if (s == start || n > CPU_LIST_MAX)
                return NULL;
        *ret = (uint32_t)n;
        return s;
}

bool sizing_cpu_mask(const char *list, uint8_t mask[CPU_MASK_BYTES], uint32_t *ret) {
        uint32_t count = 0;

        memset(mask, 0, CPU_MASK_BYTES);
        while (*list) {
                uint32_t first, last;

                list = next_number(list, &first);
                last = first;
                if (list && *list == '-')
                        list = next_number(list + 1, &last);
                if (!list || last < first || (*list && *list != ',') || (*list == ',' && !list[1]))
                        return false;
                for (uint32_t cpu = first; cpu <= last; cpu++) {
                        count += !(mask[cpu / 8] >> cpu % 8 & 1U);
                        mask[cpu / 8] |= (uint8_t)(1U << cpu % 8);
                }
                list += *list == ',';
        }
        *ret = count;
        return true;
}

bool sizing_count_cpus(const char *list, uint32_t *ret) {
        uint8_t mask[CPU_MASK_BYTES];

        return sizing_cpu_mask(list, mask, ret);
}

static uint64_t divide_up(uint64_t a, uint64_t b) {
        return a / b + (a % b != 0);
}

/* "max 100000" or "150000 100000" or "150000" (cpu.max of cgroup v2). */
static uint64_t unified_cpu_limit(const char *text) {
        cleanup_strv char **words = strv_split(text ? text : "", " \t\n");
        uint64_t quota, period = CPU_PERIOD_DEFAULT;

        if (!words || !words[0] || !str_to_u64(words[0], 10, INT64_MAX, &quota))
                return 0;
        if (words[1] && (!str_to_u64(words[1], 10, INT64_MAX, &period) || period == 0))
                return 0;
        return divide_up(quota, period);
}

static uint64_t quota_limit(const OciResources *resources) {
        const OciCpu *cpu = resources->cpu;
        uint64_t period =
                cpu && cpu->period.set && cpu->period.value > 0 ? cpu->period.value : CPU_PERIOD_DEFAULT;

        if (cpu && cpu->quota.set && cpu->quota.value > 0)
                return divide_up((uint64_t)cpu->quota.value, period);
        return unified_cpu_limit(str_map_get(&resources->unified, "cpu.max"));
}

int sizing_cpu_limit(const OciResources *resources, uint32_t *ret, Error *err) {
        const char *list = resources && resources->cpu ? resources->cpu->cpus : NULL;
        uint64_t limit = resources ? quota_limit(resources) : 0;
        uint32_t in_set = 0;

        if (list && !sizing_count_cpus(list, &in_set)) {
                cleanup_free char *shown = str_printable(list, strlen(list), 64);

                return error_set(err, EINVAL,
                                 "linux.resources.cpu.cpus: expected a list of CPUs such as \"0-3,6\", "
                                 "found \"%s\"",
                                 shown);
        }
        if (in_set > 0 && (limit == 0 || limit > in_set))
                limit = in_set;
        *ret = (uint32_t)(limit < GUEST_VCPUS_MAX ? limit : GUEST_VCPUS_MAX);
        return 0;
}

uint64_t sizing_memory_limit(const OciResources *resources) {
        const char *unified = resources ? str_map_get(&resources->unified, "memory.max") : NULL;
        uint64_t limit;

        if (resources && resources->memory && resources->memory->limit.set)
                return resources->memory->limit.value > 0 ? (uint64_t)resources->memory->limit.value : 0;
        return unified && str_to_u64(unified, 10, INT64_MAX, &limit) ? limit : 0;
}

/* ---- what surrounds it ---- */

uint64_t sizing_guest_overhead(uint64_t limit) {
        return GUEST_OVERHEAD_FIXED + limit / GUEST_OVERHEAD_SHARE;
}

uint64_t sizing_guest_room(uint64_t guest_bytes) {
        uint64_t left = guest_bytes > GUEST_OVERHEAD_FIXED ? guest_bytes - GUEST_OVERHEAD_FIXED : 0;

        return left / (GUEST_OVERHEAD_SHARE + 1) * GUEST_OVERHEAD_SHARE;
}

uint64_t sizing_host_overhead(uint64_t guest_bytes, Accelerator accelerator) {
        return HOST_OVERHEAD_FIXED + guest_bytes / HOST_OVERHEAD_SHARE +
               (accelerator == ACCELERATOR_TCG ? HOST_OVERHEAD_TCG : 0);
}

/* ---- the machine ---- */

static int size_vcpus(Planner *p, const OciResources *resources, const PodSize *pod, Error *err) {
        uint32_t host = p->facts->cpus > 0 ? p->facts->cpus : 1;
        bool kvm = p->plan->vm.accelerator == ACCELERATOR_KVM;
        uint32_t wanted = p->config->vcpus, limit;
        int r = sizing_cpu_limit(resources, &limit, err);

        if (r < 0)
                return error_prefix(err, "config.json");
        if (limit == 0)
                limit = pod->cpus > GUEST_VCPUS_DEFAULT ? pod->cpus : GUEST_VCPUS_DEFAULT;
        if (wanted == 0)
                wanted = limit < host ? limit : host;
        if (wanted > host && kvm)
                planner_warn(p,
                             "vcpus: %" PRIu32 " are configured, but the host has %" PRIu32
                             " CPUs; the guest gets those",
                             wanted, host);
        if (wanted > host && !kvm)
                planner_warn(p,
                             "vcpus: %" PRIu32 " are configured, but the host has %" PRIu32
                             " CPUs; they take turns",
                             wanted, host);
        p->plan->vm.vcpus = wanted > host && kvm ? host : wanted;
        return 0;
}

/* Without a limit of its own: for a pod at least what its containers may have together, and never so much that the cgroups
 * above would have QEMU killed. (The kubelet limits a pod's cgroup when all its containers have limits.) */
static uint64_t unlimited_mib(const Planner *p, const PodSize *pod) {
        uint64_t wanted = (uint64_t)GUEST_MEMORY_DEFAULT_MIB * MIB, above = p->request->memory_above, beside;

        if (pod->memory > 0 && pod->memory <= INT64_MAX / 2 &&
            pod->memory + sizing_guest_overhead(pod->memory) > wanted)
                wanted = pod->memory + sizing_guest_overhead(pod->memory);
        beside = sizing_host_overhead(wanted, p->plan->vm.accelerator);
        if (above > 0 && wanted + beside > above)
                return (above > beside ? above - beside : 0) / MIB;
        return divide_up(wanted, MIB);
}

static int size_memory(Planner *p, const OciResources *resources, const PodSize *pod, Error *err) {
        uint64_t host_mib = p->facts->memory / MIB;
        uint64_t limit = sizing_memory_limit(resources);
        uint64_t wanted = p->config->memory_mib;

        if (wanted > 0 && wanted < GUEST_MEMORY_MIN_MIB)
                return error_set(err, EINVAL,
                                 "memoryMiB: %" PRIu64
                                 " MiB is less than a guest needs; give it at least %u MiB",
                                 wanted, GUEST_MEMORY_MIN_MIB);
        if (wanted > host_mib)
                planner_warn(p,
                             "memoryMiB: %" PRIu64 " MiB are configured, but the host has %" PRIu64
                             " MiB; the guest gets those",
                             wanted, host_mib);
        if (wanted > 0 && limit / MIB > wanted && limit / MIB < host_mib)
                planner_warn(p,
                             "memoryMiB: %" PRIu64
                             " MiB are configured, which is less than the container's limit of %" PRIu64
                             " MiB",
                             wanted, limit / MIB);
        if (wanted == 0 && limit > 0)
                wanted = limit / MIB >= host_mib ? host_mib
                                                 : divide_up(limit + sizing_guest_overhead(limit), MIB);
        if (wanted == 0)
                wanted = unlimited_mib(p, pod);
        if (wanted < GUEST_MEMORY_MIN_MIB)
                wanted = GUEST_MEMORY_MIN_MIB;
        if (wanted > host_mib)
                wanted = host_mib;
        if (wanted < GUEST_MEMORY_MIN_MIB)
                return error_set(err, ENOMEM,
                                 "the host has %" PRIu64 " MiB of memory; a guest needs at least %u MiB",
                                 host_mib, GUEST_MEMORY_MIN_MIB);
        p->plan->vm.memory_mib = wanted;
        if (limit > 0)
                p->plan->host_memory_bytes =
                        wanted * MIB + sizing_host_overhead(wanted * MIB, p->plan->vm.accelerator);
        return 0;
}

int planner_size(Planner *p, Error *err) {
        const OciResources *resources = p->spec->linux_ ? p->spec->linux_->resources : NULL;
        PodSize pod;
        int r = pod_size(&p->spec->annotations, &pod, err);

        if (r < 0)
                return error_prefix(err, "config.json");
        r = size_vcpus(p, resources, &pod, err);
        return r < 0 ? r : size_memory(p, resources, &pod, err);
}
