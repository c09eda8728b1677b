/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What stands in the way of passing a device, in words, with what to do: `carrel gpu why`, `carrel doctor`, and the
 * refusals of `create` come from here. Codes are stable: scripts may count on them; texts are not. Pure.
 */

#include "common/base/error.h"
#include "runtime/gpu/facts.h"

typedef enum GpuSeverity {
        GPU_OK,      /* looked at, fine */
        GPU_WARN,    /* works, but slowly, or not for everything */
        GPU_BLOCKED, /* cannot be passed */
        _GPU_SEVERITY_MAX,
} GpuSeverity;

typedef struct GpuFinding {
        const char *code; /* "iommu", "group-shared": docs/gpu.md lists all */
        GpuSeverity severity;
        char *text; /* one line, without the device's address */
        char *fix;  /* one line; NULL: nothing to do */
} GpuFinding;

typedef struct GpuFindings {
        GpuFinding *items;
        size_t count;
} GpuFindings;

void gpu_findings_done(GpuFindings *findings);
#define cleanup_gpu_findings cleanup(gpu_findings_done)

/* What is meant to be done with the device; zeroes: not known, not judged by. */
typedef struct GpuNeeds {
        uint64_t memory;              /* bytes of guest RAM, all of which is pinned */
        uint64_t host_memory;         /* bytes the VM may cost the host as a whole */
        uint32_t address_bits;        /* physical, of the host's CPUs */
        bool huge_pages;              /* memory has to come from huge pages */
        bool allow_boot_display;      /* the host can do without its screen */
        char *const *allowed;         /* other devices than GPUs: addresses, models ("8086:0a54"), "*" */
        const PciDevice *const *also; /* devices that are passed with it: their being in its group is fine */
        size_t n_also;
        const char *self; /* id of the container that asks: its own lease is no obstacle; NULL: none */
} GpuNeeds;

/* Of the host as a whole: IOMMU, interrupts, vfio, memory. Everything looked at is reported, fine or not. */
void gpu_diagnose_host(const GpuFacts *facts, const GpuNeeds *needs, GpuFindings *findings);

/* Of one device, with its slot and group. */
void gpu_diagnose_device(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                         GpuFindings *findings);

/* The worst. */
GpuSeverity gpu_findings_severity(const GpuFindings *findings);
/* The first that blocks; NULL: none. */
const GpuFinding *gpu_findings_blocker(const GpuFindings *findings);

/* OTHER goes when DEVICE goes: of its slot, not itself. */
bool gpu_is_companion(const PciDevice *device, const PciDevice *other);
/* It is passed with DEVICE: a companion, or among NEEDS' others. */
bool gpu_goes_along(const GpuNeeds *needs, const PciDevice *device, const PciDevice *other);

/* "process 812 (Xorg) has /dev/dri/card0 open, mount /data"; NULL: nobody uses it. Owned by the caller. */
char *gpu_users_to_text(const PciDevice *device);

void gpu_findings_add(GpuFindings *findings, GpuSeverity severity, const char *code, const char *fix,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));

const char *gpu_severity_name(GpuSeverity severity); /* "ok", "warn", "blocked" */

/* All codes there are, for docs/gpu.md and `carrel doctor`. */
typedef struct GpuCode {
        const char *code;  /* NULL ends the table */
        const char *title; /* "Interrupts" */
        GpuSeverity worst;
        const char *meaning; /* Markdown, one line */
        const char *fix;     /* Markdown, one line; NULL: there is nothing to do */
} GpuCode;

extern const GpuCode gpu_codes[];

/* NULL: there is no such code. */
const GpuCode *gpu_code_find(const char *code);
/* Rows of a Markdown table. */
void gpu_codes_describe(StrBuf *out);

/* ---- parts of gpu_diagnose_device() ---- */

/* diagnose-memory.c: its BARs */
void gpu_diagnose_bars(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                       GpuFindings *findings);
/* diagnose-host.c: what to do about a node below /dev/vfio that cannot be opened, by errno's words (facts may come from
 * JSON). Owned by the caller. */
char *gpu_fix_of_access(const char *node, const char *problem);
/* diagnose-users.c: who has it, or what goes along with it */
void gpu_diagnose_users(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                        GpuFindings *findings);
/* It holds OTHER together: a volume management device and what is behind it. */
bool gpu_is_behind(const PciDevice *device, const PciDevice *other);
