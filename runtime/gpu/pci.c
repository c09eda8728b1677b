/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gpu/pci.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/gpu/facts.h"
#include "runtime/gpu/lease.h"

/* ---- addresses ---- */

/* N hex digits of LEAST to MOST, followed by END; *text moves behind it. */
static bool take_hex(const char **text, size_t least, size_t most, char end, uint32_t max, uint32_t *ret) {
        size_t n = strspn(*text, "0123456789abcdefABCDEF");

        if (n < least || n > most || (*text)[n] != end)
                return false;
        *ret = (uint32_t)strtoul(*text, NULL, 16);
        *text += n + (end != '\0');
        return *ret <= max;
}

bool pci_address_parse(const char *text, PciAddress *ret) {
        const char *first = strchr(text, ':'), *second = first ? strchr(first + 1, ':') : NULL;
        uint32_t domain = 0, bus, slot, function;

        if (second && !take_hex(&text, 4, 8, ':', UINT32_MAX, &domain))
                return false;
        if (!take_hex(&text, 2, 2, ':', 0xff, &bus) || !take_hex(&text, 2, 2, '.', 0x1f, &slot) ||
            !take_hex(&text, 1, 1, '\0', 7, &function))
                return false;
        *ret = (PciAddress){ domain, (uint8_t)bus, (uint8_t)slot, (uint8_t)function };
        return true;
}

void pci_address_format(const PciAddress *address, char ret[PCI_ADDRESS_SIZE]) {
        snprintf(ret, PCI_ADDRESS_SIZE, "%04" PRIx32 ":%02x:%02x.%x", address->domain, address->bus,
                 address->slot & 0x1f, address->function & 7);
}

bool pci_address_same_slot(const PciAddress *a, const PciAddress *b) {
        return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot;
}

int pci_address_compare(const PciAddress *a, const PciAddress *b) {
        uint64_t x =
                (uint64_t)a->domain << 24 | (uint32_t)a->bus << 16 | (uint32_t)a->slot << 8 | a->function;
        uint64_t y =
                (uint64_t)b->domain << 24 | (uint32_t)b->bus << 16 | (uint32_t)b->slot << 8 | b->function;

        return (x > y) - (x < y);
}

/* ---- kinds ---- */

bool pci_is_nvswitch(const PciDevice *d) {
        return d->vendor == PCI_VENDOR_NVIDIA && pci_class(d) == PCI_CLASS_NVSWITCH;
}

bool pci_is_bridge(const PciDevice *d) {
        return pci_base_class(d) == PCI_BASE_BRIDGE && !pci_is_nvswitch(d);
}

bool pci_is_bmc_display(const PciDevice *d) {
        return pci_base_class(d) == PCI_BASE_DISPLAY &&
               (d->vendor == PCI_VENDOR_ASPEED || d->vendor == PCI_VENDOR_MATROX ||
                d->vendor == PCI_VENDOR_HUAWEI);
}

bool pci_is_gpu(const PciDevice *d) {
        uint32_t base = pci_base_class(d);

        return (base == PCI_BASE_DISPLAY && !pci_is_bmc_display(d)) ||
               (base == PCI_BASE_ACCELERATOR &&
                (d->vendor == PCI_VENDOR_AMD || d->vendor == PCI_VENDOR_NVIDIA));
}

bool pci_is_accelerator(const PciDevice *d) {
        return pci_is_gpu(d) || pci_base_class(d) == PCI_BASE_ACCELERATOR;
}

bool pci_is_behind_vmd(const PciDevice *d) {
        return d->at.domain > 0xffff;
}

const char *pci_class_words(uint32_t class_code) {
        static const struct {
                uint32_t class, shift;
                const char *words;
        } classes[] = {
                { 0x0300, 8, "VGA display controller" },
                { 0x0302, 8, "3D controller" },
                { 0x0108, 8, "NVMe controller" },
                { 0x0401, 8, "audio device" },
                { 0x0403, 8, "audio device" },
                { 0x0604, 8, "PCI bridge" },
                { 0x0680, 8, "switch" },
                { 0x0c03, 8, "USB controller" },
                { 0x0c80, 8, "serial bus controller" },
                { 0x01, 16, "storage controller" },
                { 0x02, 16, "network controller" },
                { 0x03, 16, "display controller" },
                { 0x04, 16, "multimedia device" },
                { 0x05, 16, "memory controller" },
                { 0x06, 16, "bridge" },
                { 0x07, 16, "communication controller" },
                { 0x08, 16, "system device" },
                { 0x0c, 16, "serial bus controller" },
                { 0x12, 16, "processing accelerator" },
        };

        for (size_t i = 0; i < ELEMENTS_OF(classes); i++)
                if (class_code >> classes[i].shift == classes[i].class)
                        return classes[i].words;
        return "device";
}

