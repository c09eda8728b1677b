/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `update` does to a machine that runs: pure, like the rest of the plan. */

#include "runtime/plan/plan.h"

/* The machine as it was made; it keeps this size. */
typedef struct MachineSize {
        uint32_t vcpus;
        uint64_t memory;      /* bytes of RAM */
        uint64_t host_memory; /* what it may cost the host, with all that surrounds it */
} MachineSize;

typedef enum HostMemory {
        HOST_MEMORY_KEEP,
        HOST_MEMORY_LIMIT, /* to MachineSize.host_memory */
        HOST_MEMORY_UNLIMITED,
} HostMemory;

typedef struct UpdatePlan {
        Json *guest; /* resources, for the agent */
        HostMemory host_memory;
        char **warnings;
} UpdatePlan;

/* TREE is the resources as given, RESOURCES the same through the table. */
int plan_update(const OciResources *resources, const Json *tree, const MachineSize *machine, UpdatePlan *ret,
                Error *err);
void update_plan_done(UpdatePlan *plan);
