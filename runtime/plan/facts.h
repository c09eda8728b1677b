/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What planning knows of the host: plain data, gathered by runtime/host/facts.c, or read from a JSON file
 * (`carrel plan --facts FILE`, golden tests). Paths are absolute; NULL means "not there".
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/json.h"
#include "common/protocol/driver.h"
#include "runtime/gpu/facts.h"

/* One of QEMU's firmware descriptors (docs/interop/firmware.json in QEMU) that suits x86_64 q35 UEFI. */
typedef struct FirmwareFact {
        char *descriptor; /* its file */
        char *executable; /* code, read-only */
        char *nvram;      /* template of the variables; NULL: none */
        char *device;     /* "flash" or "memory" (-bios) */
        char **features;  /* "secure-boot", "requires-smm", ... */
} FirmwareFact;

/* An installed driver bundle. */
typedef struct DriverFact {
        char *path;
        DriverManifest *manifest;
} DriverFact;

typedef struct HostFacts {
        uint32_t cpus;         /* online */
        uint64_t memory;       /* bytes, MemTotal */
        uint32_t address_bits; /* physical, of the host CPU */
        uint32_t
                tsc_khz; /* of its time stamp counter, when its kernel keeps time by it; 0: do not count on it */
        bool kvm;        /* hardware virtualisation really usable (accelerator probe) */
        char *kvm_problem;      /* one line saying why not; NULL when usable */
        uint32_t kvm_gid;       /* group of /dev/kvm; 0: none needed */
        char *qemu;             /* program */
        char *qemu_version;     /* "7.2.22"; NULL unless asked for (doctor) */
        char *virtiofsd;        /* program */
        bool virtiofsd_rust;    /* takes the newer options (--shared-dir, --sandbox=...) */
        char *qboot;            /* /usr/share/qemu/qboot.rom */
        FirmwareFact *firmware; /* in the order of preference of the descriptors */
        size_t n_firmware;
        char *vmlinux; /* guest kernel for direct boot (PVH) */
        char *vmlinuz; /* the same as bzImage, for firmware that loads it */
        char *initrd;
        uint32_t qemu_uid, qemu_gid; /* of the configured user; 0: root */
        GpuFacts *gpu;               /* about devices that can be passed; NULL: not looked at */
        bool rootless;               /* containers are made in a user namespace, without the host's root */
        uint32_t own_uid,
                own_gid;     /* ids of the user that are 0, and all there is, in there; 0: another made it */
        bool tun;            /* /dev/net/tun is there */
        DriverFact *drivers; /* gathered only if one may be needed */
        size_t n_drivers;
        char **driver_problems;  /* one line each: bundles that cannot be used */
        uint32_t cgroup_version; /* 1 (also hybrid) or 2; 0: none mounted */
} HostFacts;

extern const JsonField host_facts_fields[];
