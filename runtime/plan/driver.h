/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which driver bundle a guest gets, and whether it suits the guest's kernel. */

#include "common/protocol/driver.h"
#include "runtime/plan/facts.h"

/* A PCI function that is passed to the guest. */
typedef struct DriverDevice {
        uint32_t vendor, device;
        uint32_t class; /* 24 bits: base class, subclass, interface */
} DriverDevice;

/* The bundle called NAME; ENOENT with a line that says which there are. PROBLEMS (Strv): files that are none. */
int driver_find(const DriverFact *drivers, size_t n, const char *name, char *const *problems,
                const DriverFact **ret, Error *err);

/*
 * The bundle that suits one of DEVICES best: one made for exactly that device before one for its vendor's, and that
 * before one for its class. *ret is NULL if none does. Two that suit equally well are an error (ENOTUNIQ), since only
 * the user can know.
 */
int driver_choose(const DriverFact *drivers, size_t n, const DriverDevice *devices, size_t n_devices,
                  const DriverFact **ret, Error *err);

/* VERMAGIC: the guest kernel's (kernel_image_vermagic()). */
int driver_check_kernel(const DriverManifest *manifest, const char *vermagic, Error *err);
