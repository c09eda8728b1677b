/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Planning: from the bundle, the configuration and the facts about the host to everything that is to be done. Pure:
 * nothing here or in runtime/qemu touches the system, so all of it is tested with golden files.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/oci/spec.h"
#include "common/protocol/launch.h"
#include "runtime/config.h"
#include "runtime/gpu/select.h"
#include "runtime/plan/facts.h"

typedef enum Accelerator {
        ACCELERATOR_KVM,
        ACCELERATOR_TCG,
        _ACCELERATOR_MAX,
} Accelerator;

typedef enum FirmwareKind {
        FIRMWARE_NONE, /* direct boot: qboot starts the PVH kernel */
        FIRMWARE_SEABIOS,
        FIRMWARE_OVMF,
        _FIRMWARE_KIND_MAX,
} FirmwareKind;

typedef enum ShareKind {
        SHARE_VIRTIOFS,
        SHARE_9P,
        _SHARE_KIND_MAX,
} ShareKind;

#define TCG_CODE_MIB 256U /* the most an emulator keeps of translated code */

/* A function of the host that is passed, and its place in the guest. */
typedef struct VmDevice {
        char *address;      /* on the host */
        uint32_t port;      /* root port, from 0 */
        uint32_t function;  /* behind it; the slot there is always 0 */
        bool multifunction; /* function 0 of a slot with more */
        bool rom;           /* the guest's driver reads the expansion ROM */
        int32_t clique;     /* of NVIDIA GPUs that may write into each other's memory; -1: none */
} VmDevice;

/* The machine, before it becomes QEMU's arguments. */
typedef struct VmPlan {
        Accelerator accelerator;
        FirmwareKind firmware;
        ShareKind share;
        const FirmwareFact *ovmf; /* borrowed from the facts; only with FIRMWARE_OVMF */
        const DriverFact *driver; /* borrowed from the facts; NULL: the guest gets no driver bundle */
        char *name;               /* of the guest: the container's id */
        char *qemu;               /* program */
        char *qboot;              /* only with FIRMWARE_NONE */
        uint32_t vcpus;
        uint32_t network_cards;
        uint64_t memory_mib;
        VmDevice *devices; /* passed, in the order of ports and functions */
        size_t n_devices;
        uint32_t ports;        /* root ports */
        uint64_t window;       /* bytes of the window for 64-bit BARs; 0: what the firmware opens by itself */
        uint32_t address_bits; /* that RAM and window need; 0: no devices */
        bool pinned;           /* all memory is, for the devices' sake: allocated at the start */
        bool huge_pages;       /* memory from huge pages of 2 MiB */
        int32_t numa_node;     /* memory comes from there; -1: anywhere */
        bool hide_hypervisor;
        const LaunchDisk *disks; /* borrowed from the launch plan */
        size_t n_disks;
        char *kernel; /* image that is loaded: vmlinux or vmlinuz */
        char *initrd;
        char *append;         /* kernel command line */
        char *share_path;     /* absolute folder in the shim's mount namespace */
        char *virtiofs_tag;   /* the share's name in the guest, also with 9p */
        char *virtiofsd;      /* program; only with SHARE_VIRTIOFS */
        bool virtiofsd_rust;  /* it takes the newer options */
        char *virtiofs_cache; /* auto, always, none (virtiofsd's words differ: see virtiofsd.c) */
} VmPlan;

/* What the command line and the caller add to the bundle. */
typedef struct PlanRequest {
        const char *id;
        const char *bundle;    /* absolute path */
        const char *state_dir; /* absolute path of the container's state folder */
        const char *pod; /* control socket of the container whose VM this one joins; NULL: a VM of its own */
        char *const *pod_namespaces; /* types of the bundle's namespaces that are the pod's */
        const char *pod_pid;         /* container of the pod whose processes are shared; NULL: the first */
        const GpuRequest *gpu;       /* devices that are asked for; NULL: none */
        bool debug;                  /* kernel log on the console */
        bool foreground;             /* carrel run without --detach: state goes with it */
        uint64_t shm_bytes;          /* size of the tmpfs that is bound onto /dev/shm; 0: none is */
        uint64_t memory_above;       /* bytes that the cgroups above the container's allow; 0: no limit */
        uint64_t begin_usec;         /* now_usec() at the start of the command; 0 in golden tests */
} PlanRequest;

typedef struct Plan {
        VmPlan vm;
        LaunchPlan launch; /* complete but for cgroups (known after they are made) */
        char **warnings;   /* one line each: settings that are not honoured, or not as they were meant */
        char **notes;      /* one line each, for debugging: done in another way, to the same effect */
        GpuChoice gpu;     /* devices that are to be taken: borrowed from the facts */
        uint64_t host_memory_bytes; /* limit for the host's cgroup: guest RAM plus overhead; 0: none */
} Plan;

/*
 * CONFIG_TREE is config.json as parsed, SPEC the same through the tables; annotations were applied to CONFIG already.
 * Refusals are ENOTSUP or EINVAL with one line: what, where, why, what to do.
 */
int plan_make(const OciSpec *spec, const Json *config_tree, const RuntimeConfig *config,
              const HostFacts *facts, const PlanRequest *request, Plan **ret, Error *err);
Plan *plan_free(Plan *plan);
DEFINE_CLEANUP(Plan *, plan_free);

/* The whole plan as JSON for `carrel plan` (pretty). */
char *plan_to_text(const Plan *plan);

const char *accelerator_name(Accelerator a);
const char *firmware_kind_name(FirmwareKind f);
const char *share_kind_name(ShareKind s);
