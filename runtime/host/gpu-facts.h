/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Gathering GpuFacts (runtime/gpu/facts.h) below ROOT: PCI functions with their users and leases, IOMMU, vfio, limits. */

#include "common/base/cleanup.h"
#include "runtime/config.h"
#include "runtime/gpu/diagnose.h"

/* Does not fail: what cannot be read is not there. Some tens of milliseconds on a host with many processes. */
GpuFacts *gpu_facts_collect(int root);
/* What a container without limits of its own would need: as `carrel gpu` and `carrel doctor` judge devices. Strings are
 * borrowed from CONFIG. ADDRESS_BITS: of the host's processors; 0: unknown. */
void gpu_needs_from_config(const RuntimeConfig *config, uint32_t address_bits, GpuNeeds *ret);

GpuFacts *gpu_facts_free(GpuFacts *facts);
DEFINE_CLEANUP(GpuFacts *, gpu_facts_free);
