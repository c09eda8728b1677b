/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From wishes and the host's devices to the functions that are passed, slot by slot. The rules: what shares a slot with
 * a device (its audio, its USB) goes along under its function number; an IOMMU group goes as a whole or not at all;
 * bridges stay. Pure.
 */

#include "runtime/gpu/diagnose.h"
#include "runtime/gpu/request.h"

/* Functions of one slot of the host, in the order of their numbers: one root port of the guest. */
typedef struct GpuSlot {
        const PciDevice **functions; /* borrowed from the facts */
        size_t n_functions;
} GpuSlot;

typedef struct GpuChoice {
        GpuSlot *slots;
        size_t n_slots;
        int32_t numa_node; /* of all of them; -1: none, or several */
} GpuChoice;

void gpu_choice_done(GpuChoice *choice);
#define cleanup_gpu_choice cleanup(gpu_choice_done)

typedef struct GpuPreference {
        const GpuNeeds *needs;
        int32_t numa_node; /* GPUs near it are taken first; -1: one node for all where that can be */
} GpuPreference;

/*
 * ENODEV: no such device; EBUSY: not enough that are free; and what stands in the way of one that was named
 * (diagnose.h). The line says what to do.
 */
int gpu_select(const GpuRequest *request, const GpuFacts *facts, const GpuPreference *preference,
               GpuChoice *ret, Error *err);
