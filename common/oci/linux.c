/* SPDX-License-Identifier: Apache-2.0 */
#include "common/oci/linux.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/oci/check.h"

/* ---- ids, namespaces, devices ---- */

const JsonField oci_id_mapping_fields[] = {
        { JSON_FIELD(OciIdMapping, container_id, "containerID", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciIdMapping, host_id, "hostID", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciIdMapping, size, "size", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { 0 },
};

static const JsonField namespace_fields[] = {
        { JSON_FIELD(OciNamespace, type, "type", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciNamespace, path, "path", JSON_KIND_STRING) },
        { 0 },
};

static const JsonField device_fields[] = {
        { JSON_FIELD(OciDevice, type, "type", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciDevice, path, "path", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciDevice, major, "major", JSON_KIND_INT64), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(OciDevice, minor, "minor", JSON_KIND_INT64), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(OciDevice, file_mode, "fileMode", JSON_KIND_OPT_UINT32) },
        { JSON_FIELD(OciDevice, uid, "uid", JSON_KIND_OPT_UINT32) },
        { JSON_FIELD(OciDevice, gid, "gid", JSON_KIND_OPT_UINT32) },
        { 0 },
};

/* ---- resources ---- */

static const JsonField device_rule_fields[] = {
        { JSON_FIELD(OciDeviceRule, allow, "allow", JSON_KIND_BOOL), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciDeviceRule, type, "type", JSON_KIND_STRING) },
        { JSON_FIELD(OciDeviceRule, major, "major", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciDeviceRule, minor, "minor", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciDeviceRule, access, "access", JSON_KIND_STRING) },
        { 0 },
};

static const JsonField memory_fields[] = {
        { JSON_FIELD(OciMemory, limit, "limit", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciMemory, reservation, "reservation", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciMemory, swap, "swap", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciMemory, kernel, "kernel", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciMemory, kernel_tcp, "kernelTCP", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciMemory, swappiness, "swappiness", JSON_KIND_OPT_UINT64) },
        { JSON_FIELD(OciMemory, disable_oom_killer, "disableOOMKiller", JSON_KIND_OPT_BOOL) },
        { JSON_FIELD(OciMemory, use_hierarchy, "useHierarchy", JSON_KIND_OPT_BOOL) },
        { JSON_FIELD(OciMemory, check_before_update, "checkBeforeUpdate", JSON_KIND_OPT_BOOL) },
        { 0 },
};

static const JsonField cpu_fields[] = {
        { JSON_FIELD(OciCpu, shares, "shares", JSON_KIND_OPT_UINT64) },
        { JSON_FIELD(OciCpu, quota, "quota", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciCpu, burst, "burst", JSON_KIND_OPT_UINT64) },
        { JSON_FIELD(OciCpu, period, "period", JSON_KIND_OPT_UINT64) },
        { JSON_FIELD(OciCpu, realtime_runtime, "realtimeRuntime", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(OciCpu, realtime_period, "realtimePeriod", JSON_KIND_OPT_UINT64) },
        { JSON_FIELD(OciCpu, cpus, "cpus", JSON_KIND_STRING) },
        { JSON_FIELD(OciCpu, mems, "mems", JSON_KIND_STRING) },
        { JSON_FIELD(OciCpu, idle, "idle", JSON_KIND_OPT_INT64) },
        { 0 },
};

static const JsonField weight_device_fields[] = {
        { JSON_FIELD(OciWeightDevice, major, "major", JSON_KIND_INT64), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciWeightDevice, minor, "minor", JSON_KIND_INT64), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciWeightDevice, weight, "weight", JSON_KIND_OPT_UINT32) },
        { JSON_FIELD(OciWeightDevice, leaf_weight, "leafWeight", JSON_KIND_OPT_UINT32) },
        { 0 },
};

static const JsonField throttle_device_fields[] = {
        { JSON_FIELD(OciThrottleDevice, major, "major", JSON_KIND_INT64), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciThrottleDevice, minor, "minor", JSON_KIND_INT64), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciThrottleDevice, rate, "rate", JSON_KIND_UINT64), .flags = JSON_REQUIRED },
        { 0 },
};

