/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading PCI functions from sysfs below ROOT (host-root.h). Looks, wakes no device up, changes nothing. */

#include "common/base/error.h"
#include "runtime/gpu/facts.h"

#define PCI_DEVICES "/sys/bus/pci/devices"

/* All functions, in the order of their addresses; without users. A host without PCI has none. */
void pci_collect(int root, PciDevice **ret, size_t *ret_count);

/*
 * Who uses the devices: open device nodes of every process, mounts, swap, network interfaces that are up. One walk over
 * /proc, and none when no device has nodes. Devices that are bound to vfio-pci count too: another VM may have them.
 */
void pci_find_users(int root, PciDevice *devices, size_t count);
