/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Idmapped mounts: bind mounts that show other owners than the file system has. */

#include "common/oci/idmap.h"

/* Binds what SOURCE (O_PATH) is to TARGET under the map; MAP_RECURSIVE: what is mounted below it too. */
int mapped_bind(const Idmap *map, int source, bool recursive, bool map_recursive, const char *target,
                Error *err);