#define THROTTLE_FIELD(member, key)                                                                          \
        { JSON_ARRAY_FIELD(OciBlockIo, member, key, throttle_device_fields) }

static const JsonField block_io_fields[] = {
        { JSON_FIELD(OciBlockIo, weight, "weight", JSON_KIND_OPT_UINT32) },
        { JSON_FIELD(OciBlockIo, leaf_weight, "leafWeight", JSON_KIND_OPT_UINT32) },
        { JSON_ARRAY_FIELD(OciBlockIo, weight_device, "weightDevice", weight_device_fields) },
        THROTTLE_FIELD(throttle_read_bps, "throttleReadBpsDevice"),
        THROTTLE_FIELD(throttle_write_bps, "throttleWriteBpsDevice"),
        THROTTLE_FIELD(throttle_read_iops, "throttleReadIOPSDevice"),
        THROTTLE_FIELD(throttle_write_iops, "throttleWriteIOPSDevice"),
        { 0 },
};

static const JsonField hugepage_limit_fields[] = {
        { JSON_FIELD(OciHugepageLimit, page_size, "pageSize", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciHugepageLimit, limit, "limit", JSON_KIND_UINT64), .flags = JSON_REQUIRED },
        { 0 },
};

static const JsonField pids_fields[] = {
        { JSON_FIELD(OciPids, limit, "limit", JSON_KIND_OPT_INT64) },
        { 0 },
};

const JsonField oci_resources_fields[] = {
        { JSON_ARRAY_FIELD(OciResources, devices, "devices", device_rule_fields) },
        { JSON_OBJECT_PTR_FIELD(OciResources, memory, "memory", memory_fields) },
        { JSON_OBJECT_PTR_FIELD(OciResources, cpu, "cpu", cpu_fields) },
        { JSON_OBJECT_PTR_FIELD(OciResources, block_io, "blockIO", block_io_fields) },
        { JSON_OBJECT_PTR_FIELD(OciResources, pids, "pids", pids_fields) },
        { JSON_ARRAY_FIELD(OciResources, hugepage_limits, "hugepageLimits", hugepage_limit_fields) },
        { JSON_FIELD(OciResources, network, "network", JSON_KIND_RAW) },
        { JSON_FIELD(OciResources, rdma, "rdma", JSON_KIND_RAW) },
        { JSON_FIELD(OciResources, unified, "unified", JSON_KIND_STRING_MAP) },
        { 0 },
};

/* ---- seccomp ---- */

