/* SPDX-License-Identifier: Apache-2.0 */

/* A plan as text, for `carrel plan`, bug reports and the golden tests. */

#include "common/base/mem.h"
#include "runtime/plan/plan.h"

static void set_string(Json *o, const char *key, const char *value) {
        if (value)
                json_set(o, key, json_new_string(value));
}

static Json *machine(const VmPlan *vm) {
        Json *o = json_new_object();

        set_string(o, "accelerator", accelerator_name(vm->accelerator));
        set_string(o, "firmware", firmware_kind_name(vm->firmware));
        set_string(o, "firmwareFile", vm->ovmf ? vm->ovmf->executable : vm->qboot);
        json_set(o, "vcpus", json_new_uint64(vm->vcpus));
        json_set(o, "memoryMiB", json_new_uint64(vm->memory_mib));
        json_set(o, "networkCards", json_new_uint64(vm->network_cards));
        set_string(o, "kernel", vm->kernel);
        set_string(o, "initrd", vm->initrd);
        set_string(o, "append", vm->append);
        set_string(o, "share", share_kind_name(vm->share));
        set_string(o, "sharePath", vm->share_path);
        return o;
}

static Json *strings(char *const *v) {
        Json *array = json_new_array();

        STRV_FOR_EACH (item, v)
                json_append(array, json_new_string(*item));
        return array;
}

char *plan_to_text(const Plan *plan) {
        cleanup_json Json *o = json_new_object();

        json_set(o, "machine", machine(&plan->vm));
        if (plan->host_memory_bytes > 0)
                json_set(o, "hostMemoryBytes", json_new_uint64(plan->host_memory_bytes));
        json_set(o, "warnings", strings(plan->warnings));
        json_set(o, "notes", strings(plan->notes));
        json_set(o, "launch", json_to_tree(launch_plan_fields, &plan->launch));
        return json_tree_to_text(o, true);
}
