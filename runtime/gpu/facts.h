/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is known of the host when it is about passing devices: plain data, gathered by runtime/host/gpu-facts.c. */

#include "runtime/gpu/pci.h"

typedef struct NumaNode {
        uint32_t id;
        char *cpus;                /* "0-15,32-47" */
        uint64_t memory;           /* bytes */
        uint64_t huge_2m, huge_1g; /* free huge pages */
} NumaNode;

typedef struct GpuFacts {
        PciDevice *devices; /* all functions, in the order of their addresses */
        size_t n_devices;
        char *cpu_vendor; /* "GenuineIntel", "AuthenticAMD"; NULL: unknown, or not asked since there is an IOMMU */
        bool virtual_machine; /* the host is one itself; not asked either */
        bool iommu_tables;    /* firmware describes an IOMMU (ACPI DMAR or IVRS) */
        bool iommu;           /* the kernel uses one: there are groups */
        bool interrupt_remapping;
        bool unsafe_interrupts; /* vfio_iommu_type1 was told to do without */
        bool no_iommu;          /* vfio was told to do without any */
        char *command_line;     /* of the host's kernel */
        char *kernel_release;   /* "6.1.0-18-amd64" */
        bool vfio_pci;          /* driver is loaded or built in */
        bool vfio_pci_module;   /* there is a module to load */
        char *vfio_problem; /* /dev/vfio/vfio cannot be opened: errno's words; NULL: it can, or is not there yet */
        uint64_t memory_available; /* bytes */
        uint64_t cgroup_memory;    /* bytes: least limit above us; 0: none */
        char *cgroup_memory_path;  /* which cgroup has it */
        uint64_t memlock;          /* bytes QEMU's limit can be raised to; UINT64_MAX: any */
        char *shmem_huge;          /* transparent huge pages for shared memory: "never"; NULL: unknown */
        NumaNode *nodes;
        size_t n_nodes;
} GpuFacts;

extern const JsonField gpu_facts_fields[];

/* After reading them from JSON: addresses are taken apart, devices sorted. EINVAL names what is no address, or there twice. */
int gpu_facts_complete(GpuFacts *facts, Error *err);

/* NULL: no such function. */
const PciDevice *gpu_facts_find(const GpuFacts *facts, const PciAddress *address);
