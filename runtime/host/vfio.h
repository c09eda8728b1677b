/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The steps by which one PCI function goes from its driver to vfio-pci and back, each on its own, so that whoever takes
 * them (gpu-lease.h) can write down where he is. Every write that waits for a driver is watched (watched.h): ETIMEDOUT
 * says that a driver has not come to an end, and that asking more of the function would wait, too.
 *
 * What QEMU needs then is /dev/vfio/vfio and /dev/vfio/GROUP, openable by its unprivileged user. Nothing is to be done
 * to the host's nodes for that, neither owner nor mode: the caller names both in LaunchPlan.qemu_devices, and the shim
 * makes nodes of the same numbers in QEMU's own /dev, which nobody else sees. carrel puts no device rules on the host's cgroup
 * of a container; those of an engine's parent cgroup hold, and must let root make (m) and QEMU use (rw) these
 * nodes. All of the guest's memory is pinned: LaunchPlan.memlock.
 *
 * Interfaces: Documentation/ABI/testing/sysfs-bus-pci, Documentation/driver-api/vfio.rst of the kernel.
 */

#include <stdbool.h>

#include "common/base/error.h"
#include "runtime/gpu/pci.h"

#define VFIO_DRIVER "vfio-pci"
#define VFIO_TIMEOUT_MS                                                                                      \
        30000 /* for what a driver takes when it lets go of a device with much memory, or finds it again */

typedef struct VfioHost {
        int root;       /* host-root.h */
        int timeout_ms; /* how long one step may wait for a driver */
} VfioHost;

/* Loads vfio-pci and what it stands on, unless they are there. The error says what is missing, or who forbids it. */
int vfio_load(const VfioHost *host, Error *err);

/* Bound driver ("" when there is none). ENODEV: the host has no such function. Owned by the caller. */
int vfio_driver(const VfioHost *host, const char *address, char **ret, Error *err);

/* driver_override; *ret NULL: none. */
int vfio_override(const VfioHost *host, const char *address, char **ret, Error *err);
/* DRIVER NULL: none. */
int vfio_set_override(const VfioHost *host, const char *address, const char *driver, Error *err);

/* power/control: "auto", "on"; NULL: the kernel does not manage its power. Owned by the caller. */
char *vfio_power(const VfioHost *host, const char *address);
int vfio_set_power(const VfioHost *host, const char *address, const char *control, Error *err);
/* power/control "on", and waits until it is not in D3cold any more. */
int vfio_wake(const VfioHost *host, const char *address, Error *err);

/* Has DRIVER let go of it. ETIMEDOUT: it does not. A function that DRIVER has not, it has let go of. */
int vfio_unbind(const VfioHost *host, const char *address, const char *driver, Error *err);

/* Has the kernel look for a driver, which driver_override says is vfio-pci, and checks that it took it. */
int vfio_probe(const VfioHost *host, const char *address, Error *err);

/* Has DRIVER take it, loading DRIVER's module by what the function is if it has gone. ENODEV: it does not. */
int vfio_bind(const VfioHost *host, const char *address, const char *driver, Error *err);

/* Waits for /dev/vfio/GROUP. EPERM, EACCES: it is there, but not for us. */
int vfio_wait_group(const VfioHost *host, int group, Error *err);

/* Who has /dev/vfio/GROUP open, in words; NULL: nobody. Owned by the caller. */
char *vfio_users(const VfioHost *host, const char *address);

/* The kernel's reset of the function, by the method that it chose. *RET_METHODS says which it may choose from (NULL: no
 * method for this function alone; vfio-pci resets slot or bus itself when the last of it is closed). */
int vfio_reset(const VfioHost *host, const char *address, char **ret_methods, Error *err);

/* Whether the function answers as it did when the kernel found it: identity, header, command register, BARs. EIO says
 * what is wrong. */
int vfio_check_sane(const VfioHost *host, const char *address, Error *err);

/* Takes the function off the bus and has the kernel find it again: what there is for one that a reset does not bring to
 * its senses. ENODEV: it was not found again. */
int vfio_rescan(const VfioHost *host, const char *address, Error *err);
