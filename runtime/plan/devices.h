/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which device nodes of a bundle exist inside a virtual machine. */

#include <stdbool.h>

#include "common/oci/linux.h"

/* A device of every Linux (null, tty, fuse, ...), which the guest has too, or a named pipe. */
bool device_is_standard(const OciDevice *device);

/* A block device of the host: the machine can have it as a disk. */
bool device_is_disk(const OciDevice *device);

/* The path of a standard device that can be bound out of the guest's own /dev. */
bool device_path_is_standard(const char *path);