const char *pci_vendor_words(uint32_t vendor) {
        static const struct {
                uint32_t vendor;
                const char *words;
        } vendors[] = {
                { PCI_VENDOR_AMD, "AMD" },
                { PCI_VENDOR_NVIDIA, "NVIDIA" },
                { PCI_VENDOR_INTEL, "Intel" },
                { PCI_VENDOR_ASPEED, "ASPEED" },
                { PCI_VENDOR_HUAWEI, "Huawei" },
                { PCI_VENDOR_MATROX, "Matrox" },
                { 0x1af4, "virtio" },
                { 0x1b36, "QEMU" },
                { 0x1234, "QEMU" },
        };

        for (size_t i = 0; i < ELEMENTS_OF(vendors); i++)
                if (vendors[i].vendor == vendor)
                        return vendors[i].words;
        return NULL;
}

uint64_t pci_largest_bar(const PciDevice *d) {
        uint64_t largest = 0;

        for (size_t i = 0; i < d->n_bars; i++)
                if (!d->bars[i].io && d->bars[i].index < 6 && d->bars[i].size > largest)
                        largest = d->bars[i].size;
        return largest;
}

/* ---- tables ---- */

const JsonField pci_user_fields[] = {
        { JSON_FIELD(PciUser, pid, "pid", JSON_KIND_INT32) },
        { JSON_FIELD(PciUser, name, "name", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(PciUser, what, "what", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(PciUser, container, "container", JSON_KIND_STRING) },
        {},
};

static const JsonField bar_fields[] = {
        { JSON_FIELD(PciBar, index, "index", JSON_KIND_UINT32), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(PciBar, address, "address", JSON_KIND_UINT64) },
        { JSON_FIELD(PciBar, size, "size", JSON_KIND_UINT64), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(PciBar, io, "io", JSON_KIND_BOOL) },
        { JSON_FIELD(PciBar, wide, "wide", JSON_KIND_BOOL) },
        { JSON_FIELD(PciBar, prefetchable, "prefetchable", JSON_KIND_BOOL) },
        {},
};

const JsonField pci_device_fields[] = {
        { JSON_FIELD(PciDevice, address, "address", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(PciDevice, vendor, "vendor", JSON_KIND_UINT32) },
        { JSON_FIELD(PciDevice, device, "device", JSON_KIND_UINT32) },
        { JSON_FIELD(PciDevice, subsystem_vendor, "subsystemVendor", JSON_KIND_UINT32) },
        { JSON_FIELD(PciDevice, subsystem_device, "subsystemDevice", JSON_KIND_UINT32) },
        { JSON_FIELD(PciDevice, class_code, "class", JSON_KIND_UINT32) },
        { JSON_FIELD(PciDevice, driver, "driver", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, modalias, "modalias", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, group, "group", JSON_KIND_INT32), .flags = JSON_REQUIRED | JSON_WRITE_ZERO },
        { JSON_FIELD(PciDevice, vfio_device, "vfioDevice", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, numa_node, "numaNode", JSON_KIND_INT32), .flags = JSON_WRITE_ZERO },
        { JSON_ARRAY_FIELD(PciDevice, bars, "bars", bar_fields) },
        { JSON_FIELD(PciDevice, boot_vga, "bootDisplay", JSON_KIND_BOOL) },
        { JSON_FIELD(PciDevice, display_active, "displayActive", JSON_KIND_BOOL) },
        { JSON_FIELD(PciDevice, multifunction, "multifunction", JSON_KIND_BOOL) },
        { JSON_FIELD(PciDevice, dead, "dead", JSON_KIND_BOOL) },
        { JSON_FIELD(PciDevice, node_missing, "nodeMissing", JSON_KIND_BOOL) },
        { JSON_FIELD(PciDevice, node_problem, "nodeProblem", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, physical, "physicalFunction", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, virtuals, "virtualFunctions", JSON_KIND_UINT32) },
        { JSON_FIELD(PciDevice, parent, "parent", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, power_state, "powerState", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, reset_methods, "resetMethods", JSON_KIND_STRV) },
        { JSON_FIELD(PciDevice, no_reset, "noReset", JSON_KIND_BOOL) },
        { JSON_ARRAY_FIELD(PciDevice, users, "users", pci_user_fields) },
        { JSON_FIELD(PciDevice, holder, "holder", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, left_by, "leftBy", JSON_KIND_STRING) },
        { JSON_FIELD(PciDevice, quarantine, "quarantine", JSON_KIND_STRING) },
        {},
};

static const JsonField node_fields[] = {
        { JSON_FIELD(NumaNode, id, "id", JSON_KIND_UINT32), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(NumaNode, cpus, "cpus", JSON_KIND_STRING) },
        { JSON_FIELD(NumaNode, memory, "memory", JSON_KIND_UINT64) },
        { JSON_FIELD(NumaNode, huge_2m, "huge2M", JSON_KIND_UINT64) },
        { JSON_FIELD(NumaNode, huge_1g, "huge1G", JSON_KIND_UINT64) },
        {},
};

const JsonField gpu_facts_fields[] = {
        { JSON_ARRAY_FIELD(GpuFacts, devices, "devices", pci_device_fields) },
        { JSON_FIELD(GpuFacts, cpu_vendor, "cpuVendor", JSON_KIND_STRING) },
        { JSON_FIELD(GpuFacts, virtual_machine, "virtualMachine", JSON_KIND_BOOL) },
        { JSON_FIELD(GpuFacts, iommu_tables, "iommuTables", JSON_KIND_BOOL) },
        { JSON_FIELD(GpuFacts, iommu, "iommu", JSON_KIND_BOOL), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(GpuFacts, interrupt_remapping, "interruptRemapping", JSON_KIND_BOOL),
          .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(GpuFacts, unsafe_interrupts, "unsafeInterrupts", JSON_KIND_BOOL) },
        { JSON_FIELD(GpuFacts, no_iommu, "noIommuMode", JSON_KIND_BOOL) },
        { JSON_FIELD(GpuFacts, command_line, "commandLine", JSON_KIND_STRING) },
        { JSON_FIELD(GpuFacts, kernel_release, "kernelRelease", JSON_KIND_STRING) },
        { JSON_FIELD(GpuFacts, vfio_pci, "vfioPci", JSON_KIND_BOOL), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(GpuFacts, vfio_pci_module, "vfioPciModule", JSON_KIND_BOOL), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(GpuFacts, vfio_problem, "vfioProblem", JSON_KIND_STRING) },
        { JSON_FIELD(GpuFacts, memory_available, "memoryAvailable", JSON_KIND_UINT64) },
        { JSON_FIELD(GpuFacts, cgroup_memory, "cgroupMemory", JSON_KIND_UINT64) },
        { JSON_FIELD(GpuFacts, cgroup_memory_path, "cgroupMemoryPath", JSON_KIND_STRING) },
        { JSON_FIELD(GpuFacts, memlock, "memlock", JSON_KIND_UINT64) },
        { JSON_FIELD(GpuFacts, shmem_huge, "shmemHuge", JSON_KIND_STRING) },
        { JSON_ARRAY_FIELD(GpuFacts, nodes, "nodes", node_fields) },
        {},
};

const JsonField gpu_lease_fields[] = {
        { JSON_FIELD(GpuLease, address, "address", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(GpuLease, id, "id", JSON_KIND_STRING) },
        { JSON_FIELD(GpuLease, root, "root", JSON_KIND_STRING) },
        { JSON_FIELD(GpuLease, driver, "driver", JSON_KIND_STRING) },
        { JSON_FIELD(GpuLease, driver_override, "driverOverride", JSON_KIND_STRING) },
        { JSON_FIELD(GpuLease, power, "power", JSON_KIND_STRING) },
        { JSON_FIELD(GpuLease, quarantine, "quarantine", JSON_KIND_STRING) },
        { JSON_FIELD(GpuLease, since, "since", JSON_KIND_STRING) },
        {},
};

static int by_address(const void *a, const void *b) {
        return pci_address_compare(&((const PciDevice *)a)->at, &((const PciDevice *)b)->at);
}

int gpu_facts_complete(GpuFacts *facts, Error *err) {
        for (size_t i = 0; i < facts->n_devices; i++) {
                PciDevice *d = &facts->devices[i];

                if (!pci_address_parse(d->address, &d->at))
                        return error_set(err, EINVAL, "devices: \"%s\" is no PCI address", d->address);
        }
        if (facts->n_devices > 1)
                qsort(facts->devices, facts->n_devices, sizeof(*facts->devices), by_address);
        for (size_t i = 1; i < facts->n_devices; i++)
                if (by_address(&facts->devices[i - 1], &facts->devices[i]) == 0)
                        return error_set(err, EINVAL, "devices: %s is there twice",
                                         facts->devices[i].address);
        return 0;
}

const PciDevice *gpu_facts_find(const GpuFacts *facts, const PciAddress *address) {
        for (size_t i = 0; i < facts->n_devices; i++)
                if (pci_address_compare(&facts->devices[i].at, address) == 0)
                        return &facts->devices[i];
        return NULL;
}
