/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Block devices of the host, which are disks of this machine. */

#include "common/oci/spec.h"

/* Block devices in linux.devices have the host's numbers, and so have the rules about them: both get those of the disks.
 * A device without a disk is an error. */
int disks_resolve(OciSpec *spec, Error *err);
