/* SPDX-License-Identifier: Apache-2.0 */

/* Reading the files of the configuration; config-values.c has what they mean. */

#include "runtime/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include <config.h> /* the build's, not the one beside this file */

#define CONFIG_FILE  "config.json"
#define CONFIG_DROPS "config.d"

#define CONFIG_MAX (1U << 20) /* bytes of one file */

/* A missing file is an error only if it is NEEDED. */
static int merge_file(Json *merged, const char *path, bool needed, Error *err) {
        cleanup_free char *text = NULL;
        size_t length;
        int r = file_read(AT_FDCWD, path, CONFIG_MAX, &text, &length, err);

        if (r == -ENOENT && !needed) {
                error_clear(err);
                return 0;
        }
        if (r < 0)
                return r; /* names the path already */
        r = runtime_config_merge(merged, text, length, err);
        return r < 0 ? error_prefix(err, "%s", path) : 0;
}

static int is_drop_in(const struct dirent *entry) {
        return *entry->d_name != '.' && str_ends_with(entry->d_name, ".json");
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int merge_folder(Json *merged, const char *folder, Error *err) {
        struct dirent **entries = NULL;
        int n = scandir(folder, &entries, is_drop_in, by_name);
        int r = 0;

        if (n < 0)
                return errno == ENOENT ? 0 : error_errno(err, "%s", folder);
        for (int i = 0; i < n; i++) {
                cleanup_free char *path = path_join(folder, entries[i]->d_name);

                if (r >= 0)
                        r = merge_file(merged, path, true, err);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int runtime_config_load_from(const char *folder, RuntimeConfig **ret, Error *err) {
        cleanup_free char *file = path_join(folder, CONFIG_FILE);
        cleanup_free char *drops = path_join(folder, CONFIG_DROPS);
        cleanup_json Json *merged = json_new_object();
        int r = merge_file(merged, file, false, err);

        if (r >= 0)
                r = merge_folder(merged, drops, err);
        if (r < 0)
                return r;
        r = runtime_config_from_tree(merged, ret, err);
        return r < 0 ? error_prefix(err, "%s", folder) : 0;
}

int runtime_config_load(const char *path, RuntimeConfig **ret, Error *err) {
        cleanup_json Json *merged = NULL;
        int r;

        if (!path)
                return runtime_config_load_from(CARREL_CONFIG_DIR, ret, err);
        merged = json_new_object();
        r = merge_file(merged, path, true, err);
        if (r < 0)
                return r;
        r = runtime_config_from_tree(merged, ret, err);
        return r < 0 ? error_prefix(err, "%s", path) : 0;
}
