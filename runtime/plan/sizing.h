/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How large a machine is: the arithmetic behind planner_size(), by itself for its tests. */

#include <stdbool.h>
#include <stdint.h>

#include "common/oci/linux.h"
#include "runtime/plan/plan.h"

#define MIB (1024U * 1024U)

#define GUEST_MEMORY_MIN_MIB     128U  /* below that kernel and agent leave nothing worth having */
#define GUEST_MEMORY_DEFAULT_MIB 2048U /* without a limit; untouched memory costs the host nothing */
#define GUEST_VCPUS_DEFAULT      4U    /* without a limit: at most so many */
#define GUEST_VCPUS_MAX          255U  /* more need an interrupt controller the machine has not got */

/* Memory of the guest that kernel, page structures and agent keep from a container which may use LIMIT bytes. */
uint64_t sizing_guest_overhead(uint64_t limit);
/* The largest limit for a container in a guest of that RAM. */
uint64_t sizing_guest_room(uint64_t guest_bytes);
/* Memory of the host beyond the guest's RAM: QEMU, virtiofsd, shim, page tables. */
uint64_t sizing_host_overhead(uint64_t guest_bytes, Accelerator accelerator);

/* Processors the container's limits amount to; 0: it has none. */
int sizing_cpu_limit(const OciResources *resources, uint32_t *ret, Error *err);
/* The container's memory limit in bytes; 0: it has none. */
uint64_t sizing_memory_limit(const OciResources *resources);

/* Counts the CPUs of a list as the kernel writes it ("0-3,6"). False if it is none; *ret is 0 for "". */
bool sizing_count_cpus(const char *list, uint32_t *ret);

#define CPU_LIST_MAX   8192U /* highest CPU number of any kernel */
#define CPU_MASK_BYTES (CPU_LIST_MAX / 8 + 1)
/* The same as a mask: CPU n is bit n % 8 of byte n / 8. The mask is used up when it returns false. */
bool sizing_cpu_mask(const char *list, uint8_t mask[CPU_MASK_BYTES], uint32_t *ret_count);
