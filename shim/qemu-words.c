/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/qemu-words.h"

#include <stddef.h>
#include <string.h>

#include "common/base/cleanup.h"

/*
 * Of QEMU 7.2 and newer: hw/vfio (realize, container, common), backends/hostmem, util/oslib-posix, hw/i386/pc. The first
 * row whose parts are all there counts, so what is special stands above what is general.
 */
static const struct {
        const char *part, *other; /* other NULL: one part is enough */
        const char *meaning;
} rows[] = {
        { "is not viable", NULL,
          "another device of its IOMMU group is bound to a driver of the host (carrel gpu why says which)" },
        { "/dev/vfio/", "Permission denied",
          "QEMU's user may not open the group's node: the shim gives it a node of its own, which something "
          "took back" },
        { "/dev/vfio/", "Operation not permitted",
          "the device cgroup around carrel does not allow /dev/vfio (docker in docker: --device /dev/vfio)" },
        { "/dev/vfio/", "Device or resource busy", "another virtual machine has the device" },
        { "/dev/vfio/", "No such file or directory", "the device is not bound to vfio-pci any more" },
        { "No available IOMMU models", NULL,
          "vfio finds no IOMMU it can use: load vfio_iommu_type1, and see carrel doctor" },
        { "failed to set iommu for container", "Operation not permitted",
          "interrupts are not remapped on this host: turn interrupt remapping on, see carrel doctor" },
        { "error getting device from group", NULL,
          "the host's kernel could not wake or reset the device: see dmesg; it may need a restart of the "
          "host" },
        { "Unable to power on device", NULL,
          "the device stays in a sleep state: see dmesg, and its slot's power" },
        { "vfio_dma_map", "Cannot allocate memory",
          "the guest's memory cannot be pinned: RLIMIT_MEMLOCK or the cgroup's memory limit is too low" },
        { "vfio_dma_map", "Bad address", "a part of the guest's memory cannot be mapped for the device" },
        { "VFIO_MAP_DMA failed", "Cannot allocate memory",
          "the guest's memory cannot be pinned: RLIMIT_MEMLOCK or the cgroup's memory limit is too low" },
        { "VFIO_MAP_DMA failed", NULL,
          "the IOMMU takes no mapping there: its address bits may be fewer than the guest's window needs" },
        { "Address space limit", NULL,
          "memory and the devices' BARs need more address bits than the processor has: less memory, or fewer "
          "devices" },
        { "preallocat", NULL, "there was not enough memory, or huge pages, when it was needed: free some" },
        { "unable to map backing store", "Cannot allocate memory",
          "there are not enough free huge pages: vm.nr_hugepages" },
        { "cannot bind memory to host NUMA nodes", NULL,
          "the devices' NUMA node has no memory for this guest" },
};

const char *qemu_words_explain(const char *words) {
        for (size_t i = 0; i < ELEMENTS_OF(rows); i++)
                if (strstr(words, rows[i].part) && (!rows[i].other || strstr(words, rows[i].other)))
                        return rows[i].meaning;
        return NULL;
}
