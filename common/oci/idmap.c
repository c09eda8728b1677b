/* SPDX-License-Identifier: Apache-2.0 */
#include "common/oci/idmap.h"

#include <fcntl.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

char *idmap_format(const OciIdMapping *mappings, size_t n) {
        StrBuf b = { 0 };

        for (size_t i = 0; i < n; i++)
                strbuf_printf(&b, "%u %u %u\n", mappings[i].container_id, mappings[i].host_id,
                              mappings[i].size);
        return strbuf_take(&b);
}

static int write_map(pid_t child, const char *file, const OciIdMapping *mappings, size_t n, Error *err) {
        cleanup_free char *path = xasprintf("/proc/%d/%s", (int)child, file);
        cleanup_free char *text = idmap_format(mappings, n);

        return n > 0 ? file_write(AT_FDCWD, path, text, err) : 0;
}

int idmap_write(const Idmap *map, pid_t child, Error *err) {
        if (write_map(child, "uid_map", map->uids, map->n_uids, err) < 0)
                return -err->code;
        return write_map(child, "gid_map", map->gids, map->n_gids, err);
}
