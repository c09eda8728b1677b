/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The `linux` section of config.json (OCI runtime specification 1.2, config-linux.md) as C structs. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/json.h"

typedef struct OciIdMapping {
        uint32_t container_id, host_id, size;
} OciIdMapping;

typedef struct OciNamespace {
        char *type; /* pid network mount ipc uts user cgroup time */
        char *path;
} OciNamespace;

typedef struct OciDevice {
        char *type; /* c b u p */
        char *path;
        int64_t major, minor;
        OptUint32 file_mode;
        OptUint32 uid, gid;
} OciDevice;

typedef struct OciDeviceRule {
        bool allow;
        char *type; /* a c b */
        OptInt64 major, minor;
        char *access; /* rwm */
} OciDeviceRule;

typedef struct OciMemory {
        OptInt64 limit, reservation, swap, kernel, kernel_tcp; /* bytes; -1: no limit */
        OptUint64 swappiness;
        OptBool disable_oom_killer, use_hierarchy, check_before_update;
} OciMemory;

typedef struct OciCpu {
        OptUint64 shares;
        OptInt64 quota;  /* microseconds a period */
        OptUint64 burst; /* microseconds */
        OptUint64 period;
        OptInt64 realtime_runtime;
        OptUint64 realtime_period;
        char *cpus, *mems; /* lists */
        OptInt64 idle;
} OciCpu;

typedef struct OciWeightDevice {
        int64_t major, minor;
        OptUint32 weight, leaf_weight;
} OciWeightDevice;

typedef struct OciThrottleDevice {
        int64_t major, minor;
        uint64_t rate;
} OciThrottleDevice;

typedef struct OciBlockIo {
        OptUint32 weight, leaf_weight;
        OciWeightDevice *weight_device;
        size_t n_weight_device;
        OciThrottleDevice *throttle_read_bps, *throttle_write_bps, *throttle_read_iops, *throttle_write_iops;
        size_t n_throttle_read_bps, n_throttle_write_bps, n_throttle_read_iops, n_throttle_write_iops;
} OciBlockIo;

typedef struct OciHugepageLimit {
        char *page_size; /* "2MB" */
        uint64_t limit;
} OciHugepageLimit;

typedef struct OciPids {
        OptInt64 limit;
} OciPids;

typedef struct OciResources {
        OciDeviceRule *devices;
        size_t n_devices;
        OciMemory *memory;
        OciCpu *cpu;
        OciBlockIo *block_io;
        OciPids *pids;
        OciHugepageLimit *hugepage_limits;
        size_t n_hugepage_limits;
        Json *network; /* cgroup v1 only: classID, priorities */
        Json *rdma;
        StrMap unified;
} OciResources;

typedef struct OciSeccompArg {
        uint32_t index;
        uint64_t value, value_two;
        char *op; /* SCMP_CMP_EQ ... */
} OciSeccompArg;

typedef struct OciSyscall {
        char **names;
        char *action;
        OptUint32 errno_ret;
        OciSeccompArg *args;
        size_t n_args;
} OciSyscall;

typedef struct OciSeccomp {
        char *default_action;
        OptUint32 default_errno_ret;
        char **architectures;
        char **flags;
        char *listener_path, *listener_metadata;
        OciSyscall *syscalls;
        size_t n_syscalls;
} OciSeccomp;

typedef struct OciPersonality {
        char *domain; /* LINUX, LINUX32 */
        char **flags;
} OciPersonality;

typedef struct OciTimeOffset {
        int64_t secs;
        uint32_t nanosecs;
} OciTimeOffset;

typedef struct OciTimeOffsets {
        OciTimeOffset *monotonic, *boottime;
} OciTimeOffsets;

typedef struct OciLinux {
        OciNamespace *namespaces;
        size_t n_namespaces;
        OciIdMapping *uid_mappings;
        size_t n_uid_mappings;
        OciIdMapping *gid_mappings;
        size_t n_gid_mappings;
        OciTimeOffsets *time_offsets;
        OciDevice *devices;
        size_t n_devices;
        char *cgroups_path;
        char *rootfs_propagation;
        OciResources *resources;
        Json *intel_rdt;
        StrMap sysctl;
        OciSeccomp *seccomp;
        char **masked_paths;
        char **readonly_paths;
        char *mount_label;
        OciPersonality *personality;
} OciLinux;

extern const JsonField oci_linux_fields[];
extern const JsonField oci_resources_fields[];
extern const JsonField oci_id_mapping_fields[];

/* The namespace entry of that type ("pid", "user", ...), or NULL when none is asked for. LINUX may be NULL. */
const OciNamespace *oci_namespace(const OciLinux *linux_, const char *type);
/* The one that is to be joined; NULL: there is none, or a new one is wanted. Borrowed. */
const char *oci_namespace_path(const OciLinux *linux_, const char *type);

/* All devices are allowed (privileged containers): what the bundle lists is what the host happens to have. RESOURCES may
 * be NULL. */
bool oci_allows_all_devices(const OciResources *resources);

/* The table of sets of resources alone, as `update --resources` takes it. */
int oci_resources_parse(const char *text, size_t length, OciResources **ret, Error *err);
OciResources *oci_resources_free(OciResources *resources);
DEFINE_CLEANUP(OciResources *, oci_resources_free);
