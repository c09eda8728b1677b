/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Devices that are passed: which (runtime/gpu/select.c), where they are in the guest, what memory that takes.
 *
 * All memory of such a guest is pinned before it starts, for a device can write anywhere in it at any time. So its size
 * is judged against what the host has, and huge pages on the devices' own node are worth having.
 */
#include "runtime/plan/planner.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/mem.h"
#include "runtime/gpu/window.h"
#include "runtime/plan/sizing.h"

#define CLIQUES_MAX 16 /* QEMU: x-nv-gpudirect-clique is a number of four bits */
#define BRIDGES_MAX 16 /* between a device and its root port */
/* A guest comes up later for each GiB that is pinned in small pages: the slowest hosts known take two seconds. */
#define PIN_MS_PER_GIB 2000U
/* OVMF itself: a second or two on KVM. Where the firmware is emulated it takes minutes. */
#define OVMF_MS          10000U
#define OVMF_EMULATED_MS 240000U
#define GIB              (UINT64_C(1) << 30)

/* ---- near which CPUs ---- */

/* The node that has all CPUs the container may use; -1: they are on several, or any will do. */
static int32_t preferred_node(const Planner *p) {
        const OciResources *resources = p->spec->linux_ ? p->spec->linux_->resources : NULL;
        const char *cpus = resources && resources->cpu ? resources->cpu->cpus : NULL;
        uint8_t wanted[CPU_MASK_BYTES], node[CPU_MASK_BYTES];
        uint32_t count;

        if (!cpus || !sizing_cpu_mask(cpus, wanted, &count) || count == 0)
                return -1;
        for (size_t i = 0; i < p->facts->gpu->n_nodes; i++) {
                const NumaNode *n = &p->facts->gpu->nodes[i];
                bool inside = n->cpus && sizing_cpu_mask(n->cpus, node, &count);

                for (size_t j = 0; j < CPU_MASK_BYTES && inside; j++)
                        inside = (wanted[j] & ~node[j]) == 0;
                if (inside)
                        return (int32_t)n->id;
        }
        return -1;
}

/* ---- who may talk to whom ---- */

/* The last bridge on the way up: the root port, which devices behind one switch share. */
static const PciDevice *root_port_of(const GpuFacts *facts, const PciDevice *device) {
        const PciDevice *port = NULL;

        for (int i = 0; i < BRIDGES_MAX && device->parent; i++) {
                PciAddress address;

                if (!pci_address_parse(device->parent, &address))
                        break;
                device = gpu_facts_find(facts, &address);
                if (!device)
                        break;
                port = device;
        }
        return port;
}

/* NVIDIA's driver allows GPUs of one clique to write into each other's memory. That works without a detour, whatever the
 * processor, where they are behind one switch of the host. */
static void set_cliques(const GpuFacts *facts, const GpuChoice *choice, VmPlan *vm) {
        const PciDevice *ports[CLIQUES_MAX];
        uint32_t members[CLIQUES_MAX] = { 0 };
        size_t n = 0;

        for (size_t i = 0; i < vm->n_devices; i++) {
                const PciDevice *d = choice->slots[vm->devices[i].port].functions[0],
                                *port = root_port_of(facts, d);
                size_t c = 0;

                if (vm->devices[i].function != d->at.function || d->vendor != PCI_VENDOR_NVIDIA ||
                    !pci_is_gpu(d) || !port)
                        continue;
                while (c < n && ports[c] != port)
                        c++;
                if (c == CLIQUES_MAX)
                        continue;
                ports[c] = port;
                n = c == n ? n + 1 : n;
                members[c]++;
                vm->devices[i].clique = (int32_t)c;
        }
        for (size_t i = 0; i < vm->n_devices; i++)
                if (vm->devices[i].clique >= 0 && members[vm->devices[i].clique] < 2)
                        vm->devices[i].clique = -1;
}

/* ---- the machine ---- */

static void place(const GpuChoice *choice, VmPlan *vm) {
        vm->ports = (uint32_t)choice->n_slots;
        for (size_t i = 0; i < choice->n_slots; i++) {
                const GpuSlot *slot = &choice->slots[i];

                for (size_t j = 0; j < slot->n_functions; j++) {
                        const PciDevice *d = slot->functions[j];
                        /* a slot without function 0 is not looked into by guests; and one function alone is that */
                        uint32_t function = j == 0 ? 0 : d->at.function;

                        vm->devices = xreallocarray(vm->devices, vm->n_devices + 1, sizeof(*vm->devices));
                        vm->devices[vm->n_devices++] = (VmDevice){
                                .address = xstrdup(d->address),
                                .port = (uint32_t)i,
                                .function = function,
                                .multifunction = j == 0 && slot->n_functions > 1,
                                .rom = d->vendor == PCI_VENDOR_AMD && pci_base_class(d) == PCI_BASE_DISPLAY,
                                .clique = -1,
                        };
                }
        }
}

