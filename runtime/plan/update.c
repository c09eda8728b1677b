/* SPDX-License-Identifier: Apache-2.0 */

/*
 * New limits for a container whose machine keeps the size it was made with: what is within that size acts in the
 * guest at once, what is beyond it is warned about and cut.
 */
#include "runtime/plan/update.h"

#include <inttypes.h>

#include "common/base/mem.h"
#include "runtime/plan/planner.h"
#include "runtime/plan/sizing.h"

static void set_int64(Json *resources, const char *key, int64_t value) {
        Json *memory = json_copy(json_get(resources, "memory"));

        json_set(memory, key, json_new_int64(value));
        json_set(resources, "memory", memory);
}

/* Memory and swap together stay as far above memory alone as they were. */
static void cut_memory(const OciResources *resources, uint64_t wanted, uint64_t room, Json *guest) {
        const OciMemory *memory = resources->memory;

        if (memory && memory->limit.set && memory->limit.value > 0) {
                set_int64(guest, "limit", (int64_t)room);
                if (memory->swap.set && memory->swap.value > 0)
                        set_int64(guest, "swap", memory->swap.value - (int64_t)(wanted - room));
        } else {
                cleanup_free char *text = xasprintf("%" PRIu64, room);
                Json *unified = json_copy(json_get(guest, "unified"));

                json_set(unified, "memory.max", json_new_string(text));
                json_set(guest, "unified", unified);
        }
}

static bool is_unlimited(const OciResources *resources) {
        return (resources->memory && resources->memory->limit.value < 0) ||
               streq(str_map_get(&resources->unified, "memory.max"), "max");
}

static void plan_memory(Planner *p, const OciResources *resources, const MachineSize *machine, Json *guest,
                        HostMemory *ret) {
        uint64_t wanted = sizing_memory_limit(resources), room = sizing_guest_room(machine->memory);

        if (wanted == 0 && is_unlimited(resources))
                *ret = HOST_MEMORY_UNLIMITED;
        if (wanted == 0)
                return;
        *ret = HOST_MEMORY_LIMIT;
        /* as create counts it, so that what the container has is never too much */
        if (machine->memory == 0 || wanted + sizing_guest_overhead(wanted) <= machine->memory)
                return;
        planner_warn(p,
                     "linux.resources.memory.limit: %" PRIu64 " MiB are more than the virtual machine has; "
                     "the container may use %" PRIu64 " MiB",
                     wanted / MIB, room / MIB);
        cut_memory(resources, wanted, room, guest);
}

static int plan_cpu(Planner *p, const OciResources *resources, const MachineSize *machine, Error *err) {
        uint32_t limit;
        int r = sizing_cpu_limit(resources, &limit, err);

        if (r >= 0 && machine->vcpus > 0 && limit > machine->vcpus)
                planner_warn(p,
                             "linux.resources.cpu: %" PRIu32 " CPUs are more than the virtual machine has; "
                             "the container may use %" PRIu32,
                             limit, machine->vcpus);
        return r;
}

int plan_update(const OciResources *resources, const Json *tree, const MachineSize *machine, UpdatePlan *ret,
                Error *err) {
        OciLinux linux_ = { .resources = (OciResources *)(uintptr_t)resources };
        OciSpec spec = { .linux_ = &linux_ };
        Plan plan = { 0 };
        Planner p = { .spec = &spec, .plan = &plan };
        UpdatePlan made = { 0 };
        int r;

        r = planner_check_resources(&p, err);
        if (r >= 0)
                r = plan_cpu(&p, resources, machine, err);
        if (r >= 0) {
                made.guest = planner_guest_resources(tree);
                /* who may open which device is settled when the container is made, as with runc */
                json_set(made.guest, "devices", NULL);
                plan_memory(&p, resources, machine, made.guest, &made.host_memory);
        }
        strv_free(plan.notes);
        if (r < 0) {
                strv_free(plan.warnings);
                return r;
        }
        made.warnings = plan.warnings;
        *ret = made;
        return 0;
}

void update_plan_done(UpdatePlan *plan) {
        json_free(plan->guest);
        strv_free(plan->warnings);
}
