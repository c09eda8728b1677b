/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/host-root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

/* More descriptors than this in one folder are not looked at. */
#define MAX_DESCRIPTORS 256

int host_root_open(const char *path, Error *err) {
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? error_errno(err, "%s", path) : fd;
}

int host_root_open_file(int root, const char *path, int flags) {
        cleanup_error Error e = { 0 };
        int fd = path_open_in_root(root, path, flags, 0, &e);

        if (fd >= 0)
                return fd;
        errno = -fd;
        return -1;
}

static bool stat_file(int root, const char *path, struct stat *ret) {
        cleanup_close int fd = host_root_open_file(root, path, O_PATH);

        return fd >= 0 && fstat(fd, ret) == 0 && S_ISREG(ret->st_mode);
}

bool host_root_has_file(int root, const char *path) {
        struct stat st;

        return stat_file(root, path, &st);
}

bool host_root_has_program(int root, const char *path) {
        struct stat st;

        return stat_file(root, path, &st) && (st.st_mode & 0111) != 0;
}

int host_root_check_access(int root, const char *path, int mode) {
        cleanup_close int fd = host_root_open_file(root, path, O_PATH);
        char link[64];

        if (fd < 0)
                return -errno;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        return faccessat(AT_FDCWD, link, mode, AT_EACCESS) < 0 ? -errno : 0;
}

char *host_root_read(int root, const char *path, size_t max, size_t *ret_length) {
        cleanup_close int fd = host_root_open_file(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        cleanup_error Error e = { 0 };
        char *text = NULL;

        if (fd < 0 || fd_read(fd, max, &text, ret_length, &e) < 0)
                return NULL;
        return text;
}

char *host_root_find_program(int root, const char *const *names, const char *search) {
        cleanup_strv char **dirs = strv_split(search, ":");

        for (; *names; names++) {
                if (strchr(*names, '/')) {
                        if (host_root_has_program(root, *names))
                                return xstrdup(*names);
                        continue;
                }
                STRV_FOR_EACH (dir, dirs) {
                        cleanup_free char *path = path_join(*dir, *names);

                        if (**dir == '/' && host_root_has_program(root, path))
                                return TAKE_PTR(path);
                }
        }
        return NULL;
}

static bool contains_name(char *const *paths, const char *name) {
        STRV_FOR_EACH (path, paths) {
                const char *slash = strrchr(*path, '/');

                if (streq(slash + 1, name))
                        return true;
        }
        return false;
}

static void add_folder(int root, const char *dir, char ***paths) {
        int fd = host_root_open_file(root, dir, O_RDONLY | O_DIRECTORY);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;

        if (!d) {
                close_descriptor(&fd);
                return;
        }
        while ((entry = readdir(d)) && strv_length(*paths) < MAX_DESCRIPTORS)
                if (entry->d_name[0] != '.' && str_ends_with(entry->d_name, ".json") &&
                    !contains_name(*paths, entry->d_name))
                        strv_take(paths, path_join(dir, entry->d_name));
        closedir(d);
}

static int compare_names(const void *a, const void *b) {
        const char *const *left = a, *const *right = b;

        return strcmp(strrchr(*left, '/'), strrchr(*right, '/'));
}

char **host_root_list_descriptors(int root, const char *const *dirs) {
        cleanup_strv char **paths = NULL;
        char **kept = NULL;
        struct stat st;

        for (; *dirs; dirs++)
                add_folder(root, *dirs, &paths);
        if (paths)
                qsort(paths, strv_length(paths), sizeof(*paths), compare_names);
        STRV_FOR_EACH (path, paths)
                if (stat_file(root, *path, &st) && st.st_size > 0)
                        strv_append(&kept, *path);
        return kept;
}