static const JsonField seccomp_arg_fields[] = {
        { JSON_FIELD(OciSeccompArg, index, "index", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciSeccompArg, value, "value", JSON_KIND_UINT64), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciSeccompArg, value_two, "valueTwo", JSON_KIND_UINT64) },
        { JSON_FIELD(OciSeccompArg, op, "op", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { 0 },
};

static const JsonField syscall_fields[] = {
        { JSON_FIELD(OciSyscall, names, "names", JSON_KIND_STRV), .flags = JSON_REQUIRED | JSON_NONEMPTY },
        { JSON_FIELD(OciSyscall, action, "action", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciSyscall, errno_ret, "errnoRet", JSON_KIND_OPT_UINT32) },
        { JSON_ARRAY_FIELD(OciSyscall, args, "args", seccomp_arg_fields) },
        { 0 },
};

static const JsonField seccomp_fields[] = {
        { JSON_FIELD(OciSeccomp, default_action, "defaultAction", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciSeccomp, default_errno_ret, "defaultErrnoRet", JSON_KIND_OPT_UINT32) },
        { JSON_FIELD(OciSeccomp, architectures, "architectures", JSON_KIND_STRV) },
        { JSON_FIELD(OciSeccomp, flags, "flags", JSON_KIND_STRV) },
        { JSON_FIELD(OciSeccomp, listener_path, "listenerPath", JSON_KIND_STRING) },
        { JSON_FIELD(OciSeccomp, listener_metadata, "listenerMetadata", JSON_KIND_STRING) },
        { JSON_ARRAY_FIELD(OciSeccomp, syscalls, "syscalls", syscall_fields) },
        { 0 },
};

/* ---- the section ---- */

static const JsonField personality_fields[] = {
        { JSON_FIELD(OciPersonality, domain, "domain", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciPersonality, flags, "flags", JSON_KIND_STRV) },
        { 0 },
};

static const JsonField time_offset_fields[] = {
        { JSON_FIELD(OciTimeOffset, secs, "secs", JSON_KIND_INT64) },
        { JSON_FIELD(OciTimeOffset, nanosecs, "nanosecs", JSON_KIND_UINT32) },
        { 0 },
};

static const JsonField time_offsets_fields[] = {
        { JSON_OBJECT_PTR_FIELD(OciTimeOffsets, monotonic, "monotonic", time_offset_fields) },
        { JSON_OBJECT_PTR_FIELD(OciTimeOffsets, boottime, "boottime", time_offset_fields) },
        { 0 },
};

const JsonField oci_linux_fields[] = {
        { JSON_ARRAY_FIELD(OciLinux, namespaces, "namespaces", namespace_fields) },
        { JSON_ARRAY_FIELD(OciLinux, uid_mappings, "uidMappings", oci_id_mapping_fields) },
        { JSON_ARRAY_FIELD(OciLinux, gid_mappings, "gidMappings", oci_id_mapping_fields) },
        { JSON_OBJECT_PTR_FIELD(OciLinux, time_offsets, "timeOffsets", time_offsets_fields) },
        { JSON_ARRAY_FIELD(OciLinux, devices, "devices", device_fields) },
        { JSON_FIELD(OciLinux, cgroups_path, "cgroupsPath", JSON_KIND_STRING) },
        { JSON_FIELD(OciLinux, rootfs_propagation, "rootfsPropagation", JSON_KIND_STRING) },
        { JSON_OBJECT_PTR_FIELD(OciLinux, resources, "resources", oci_resources_fields) },
        { JSON_FIELD(OciLinux, intel_rdt, "intelRdt", JSON_KIND_RAW) },
        { JSON_FIELD(OciLinux, sysctl, "sysctl", JSON_KIND_STRING_MAP) },
        { JSON_OBJECT_PTR_FIELD(OciLinux, seccomp, "seccomp", seccomp_fields) },
        { JSON_FIELD(OciLinux, masked_paths, "maskedPaths", JSON_KIND_STRV) },
        { JSON_FIELD(OciLinux, readonly_paths, "readonlyPaths", JSON_KIND_STRV) },
        { JSON_FIELD(OciLinux, mount_label, "mountLabel", JSON_KIND_STRING) },
        { JSON_OBJECT_PTR_FIELD(OciLinux, personality, "personality", personality_fields) },
        { 0 },
};

const OciNamespace *oci_namespace(const OciLinux *linux_, const char *type) {
        for (size_t i = 0; linux_ && i < linux_->n_namespaces; i++)
                if (strcmp(linux_->namespaces[i].type, type) == 0)
                        return &linux_->namespaces[i];
        return NULL;
}

const char *oci_namespace_path(const OciLinux *linux_, const char *type) {
        const OciNamespace *namespace = oci_namespace(linux_, type);

        return namespace && namespace->path && *namespace->path ? namespace->path : NULL;
}

/* As runc reads it: -1 stands for every number, and so does its absence. */
static bool is_wildcard(const OptInt64 *number) {
        return !number->set || number->value == -1;
}

bool oci_allows_all_devices(const OciResources *resources) {
        bool all = false;

        for (size_t i = 0; resources && i < resources->n_devices; i++) {
                const OciDeviceRule *rule = &resources->devices[i];

                if ((!rule->type || strcmp(rule->type, "a") == 0) && is_wildcard(&rule->major) &&
                    is_wildcard(&rule->minor))
                        all = rule->allow;
        }
        return all;
}

/* ---- `update --resources` ---- */

int oci_resources_parse(const char *text, size_t length, OciResources **ret, Error *err) {
        cleanup(oci_resources_freep) OciResources *resources = xnew(OciResources, 1);
        int r = json_read_text(text, length, NULL, oci_resources_fields, resources, err);

        if (r >= 0)
                r = oci_check_resources(resources, "", err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(resources);
        return 0;
}

OciResources *oci_resources_free(OciResources *resources) {
        if (resources)
                json_clear(oci_resources_fields, resources);
        free(resources);
        return NULL;
}
