/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Device nodes and links of the container's /dev. */

#include "common/oci/spec.h"

/* By the agent, for a container with a user namespace, where mknod(2) is forbidden: makes the nodes of
 * linux.devices in the agent's own /dev, from where the child binds them. */
int devices_prepare(const OciSpec *spec, Error *err);

/* By the child, after the mounts: the default devices and those of linux.devices, /dev/ptmx and the links
 * into /proc/self/fd. ROOT: the new root. */
int devices_make(const OciSpec *spec, int root, Error *err);

/* By the child, whose descriptor 0 is its terminal: puts it on /dev/console below ROOT. */
int devices_mount_console(int root, Error *err);
