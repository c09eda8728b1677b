/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `carrel gpu list` and `carrel gpu why` print. Texts end with a newline and are owned by the caller. */

#include "runtime/gpu/diagnose.h"

/* GPUs and other accelerators, and what else is bound to vfio-pci or was passed; not the other functions of such a card. */
char *gpu_list_to_text(const GpuFacts *facts, const GpuNeeds *needs);
char *gpu_list_to_json(const GpuFacts *facts, const GpuNeeds *needs);

/* All that was looked at: of the host, then of the device. */
char *gpu_why_to_text(const PciDevice *device, const GpuFindings *findings);
char *gpu_why_to_json(const PciDevice *device, const GpuFindings *findings);
