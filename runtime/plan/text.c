/* SPDX-License-Identifier: Apache-2.0 */

/* A plan as text, for `carrel plan`, bug reports and the golden tests. */

#include "common/base/mem.h"
#include "runtime/plan/plan.h"

static void set_string(Json *o, const char *key, const char *value) {
        if (value)
                json_set(o, key, json_new_string(value));
}

static Json *passed(const VmPlan *vm) {
        Json *o = json_new_object(), *devices = json_new_array();

        for (size_t i = 0; i < vm->n_devices; i++) {
                Json *device = json_new_object();

                set_string(device, "address", vm->devices[i].address);
                json_set(device, "port", json_new_uint64(vm->devices[i].port));
                json_set(device, "function", json_new_uint64(vm->devices[i].function));
                json_append(devices, device);
        }
        json_set(o, "devices", devices);
        json_set(o, "windowMiB", json_new_uint64(vm->window >> 20));
        json_set(o, "addressBits", json_new_uint64(vm->address_bits));
        json_set(o, "hugePages", json_new_bool(vm->huge_pages));
        if (vm->numa_node >= 0)
                json_set(o, "numaNode", json_new_int64(vm->numa_node));
        return o;
}

static Json *machine(const VmPlan *vm) {
        Json *o = json_new_object();

        set_string(o, "accelerator", accelerator_name(vm->accelerator));
        set_string(o, "firmware", firmware_kind_name(vm->firmware));
        set_string(o, "firmwareFile", vm->ovmf ? vm->ovmf->executable : vm->qboot);
        json_set(o, "vcpus", json_new_uint64(vm->vcpus));
        json_set(o, "memoryMiB", json_new_uint64(vm->memory_mib));
        json_set(o, "networkCards", json_new_uint64(vm->network_cards));
        if (vm->n_devices > 0)
                json_set(o, "passed", passed(vm));
        set_string(o, "kernel", vm->kernel);
        set_string(o, "initrd", vm->initrd);
        set_string(o, "append", vm->append);
        set_string(o, "driver", vm->driver ? vm->driver->manifest->name : NULL);
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
