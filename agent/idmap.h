/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Idmapped mounts: bind mounts that show other owners than the file system has. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/oci/linux.h"

typedef struct Idmap {
        const OciIdMapping *uids; /* container_id: in the file system; host_id: as shown */
        size_t n_uids;
        const OciIdMapping *gids;
        size_t n_gids;
} Idmap;

/* uid_map and gid_map of CHILD, which is in a user namespace that has none yet. */
int idmap_write(const Idmap *map, pid_t child, Error *err);
/* Text of such a file; owned by the caller. */
char *idmap_format(const OciIdMapping *mappings, size_t n);

/* Binds SOURCE to the folder or file TARGET (made for it) under the map; MAP_RECURSIVE: what is mounted
 * below it too. */
int idmap_mount(const Idmap *map, const char *source, bool recursive, bool map_recursive, const char *target,
                Error *err);
