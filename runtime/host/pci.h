/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading PCI functions from sysfs below ROOT (host-root.h). Looks, wakes no device up, changes nothing. */

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "runtime/gpu/facts.h"

#define PCI_DEVICES "/sys/bus/pci/devices"

/* All functions, in the order of their addresses; without users. A host without PCI has none. */
void pci_collect(int root, PciDevice **ret, size_t *ret_count);

/* One of them; ENODEV: there is none. To be cleared with pci_device_fields. */
int pci_read(int root, const char *address, PciDevice *ret, Error *err);

/*
 * Who uses the devices: open device nodes of every process, mounts, swap, network interfaces that are up. One walk over
 * /proc, and none when no device has nodes. Devices that are bound to vfio-pci count too: another VM may have them.
 */
void pci_find_users(int root, PciDevice *devices, size_t count);

/*
 * The same in two steps. A driver that is letting go of a device removes its nodes before it waits for who has them
 * open: whoever wants to know them then has to have looked before. The devices are borrowed, and get the users.
 */
typedef struct PciNodes PciNodes;
PciNodes *pci_nodes_collect(int root, PciDevice *devices, size_t count);
void pci_nodes_find_users(int root, const PciNodes *nodes);
PciNodes *pci_nodes_free(PciNodes *nodes);
DEFINE_CLEANUP(PciNodes *, pci_nodes_free);
