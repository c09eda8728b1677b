/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/qemu/gpu.h"

#include <inttypes.h>

#include "common/base/mem.h"
#include "runtime/gpu/window.h"

/* Threads that touch memory before the guest has it; more do not help one memory controller. */
#define PREALLOC_THREADS_MAX 16U

static void take_json(char ***argv, const char *name, Json *value) {
        cleanup_json Json *owned = value;

        strv_append(argv, name);
        strv_take(argv, json_tree_to_text(owned, false));
}

static void take_string(Json *o, const char *key, char *value) {
        cleanup_free char *owned = value;

        json_set(o, key, json_new_string(owned));
}

/* One slot of the host is one port, so that function numbers stay as they are. Nothing is ever plugged in behind it, and
 * firmware that knows that keeps no memory free for it. */
static void add_port(char ***argv, uint32_t port) {
        Json *o = json_new_object();

        json_set(o, "driver", json_new_string("pcie-root-port"));
        take_string(o, "id", xasprintf("port%" PRIu32, port));
        json_set(o, "bus", json_new_string("pcie.0"));
        take_string(o, "addr", xasprintf("%02x.%x", GPU_FIRST_SLOT + port / 8, port % 8));
        json_set(o, "multifunction", json_new_bool(port % 8 == 0));
        json_set(o, "chassis", json_new_uint64(port + 1));
        json_set(o, "slot", json_new_uint64(port + 1));
        json_set(o, "hotplug", json_new_bool(false));
        take_json(argv, "-device", o);
}

static void add_device(char ***argv, const VmDevice *d) {
        Json *o = json_new_object();

        json_set(o, "driver", json_new_string("vfio-pci"));
        json_set(o, "host", json_new_string(d->address));
        take_string(o, "id", xasprintf("gpu%" PRIu32 "f%" PRIu32, d->port, d->function));
        take_string(o, "bus", xasprintf("port%" PRIu32, d->port));
        take_string(o, "addr", xasprintf("00.%x", d->function & 7));
        if (d->multifunction)
                json_set(o, "multifunction", json_new_bool(true));
        /* An expansion ROM is for screens at boot; reading it takes time, and some devices answer with nonsense. */
        json_set(o, "rombar", json_new_uint64(d->rom));
        if (d->clique >= 0)
                json_set(o, "x-nv-gpudirect-clique", json_new_int64(d->clique));
        take_json(argv, "-device", o);
}

void qemu_gpu_argv(char ***argv, const VmPlan *vm) {
        if (vm->window > 0) {
                strv_append(argv, "-global");
                strv_printf(argv, "q35-pcihost.pci-hole64-size=%" PRIu64 "G", vm->window >> 30);
        }
        if (vm->window > 0 && vm->firmware == FIRMWARE_OVMF) {
                strv_append(argv, "-fw_cfg");
                strv_printf(argv, "name=opt/ovmf/X-PciMmio64Mb,string=%" PRIu64, vm->window >> 20);
        }
        for (uint32_t i = 0; i < vm->ports; i++)
                add_port(argv, i);
        for (size_t i = 0; i < vm->n_devices; i++)
                add_device(argv, &vm->devices[i]);
}

void qemu_gpu_memory(Json *backend, const VmPlan *vm) {
        json_set(backend, "prealloc", json_new_bool(true));
        json_set(backend, "prealloc-threads",
                 json_new_uint64(vm->vcpus < PREALLOC_THREADS_MAX ? vm->vcpus : PREALLOC_THREADS_MAX));
        if (vm->huge_pages) {
                json_set(backend, "hugetlb", json_new_bool(true));
                json_set(backend, "hugetlbsize", json_new_uint64(2U << 20));
        }
        if (vm->numa_node >= 0) {
                Json *nodes = json_new_array();

                json_append(nodes, json_new_int64(vm->numa_node));
                json_set(backend, "host-nodes", nodes);
                json_set(backend, "policy", json_new_string("bind"));
        }
}
