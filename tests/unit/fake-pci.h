/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A host with PCI functions as a tree of files, and a process that plays its kernel: what is written to bind, unbind,
 * drivers_probe, remove and rescan (named pipes) has the consequences that it has in sysfs.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/host/vfio.h"

typedef struct FakePci FakePci;

/* What is wrong with it; set before fake_pci_start(). */
typedef struct FakeFaults {
        const char *hangs;    /* driver whose `unbind` never comes to an end */
        const char *refused;  /* address that vfio-pci does not take */
        const char *kept_out; /* address that no driver but vfio-pci takes */
        bool lost;            /* what is removed is not found again */
        const unsigned char
                *found; /* configuration space (64 bytes) of what is found again; NULL: as it was */
} FakeFaults;

FakePci *fake_pci_new(void);
void fake_pci_free(FakePci *fake); /* ends its kernel, removes the tree */

/* "0000:65:00.0"; DRIVER NULL: none. With a BAR of 256 MiB, asleep ("auto"), resettable. */
void fake_pci_add(FakePci *fake, const char *address, const char *driver, int group);
void fake_pci_start(FakePci *fake, const FakeFaults *faults);
/* Another kernel from now on. */
void fake_pci_restart(FakePci *fake, const FakeFaults *faults);

const char *fake_pci_path(const FakePci *fake);
int fake_pci_root(const FakePci *fake);

/* PATH is below the tree; the folders on the way are made. */
void fake_pci_write(const FakePci *fake, const char *path, const void *data, size_t length);
void fake_pci_put(const FakePci *fake, const char *path, const char *text);
void fake_pci_link(const FakePci *fake, const char *path, const char *target);
/* Owned by the caller; NULL: it is not there. */
char *fake_pci_get(const FakePci *fake, const char *path);

/* The 64 bytes that the configuration space of a function begins with. */
void fake_pci_config(unsigned char ret[64]);
