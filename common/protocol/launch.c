/* SPDX-License-Identifier: Apache-2.0 */
#include "common/protocol/launch.h"

static const JsonField launch_share_fields[] = {
        { JSON_FIELD(LaunchShare, source, "source", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(LaunchShare, target, "target", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(LaunchShare, destination, "destination", JSON_KIND_STRING) },
        { JSON_FIELD(LaunchShare, recursive, "recursive", JSON_KIND_BOOL) },
        { JSON_FIELD(LaunchShare, read_only, "readOnly", JSON_KIND_BOOL) },
        { JSON_FIELD(LaunchShare, closed, "closed", JSON_KIND_BOOL) },
        { JSON_ARRAY_FIELD(LaunchShare, uid_mappings, "uidMappings", oci_id_mapping_fields) },
        { JSON_ARRAY_FIELD(LaunchShare, gid_mappings, "gidMappings", oci_id_mapping_fields) },
        { JSON_FIELD(LaunchShare, map_recursive, "mapRecursive", JSON_KIND_BOOL) },
        {},
};

static const JsonField launch_disk_fields[] = {
        { JSON_FIELD(LaunchDisk, major, "major", JSON_KIND_UINT32) },
        { JSON_FIELD(LaunchDisk, minor, "minor", JSON_KIND_UINT32) },
        { JSON_FIELD(LaunchDisk, read_only, "readOnly", JSON_KIND_BOOL) },
        {},
};

const JsonField launch_plan_fields[] = {
        { JSON_FIELD(LaunchPlan, id, "id", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(LaunchPlan, state_dir, "stateDir", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(LaunchPlan, pod, "pod", JSON_KIND_STRING) },
        { JSON_FIELD(LaunchPlan, member, "member", JSON_KIND_STRING) },
        { JSON_FIELD(LaunchPlan, rootless, "rootless", JSON_KIND_BOOL) },
        { JSON_FIELD(LaunchPlan, qemu, "qemu", JSON_KIND_STRV) },
        { JSON_FIELD(LaunchPlan, virtiofsd, "virtiofsd", JSON_KIND_STRV) },
        { JSON_FIELD(LaunchPlan, qemu_uid, "qemuUid", JSON_KIND_UINT32) },
        { JSON_FIELD(LaunchPlan, qemu_gid, "qemuGid", JSON_KIND_UINT32) },
        { JSON_UINT32_ARRAY_FIELD(LaunchPlan, qemu_groups, "qemuGroups") },
        { JSON_FIELD(LaunchPlan, driver, "driver", JSON_KIND_STRING) },
        { JSON_FIELD(LaunchPlan, qemu_devices, "qemuDevices", JSON_KIND_STRV) },
        { JSON_FIELD(LaunchPlan, oom_score_adj, "oomScoreAdj", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(LaunchPlan, memlock, "memlock", JSON_KIND_UINT64) },
        { JSON_ARRAY_FIELD(LaunchPlan, shares, "shares", launch_share_fields) },
        { JSON_ARRAY_FIELD(LaunchPlan, disks, "disks", launch_disk_fields) },
        { JSON_FIELD(LaunchPlan, guest, "guest", JSON_KIND_RAW), .flags = JSON_REQUIRED },
        { JSON_FIELD(LaunchPlan, terminal, "terminal", JSON_KIND_BOOL) },
        { JSON_FIELD(LaunchPlan, remove_state, "removeState", JSON_KIND_BOOL) },
        { JSON_FIELD(LaunchPlan, cgroups, "cgroups", JSON_KIND_STRV) },
        { JSON_FIELD(LaunchPlan, last_act, "lastAct", JSON_KIND_STRV) },
        { JSON_FIELD(LaunchPlan, network_cards, "networkCards", JSON_KIND_UINT32) },
        { JSON_FIELD(LaunchPlan, network_joined, "networkJoined", JSON_KIND_BOOL) },
        { JSON_FIELD(LaunchPlan, containerd_events, "containerdEvents", JSON_KIND_STRING) },
        { JSON_FIELD(LaunchPlan, containerd_namespace, "containerdNamespace", JSON_KIND_STRING) },
        { JSON_FIELD(LaunchPlan, oom_mark, "oomMark", JSON_KIND_STRING) },
        { JSON_FIELD(LaunchPlan, resolv_conf, "resolvConf", JSON_KIND_STRING) },
        { JSON_FIELD(LaunchPlan, boot_timeout_ms, "bootTimeoutMs", JSON_KIND_UINT64) },
        { JSON_FIELD(LaunchPlan, console_limit, "consoleLimit", JSON_KIND_UINT64) },
        { JSON_FIELD(LaunchPlan, created_usec, "createdUsec", JSON_KIND_UINT64) },
        {},
};

const JsonField exec_plan_fields[] = {
        { JSON_FIELD(ExecPlan, control, "control", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(ExecPlan, spec, "spec", JSON_KIND_RAW), .flags = JSON_REQUIRED },
        { JSON_FIELD(ExecPlan, cgroup, "cgroup", JSON_KIND_STRING) },
        { JSON_FIELD(ExecPlan, terminal, "terminal", JSON_KIND_BOOL) },
        { JSON_FIELD(ExecPlan, rows, "rows", JSON_KIND_UINT32) },
        { JSON_FIELD(ExecPlan, cols, "cols", JSON_KIND_UINT32) },
        {},
};

const JsonField timeline_fields[] = {
        { JSON_FIELD(Timeline, shim, "shim", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, share, "share", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, virtiofsd, "virtiofsd", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, qemu, "qemu", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, qmp, "qmp", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, kernel, "kernel", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, agent, "agent", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, hello, "hello", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, hooks, "hooks", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, created, "created", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, start, "start", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, started, "started", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, exited, "exited", JSON_KIND_UINT64) },
        { JSON_FIELD(Timeline, stopped, "stopped", JSON_KIND_UINT64) },
        {},
};

const JsonField shim_status_fields[] = {
        { JSON_FIELD(ShimStatus, status, "status", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(ShimStatus, exit_status, "exitStatus", JSON_KIND_INT32) },
        { JSON_FIELD(ShimStatus, oom_killed, "oomKilled", JSON_KIND_BOOL) },
        { JSON_FIELD(ShimStatus, error, "error", JSON_KIND_STRING) },
        { JSON_FIELD(ShimStatus, accelerator, "accelerator", JSON_KIND_STRING) },
        { JSON_FIELD(ShimStatus, cpus, "cpus", JSON_KIND_UINT32) },
        { JSON_OBJECT_FIELD(ShimStatus, timeline, "timeline", timeline_fields) },
        {},
};
