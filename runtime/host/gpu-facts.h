/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Gathering GpuFacts (runtime/gpu/facts.h) below ROOT: PCI functions with their users and leases, IOMMU, vfio, limits. */

#include "common/base/cleanup.h"
#include "runtime/gpu/facts.h"

/* Does not fail: what cannot be read is not there. Some tens of milliseconds on a host with many processes. */
GpuFacts *gpu_facts_collect(int root);
GpuFacts *gpu_facts_free(GpuFacts *facts);
DEFINE_CLEANUP(GpuFacts *, gpu_facts_free);
