/* SPDX-License-Identifier: Apache-2.0 */

/* Device nodes of a driver bundle. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/driver.h"
#include "agent/path-pattern.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define DEVICES_FILE_MAX 65536U
#define DEFAULT_MODE     0666U

static void add_device(Driver *driver, const char *path, const struct stat *st, uint32_t mode) {
        driver->devices = xreallocarray(driver->devices, driver->n_devices + 1, sizeof(DriverDevice));
        driver->devices[driver->n_devices++] = (DriverDevice){
                .path = xstrdup(path),
                .block = S_ISBLK(st->st_mode),
                .major = major(st->st_rdev),
                .minor = minor(st->st_rdev),
                .mode = mode ? mode : DEFAULT_MODE,
        };
}

/* What the kernel made. None is no error: `wait` says what must be there. */
static void find_nodes(Driver *driver, const DriverNode *node) {
        cleanup_strv char **paths = path_pattern_expand(node->path);
        struct stat st;

        STRV_FOR_EACH (path, paths)
                if (lstat(*path, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) &&
                    driver->n_devices < PATH_PATTERN_MAX)
                        add_device(driver, *path, &st, node->mode);
}

/* "Character devices:" and lines "  1 mem", then "Block devices:". */
static int find_major(const char *name, unsigned *ret, Error *err) {
        cleanup_free char *text = NULL;
        char *rest;
        int r = file_read(AT_FDCWD, "/proc/devices", DEVICES_FILE_MAX, &text, NULL, err);

        if (r < 0)
                return r;
        rest = text;
        while (rest && *rest) {
                char *line = strsep(&rest, "\n"), found[65];
                unsigned number;

                if (streq(line, "Block devices:"))
                        break;
                if (sscanf(line, "%u %64s", &number, found) == 2 && streq(found, name)) {
                        *ret = number;
                        return 0;
                }
        }
        return error_set(err, ENODEV, "no driver in the guest calls its character devices \"%s\"", name);
}

/* /dev/nvidia# → /dev/nvidia3 */
static char *numbered(const char *path, size_t i) {
        const char *mark = strchr(path, '#');

        return mark ? xasprintf("%.*s%zu%s", (int)(mark - path), path, i, mark + 1) : xstrdup(path);
}

static int make_node(Driver *driver, const DriverNode *node, size_t i, unsigned major, Error *err) {
        cleanup_free char *path = numbered(node->path, i), *folder = xstrdup(path);
        dev_t device = makedev(major, node->minor + (unsigned)i);
        struct stat st;

        *strrchr(folder, '/') = '\0';
        if (path_make_directories(AT_FDCWD, folder, 0755, err) < 0)
                return -err->code;
        if (mknod(path, S_IFCHR | (node->mode ? node->mode : DEFAULT_MODE), device) < 0 && errno != EEXIST)
                return error_errno(err, "making %s", path);
        if (lstat(path, &st) < 0)
                return error_errno(err, "%s", path);
        if (!S_ISCHR(st.st_mode) || st.st_rdev != device)
                return error_set(err, EEXIST, "%s in the guest is another device", path);
        add_device(driver, path, &st, node->mode);
        return 0;
}

static int make_nodes(Driver *driver, const DriverNode *node, Error *err) {
        cleanup_strv char **matches = node->each ? path_pattern_expand(node->each) : NULL;
        size_t n = node->each ? strv_length(matches) : 1;
        unsigned major;
        int r = find_major(node->major, &major, err);

        for (size_t i = 0; r >= 0 && i < n && driver->n_devices < PATH_PATTERN_MAX; i++)
                r = make_node(driver, node, i, major, err);
        return r;
}

int driver_find_devices(Driver *driver, Error *err) {
        const DriverManifest *m = driver->manifest;

        for (size_t i = 0; i < m->n_nodes; i++) {
                if (!m->nodes[i].major)
                        find_nodes(driver, &m->nodes[i]);
                else if (make_nodes(driver, &m->nodes[i], err) < 0)
                        return error_prefix(err, "%s", m->nodes[i].path);
        }
        return 0;
}
