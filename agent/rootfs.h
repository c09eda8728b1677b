/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The container's root, from a folder to "/". All by the child, in its new mount namespace. */

#include "common/oci/spec.h"

/* Cuts the namespace off from any other, and makes root.path a mount of its own. Returns its descriptor. */
int rootfs_open(const OciSpec *spec, Error *err);

/* Covers linux.maskedPaths and makes linux.readonlyPaths read-only. Those that do not exist are left
 * alone. */
int rootfs_hide(const OciSpec *spec, int root, Error *err);

/* Makes ROOT "/" and lets go of everything else. */
int rootfs_pivot(int root, Error *err);

/* linux.rootfsPropagation of "/" and what is below it. */
int rootfs_set_propagation(const OciSpec *spec, Error *err);
/* root.readonly: no more changes to "/" itself. */
int rootfs_seal(const OciSpec *spec, Error *err);
