/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* QEMU's arguments for devices that are passed: root ports, vfio-pci, the window for their BARs, pinned memory. Pure. */

#include "runtime/plan/plan.h"

/* Where the root ports are on the root bus: eight functions a slot, from this one up. The machine's own devices take slots
 * from 1. */
#define GPU_FIRST_SLOT 0x10U

void qemu_gpu_argv(char ***argv, const VmPlan *vm);
/* To the memory backend. */
void qemu_gpu_memory(Json *backend, const VmPlan *vm);