static uint64_t free_huge_pages(const GpuFacts *facts, int32_t node) {
        uint64_t bytes = 0;

        for (size_t i = 0; i < facts->n_nodes; i++)
                if (node < 0 || facts->nodes[i].id == (uint32_t)node)
                        bytes += facts->nodes[i].huge_2m << 21;
        return bytes;
}

static bool node_has_memory(const GpuFacts *facts, int32_t node, uint64_t bytes) {
        for (size_t i = 0; i < facts->n_nodes; i++)
                if (facts->nodes[i].id == (uint32_t)node)
                        return facts->nodes[i].memory / 10 * 9 >= bytes;
        return false;
}

static void plan_memory(Planner *p, int32_t node) {
        const GpuFacts *facts = p->facts->gpu;
        const char *wanted = p->config->huge_pages;
        VmPlan *vm = &p->plan->vm;
        uint64_t bytes = vm->memory_mib * MIB;
        bool small_host = facts->n_nodes < 2;

        vm->pinned = true;
        vm->numa_node = !small_host && node >= 0 && node_has_memory(facts, node, bytes) ? node : -1;
        vm->huge_pages = streq(wanted, "always");
        if (streq(wanted, "auto") && free_huge_pages(facts, vm->numa_node) >= bytes) {
                vm->huge_pages = true;
        } else if (streq(wanted, "auto") && free_huge_pages(facts, -1) >= bytes) {
                vm->huge_pages = true; /* from another node: still better than small pages */
                vm->numa_node = -1;
        }
        vm->memory_mib += vm->huge_pages ? vm->memory_mib % 2 : 0;
}

static void plan_time(Planner *p) {
        uint64_t gib = (p->plan->vm.memory_mib * MIB + GIB - 1) / GIB;

        p->plan->launch.boot_timeout_ms =
                p->config->boot_timeout_ms + gib * (p->plan->vm.huge_pages ? 0 : PIN_MS_PER_GIB) +
                (p->plan->vm.accelerator == ACCELERATOR_TCG ? OVMF_EMULATED_MS : OVMF_MS);
}

static int plan_window(Planner *p, const GpuNeeds *needs, Error *err) {
        cleanup_gpu_findings GpuFindings found = { 0 };
        const GpuFinding *blocker;
        GpuWindow window;

        gpu_window(&p->plan->gpu, needs->memory, &window);
        gpu_diagnose_window(&window, needs, &found);
        blocker = gpu_findings_blocker(&found);
        if (blocker)
                return error_set(err, ENOTSUP, "gpu: %s%s%s", blocker->text, blocker->fix ? "; " : "",
                                 blocker->fix ? blocker->fix : "");
        p->plan->vm.window = window.window > WINDOW_DEFAULT ? window.window : 0;
        p->plan->vm.address_bits = window.address_bits;
        return 0;
}

int planner_gpu(Planner *p, Error *err) {
        VmPlan *vm = &p->plan->vm;
        uint64_t memory = vm->memory_mib * MIB;
        const GpuNeeds needs = {
                .memory = memory,
                .host_memory = memory + sizing_host_overhead(memory, vm->accelerator),
                .address_bits = p->facts->address_bits,
                .huge_pages = streq(p->config->huge_pages, "always"),
                .allow_boot_display = p->config->gpu_boot_display,
                .allowed = p->config->gpu_devices,
                .self = p->request->id,
        };
        GpuPreference preference = { .needs = &needs, .numa_node = -1 };
        int r;

        vm->numa_node = -1;
        p->plan->launch.boot_timeout_ms = p->config->boot_timeout_ms;
        if (!p->request->gpu || p->request->gpu->n_wishes == 0)
                return 0;
        if (!p->facts->gpu)
                return error_set(err, ENOTSUP, "gpu: nothing is known about the host's devices");
        preference.numa_node = preferred_node(p);
        r = gpu_select(p->request->gpu, p->facts->gpu, &preference, &p->plan->gpu, err);
        if (r >= 0)
                r = plan_window(p, &needs, err);
        if (r < 0)
                return r;
        vm->hide_hypervisor = p->config->hide_hypervisor;
        place(&p->plan->gpu, vm);
        set_cliques(p->facts->gpu, &p->plan->gpu, vm);
        plan_memory(p, p->plan->gpu.numa_node);
        plan_time(p);
        return 0;
}
