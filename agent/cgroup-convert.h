/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* linux.resources is written in terms of cgroup v1; these are the values of v2. Pure. */

#include <stdint.h>

#include "common/oci/linux.h"

/* cpu.shares 2..262144 → cpu.weight 1..10000 */
uint64_t cgroup_shares_to_weight(uint64_t shares);

/* blkio.weight 10..1000 → io.weight 1..10000 */
uint64_t cgroup_io_weight(uint64_t weight);

/* A limit as text: "max" for negative ones; owned by the caller. */
char *cgroup_limit(int64_t value);

/*
 * memory.swap.max from memory.limit and memory.swap, which counts memory and swap together: 1 and *ret is
 * text owned by the caller, 0 when there is nothing to set, or an error for a pair that makes no sense.
 */
int cgroup_swap_limit(const OciMemory *memory, char **ret, Error *err);

/* The line for cpu.max, of quota and period (microseconds); CURRENT is what cpu.max holds, from which what
 * is not set is taken. Owned by the caller; NULL: nothing to set. */
char *cgroup_cpu_max(const OciCpu *cpu, const char *current);

/* One line of rdma.max ("mlx5_0 hca_handle=2 hca_object=max") from a member of linux.resources.rdma. */
char *cgroup_rdma_line(const char *device, const Json *limits);
