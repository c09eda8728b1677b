/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"

/*
 * Finds or makes the place for a mount, as a process whose root is ROOT would see PATH: what is missing on
 * the way is made, and so is what a link points to and does not exist, always inside ROOT. (Images have such
 * links: /var/run, /etc/resolv.conf.) The last part is made as an empty file if FILE is true, else as a
 * folder; one that exists is left as it is, ENOTDIR if it is of the other kind. Returns a descriptor
 * (O_PATH).
 */
int mount_point_open(int root, const char *path, bool file, Error *err);
