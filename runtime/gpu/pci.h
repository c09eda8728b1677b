/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * PCI functions of the host as plain data: what a GPU is chosen, judged and placed by. Gathered by runtime/host/pci.c
 * from sysfs, or read from JSON (`carrel plan --facts`, golden tests). Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"

/* "dddd:bb:ss.f"; domains of more than 16 bits exist (VMD), so that there can be eight digits in front. */
typedef struct PciAddress {
        uint32_t domain;
        uint8_t bus, slot, function;
} PciAddress;

#define PCI_ADDRESS_SIZE 17 /* bytes of the longest as text, with its NUL */

/* Takes "0000:65:00.0" and, for domain 0, "65:00.0"; nothing before or after. */
bool pci_address_parse(const char *text, PciAddress *ret);
void pci_address_format(const PciAddress *address, char ret[PCI_ADDRESS_SIZE]);
/* Functions of one slot. */
bool pci_address_same_slot(const PciAddress *a, const PciAddress *b);
int pci_address_compare(const PciAddress *a, const PciAddress *b);

/* Class codes: base class, or base class and subclass (PCI Code and ID Assignment Specification). */
#define PCI_BASE_DISPLAY     0x03U
#define PCI_BASE_BRIDGE      0x06U
#define PCI_BASE_ACCELERATOR 0x12U
#define PCI_CLASS_VGA        0x0300U
#define PCI_CLASS_3D         0x0302U
#define PCI_CLASS_AUDIO      0x0403U
#define PCI_CLASS_NVME       0x0108U
#define PCI_CLASS_NVSWITCH   0x0680U /* "other bridge", NVIDIA's */

#define PCI_VENDOR_AMD    0x1002U
#define PCI_VENDOR_MATROX 0x102bU
#define PCI_VENDOR_NVIDIA 0x10deU
#define PCI_VENDOR_HUAWEI 0x19e5U
#define PCI_VENDOR_ASPEED 0x1a03U
#define PCI_VENDOR_INTEL  0x8086U

typedef struct PciBar {
        uint32_t index;   /* 0 to 5; 6: expansion ROM */
        uint64_t address; /* 0: the firmware found no room */
        uint64_t size;    /* bytes; 0: only its register shows it, the kernel gave it up */
        bool io;
        bool wide;         /* 64 bits */
        bool prefetchable; /* can be above 4 GiB behind a bridge */
} PciBar;

/* A process that has one of the device's nodes open, or a mount, or an interface that is up. */
typedef struct PciUser {
        int32_t pid;     /* 0: no process (a mount, an interface) */
        char *name;      /* of the program, or "mount", "interface", "swap" */
        char *what;      /* path it has open, mount point, name of the interface */
        char *container; /* id from its cgroup; NULL: none that can be told */
} PciUser;

typedef struct PciDevice {
        char *address; /* canonical */
        PciAddress at; /* the same, taken apart */
        uint32_t vendor, device, subsystem_vendor, subsystem_device;
        uint32_t class_code; /* 24 bits */
        char *driver;        /* bound; NULL: none */
        char *modalias;      /* what modules are found by */
        int32_t group;       /* IOMMU group; -1: none */
        char *vfio_device;   /* "vfio3": its node is /dev/vfio/devices/vfio3; NULL: none */
        int32_t numa_node;   /* -1: none */
        PciBar *bars;
        size_t n_bars;
        bool boot_vga;        /* the firmware's display */
        bool display_active;  /* a connector of it shows a picture */
        bool multifunction;   /* its header says that the slot has more functions */
        bool dead;            /* configuration space reads as all ones */
        bool node_missing;    /* bound to vfio-pci, and there is no /dev/vfio/GROUP */
        char *node_problem;   /* ... or why we may not open that: errno's words; NULL: we may */
        char *physical;       /* address of the function that this is a virtual one of; NULL: it is none */
        uint32_t virtuals;    /* virtual functions that are on */
        char *parent;         /* address of the bridge above; NULL: root bus */
        char *power_state;    /* "D0", "D3cold"; NULL: unknown */
        char **reset_methods; /* of the kernel; NULL: none, or not known which (before Linux 5.15) */
        bool no_reset;        /* the kernel knows none */
        PciUser *users;
        size_t n_users;
        char *holder;     /* id of the container of ours that has it; NULL: none */
        char *left_by;    /* id of one that had it and has gone, without having given it back; NULL: none */
        char *quarantine; /* why it may not be passed until released; NULL: it may */
} PciDevice;

extern const JsonField pci_device_fields[];
extern const JsonField pci_user_fields[];

static inline uint32_t pci_base_class(const PciDevice *d) {
        return d->class_code >> 16;
}

static inline uint32_t pci_class(const PciDevice *d) {
        return d->class_code >> 8;
}

/* Of the PCI fabric itself (bridges, ports): part of groups, never passed. NVSwitches say they are bridges and are not. */
bool pci_is_bridge(const PciDevice *d);
/* A GPU as `all` and a count mean it: a display controller, or what its vendor's GPUs call themselves without a display
 * (AMD Instinct: "processing accelerator"). */
bool pci_is_gpu(const PciDevice *d);
/* GPUs, and all else that computes: neural units, FPGAs. Anybody may ask for one. */
bool pci_is_accelerator(const PciDevice *d);
bool pci_is_nvswitch(const PciDevice *d);
/* In a domain that Intel's volume management device (VMD) makes up: its functions are no more than parts of that. */
bool pci_is_behind_vmd(const PciDevice *d);
/* The display of a board's management controller, which is no GPU to anybody. */
bool pci_is_bmc_display(const PciDevice *d);

/* "display controller", "audio device"; never NULL. */
const char *pci_class_words(uint32_t class_code);
/* "NVIDIA", "AMD"; NULL: of a vendor that is not known here. */
const char *pci_vendor_words(uint32_t vendor);

/* Bytes of its largest memory BAR. */
uint64_t pci_largest_bar(const PciDevice *d);
