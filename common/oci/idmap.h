/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Id mappings as a user namespace takes them. */

#include <sys/types.h>

#include "common/oci/linux.h"

typedef struct Idmap {
        const OciIdMapping
                *uids; /* of an idmapped mount: container_id in the file system, host_id as shown */
        size_t n_uids;
        const OciIdMapping *gids;
        size_t n_gids;
} Idmap;

/* uid_map and gid_map of CHILD, which is in a user namespace that has none yet. */
int idmap_write(const Idmap *map, pid_t child, Error *err);
/* Text of such a file; owned by the caller. */
char *idmap_format(const OciIdMapping *mappings, size_t n);
