/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan/pod-size.h"

#include <errno.h>
#include <string.h>

#include "runtime/plan/sizing.h"

#define CONTAINERD_TYPE   "io.kubernetes.cri.container-type"
#define CONTAINERD_MEMORY "io.kubernetes.cri.sandbox-memory"
#define CONTAINERD_QUOTA  "io.kubernetes.cri.sandbox-cpu-quota"
#define CONTAINERD_PERIOD "io.kubernetes.cri.sandbox-cpu-period"
#define CRIO_TYPE         "io.kubernetes.cri-o.ContainerType"

static const char *const crio_resources[] = {
        "pod-linux-resources.crio.io",
        "io.kubernetes.cri-o.PodLinuxResources",
};

static bool is_sandbox(const StrMap *annotations) {
        return streq(str_map_get(annotations, CONTAINERD_TYPE), "sandbox") ||
               streq(str_map_get(annotations, CRIO_TYPE), "sandbox");
}

/* Absent and negative count as 0, which stands for no limit. */
static int read_number(const StrMap *annotations, const char *key, int64_t *ret, Error *err) {
        const char *text = str_map_get(annotations, key);
        cleanup_free char *shown = NULL;
        uint64_t n = 0;

        if (text && *text != '-' && !str_to_u64(text, 10, INT64_MAX, &n)) {
                shown = str_printable(text, strlen(text), 64);
                return error_set(err, EINVAL, "annotations: %s: expected a number, found \"%s\"", key, shown);
        }
        *ret = (int64_t)n;
        return 0;
}

/* LinuxContainerResources of the CRI, as Go writes it. */
static int read_crio(const StrMap *annotations, const char *key, int64_t *memory, OciCpu *cpu, Error *err) {
        const char *text = str_map_get(annotations, key);
        cleanup_json Json *tree = NULL;
        int64_t period = 0;

        if (!text)
                return 0;
        if (json_parse(text, strlen(text), NULL, &tree, err) < 0)
                return error_prefix(err, "annotations: %s", key);
        json_int64(json_get(tree, "memory_limit_in_bytes"), memory);
        json_int64(json_get(tree, "cpu_quota"), &cpu->quota.value);
        json_int64(json_get(tree, "cpu_period"), &period);
        cpu->period.value = period > 0 ? (uint64_t)period : 0;
        return 0;
}

int pod_size(const StrMap *annotations, PodSize *ret, Error *err) {
        OciCpu cpu = { .quota.set = true, .period.set = true };
        OciResources resources = { .cpu = &cpu };
        int64_t memory = 0, period = 0;
        PodSize made = { 0 };
        int r;

        *ret = made;
        if (!is_sandbox(annotations))
                return 0;
        r = read_number(annotations, CONTAINERD_MEMORY, &memory, err);
        if (r >= 0)
                r = read_number(annotations, CONTAINERD_QUOTA, &cpu.quota.value, err);
        if (r >= 0)
                r = read_number(annotations, CONTAINERD_PERIOD, &period, err);
        cpu.period.value = (uint64_t)period;
        for (size_t i = 0; r >= 0 && i < ELEMENTS_OF(crio_resources) && memory == 0 && cpu.quota.value == 0;
             i++)
                r = read_crio(annotations, crio_resources[i], &memory, &cpu, err);
        if (r >= 0)
                r = sizing_cpu_limit(&resources, &made.cpus, err);
        if (r < 0)
                return r;
        made.memory = memory > 0 ? (uint64_t)memory : 0;
        *ret = made;
        return 0;
}
