/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the device's memory goes in the guest: arithmetic over BARs, before anything is started. Firmware that finds its
 * window for 64-bit BARs too small leaves them unassigned ("BAR 1: no space"), and a window beyond the processor's
 * address bits is never seen; both are found here. Pure.
 */

#include "runtime/gpu/select.h"

/* What OVMF opens by itself (PcdPciMmio64Size of OvmfPkg). */
#define WINDOW_DEFAULT (UINT64_C(32) << 30)
/* The most OVMF takes for opt/ovmf/X-PciMmio64Mb: 16 TiB (PlatformGetSystemMemorySize and users in OvmfPkg). */
#define WINDOW_MAX (UINT64_C(16) << 40)
/* What q35 has below 4 GiB for BARs that cannot go above: 2 GiB less ECAM, interrupt controllers and firmware, with
 * room for the machine's own devices. */
#define WINDOW_LOW_MAX (UINT64_C(1) << 30)

typedef struct GpuWindow {
        uint64_t high;         /* bytes that prefetchable 64-bit BARs take behind their root ports, aligned */
        uint64_t low;          /* bytes of the others */
        uint64_t window;       /* bytes of the 64-bit window: a power of two with room for HIGH */
        uint32_t address_bits; /* physical address bits that RAM and window need */
} GpuWindow;

/* MEMORY: bytes of the guest's RAM. */
void gpu_window(const GpuChoice *choice, uint64_t memory, GpuWindow *ret);

/* Whether such a window can be had: one finding. */
void gpu_diagnose_window(const GpuWindow *window, const GpuNeeds *needs, GpuFindings *findings);
