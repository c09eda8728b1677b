/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The driver bundle of the virtual machine (docs/drivers.md): once, when the first container is made, it is mounted and
 * its modules are loaded (driver.c, driver-nodes.c); every container that is to have the device gets nodes, files and
 * variables of it (driver-container.c).
 */

#include "agent/seccomp.h"
#include "common/oci/spec.h"
#include "common/protocol/driver.h"

/* A device node in the guest's /dev, for containers. */
typedef struct DriverDevice {
        char *path;
        bool block;
        unsigned major, minor;
        uint32_t mode; /* permissions */
} DriverDevice;

typedef struct Driver {
        DriverManifest *manifest;
        DriverDevice *devices;
        size_t n_devices;
} Driver;

/* Mounts the bundle's disk, loads modules, waits for the device, makes nodes. MANIFEST is taken over, also on failure.
 * Errors have the kernel's own last words in them. */
int driver_load(DriverManifest *manifest, Driver **ret, Error *err);
Driver *driver_free(Driver *driver);
DEFINE_CLEANUP(Driver *, driver_free);

/* driver-nodes.c: for driver_load(). Finds the container's devices in the guest's /dev; those that the driver leaves to
 * user space are made there first. */
int driver_find_devices(Driver *driver, Error *err);

/* ---- a container; DRIVER NULL: nothing is done ---- */

/* Devices and their rules, before the container is made. */
void driver_extend_spec(const Driver *driver, OciSpec *spec);
/* Rules that `update` must not take away. */
void driver_extend_resources(const Driver *driver, OciResources *resources);

/* By the child, before it leaves the guest's root: the bundle at DRIVER_ROOT below the new one. */
int driver_mount(const Driver *driver, int root, Error *err);
/* By the child in the container's root: makes its loader find the bundle's libraries, and puts variables into the
 * process's environment. The container's own ldconfig is run with no more rights than PROCESS has. *ret_warning: what its
 * user should know, else NULL; owned by the caller. */
int driver_settle(const Driver *driver, OciProcess *process, const Seccomp *seccomp, char **ret_warning,
                  Error *err);
/* By the child of an exec, in the container's root: the variables. */
void driver_set_environment(const Driver *driver, OciProcess *process);
