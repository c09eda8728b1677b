/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/cdi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/host/host-root.h"
#include "runtime/host/yaml.h"

#define FILES_MAX 256U /* of one folder */

/* In the order of their priority. */
static const char *const folders[] = { "/etc/cdi", "/var/run/cdi" };

static const JsonLimits limits = { .bytes = 1U << 20, .depth = 32, .values = 16384 };

static bool is_yaml(const char *name) {
        return str_ends_with(name, ".yaml") || str_ends_with(name, ".yml");
}

static int read_text(int root, const char *path, char **ret, size_t *ret_length, Error *err) {
        cleanup_close int fd = host_root_open_file(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(err, errno, "%s", strerror(errno));
        if (!S_ISREG(st.st_mode))
                return error_set(err, EINVAL, "not a regular file");
        return fd_read(fd, limits.bytes, ret, ret_length, err);
}

static int read_file(int root, const char *path, unsigned priority, CdiCatalog *catalog, Error *err) {
        cleanup_free char *text = NULL;
        cleanup_json Json *spec = NULL;
        size_t length;
        int r = read_text(root, path, &text, &length, err);

        if (r < 0)
                return r;
        r = is_yaml(path) ? yaml_to_json(text, length, &limits, &spec, err)
                          : json_parse(text, length, &limits, &spec, err);
        return r < 0 ? r : cdi_catalog_add(catalog, spec, path, priority, err);
}

static int by_name(const void *a, const void *b) {
        const char *const *left = a, *const *right = b;

        return strcmp(*left, *right);
}

static char **list_folder(int root, const char *folder) {
        int fd = host_root_open_file(root, folder, O_RDONLY | O_DIRECTORY);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        char **names = NULL;

        while (d && strv_length(names) < FILES_MAX && (entry = readdir(d)))
                if (*entry->d_name != '.' &&
                    (str_ends_with(entry->d_name, ".json") || is_yaml(entry->d_name)))
                        strv_append(&names, entry->d_name);
        if (d)
                closedir(d);
        else
                close_descriptor(&fd);
        if (names)
                qsort(names, strv_length(names), sizeof(*names), by_name);
        return names;
}

CdiCatalog *cdi_catalog_read(int root) {
        CdiCatalog *catalog = xnew(CdiCatalog, 1);

        for (unsigned i = 0; i < ELEMENTS_OF(folders); i++) {
                cleanup_strv char **names = list_folder(root, folders[i]);

                strv_append(&catalog->folders, folders[i]);
                STRV_FOR_EACH (name, names) {
                        cleanup_free char *path = path_join(folders[i], *name);
                        cleanup_free char *shown = str_printable(path, strlen(path), 256);
                        cleanup_error Error e = { 0 };

                        if (read_file(root, path, i, catalog, &e) < 0)
                                strv_printf(&catalog->problems, "%s: %s", shown, e.message);
                }
        }
        return catalog;
}
