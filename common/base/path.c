/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/str.h"

char *path_join(const char *a, const char *b) {
        size_t n = strlen(a);

        while (n > 0 && a[n - 1] == '/')
                n--;
        while (*b == '/')
                b++;
        return *b ? xasprintf("%.*s/%s", (int)n, a, b) : xasprintf("%.*s%s", (int)n, a, n > 0 ? "" : "/");
}

static bool is_dots(const char *part, size_t length) {
        return (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.');
}

bool path_is_normalized(const char *path) {
        if (*path != '/')
                return false;
        if (!path[1])
                return true;
        for (const char *p = path; *p;) {
                size_t n = strcspn(++p, "/");

                if (n == 0 || is_dots(p, n))
                        return false;
                p += n;
        }
        return true;
}

char *path_normalize(const char *path) {
        cleanup_strv char **parts = strv_split(path, "/");
        cleanup_strv char **kept = NULL;
        cleanup_free char *joined = NULL;

        STRV_FOR_EACH (part, parts) {
                size_t n = strv_length(kept);

                if (strcmp(*part, ".") == 0)
                        continue;
                if (strcmp(*part, "..") != 0) {
                        strv_append(&kept, *part);
                } else if (n > 0) {
                        free(kept[n - 1]);
                        kept[n - 1] = NULL;
                }
        }
        joined = strv_join(kept, "/");
        return xasprintf("/%s", joined);
}

int path_make_directories(int dir, const char *path, mode_t mode, Error *err) {
        cleanup_free char *copy = NULL;

        /* most often all but the last are there */
        if (mkdirat(dir, path, mode) >= 0 || errno == EEXIST)
                return 0;
        copy = xstrdup(path);
        for (char *p = copy + (*copy == '/');; p++) {
                char kept = *p;

                if (kept != '/' && kept != '\0')
                        continue;
                *p = '\0';
                if (*copy && mkdirat(dir, copy, mode) < 0 && errno != EEXIST)
                        return error_errno(err, "making folder %s", copy);
                *p = kept;
                if (!kept)
                        return 0;
        }
}

static int open_in_root(int root, const char *path, int flags, mode_t mode) {
        struct open_how how = {
                .flags = (unsigned)flags | O_CLOEXEC,
                .mode = flags & O_CREAT ? mode : 0,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        int fd;

        /* EAGAIN: something was renamed meanwhile, the kernel could not be sure that ".." stayed inside. */
        for (unsigned i = 0; i < 128; i++) {
                fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
                if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
                        break;
        }
        return fd;
}

int path_open_in_root(int root, const char *path, int flags, mode_t mode, Error *err) {
        int fd = open_in_root(root, *path ? path : "/", flags, mode);

        if (fd < 0)
                return error_errno(err, "%s", path);
        return fd;
}

/* Makes the one part PATH (whose parent exists) unless it is there, and opens it. */
static int make_part(int root, const char *path, bool file, mode_t mode, Error *err) {
        cleanup_free char *parent_path = xstrdup(path);
        cleanup_close int parent = -1;
        char *name;
        int fd, r;

        fd = open_in_root(root, path, O_PATH, 0);
        if (fd >= 0 || errno != ENOENT)
                return fd >= 0 ? fd : error_errno(err, "%s", path);
        name = strrchr(parent_path, '/');
        *name++ = '\0';
        parent = open_in_root(root, *parent_path ? parent_path : "/", O_PATH | O_DIRECTORY, 0);
        if (parent < 0)
                return error_errno(err, "%s", *parent_path ? parent_path : "/");
        r = file ? mknodat(parent, name, S_IFREG | mode, 0) : mkdirat(parent, name, mode);
        if (r < 0 && errno != EEXIST)
                return error_errno(err, "making %s", path);
        /* A dangling link stands in the way: nothing of ours to follow or to replace. */
        fd = open_in_root(root, path, O_PATH, 0);
        if (fd < 0)
                return error_errno(err, "%s", path);
        return fd;
}

int path_make_in_root(int root, const char *path, bool file, mode_t mode, Error *err) {
        cleanup_free char *clean = path_normalize(path);
        cleanup_close int fd = -1;
        struct stat st;

        if (strcmp(clean, "/") == 0)
                return path_open_in_root(root, "/", O_PATH | O_DIRECTORY, 0, err);
        for (char *p = clean + 1;; p++) {
                char kept = *p;

                if (kept != '/' && kept != '\0')
                        continue;
                *p = '\0';
                if (fd >= 0)
                        close(fd);
                fd = make_part(root, clean, file && !kept, kept ? 0755 : mode, err);
                if (fd < 0)
                        return fd;
                *p = kept;
                if (!kept)
                        break;
        }
        if (fstat(fd, &st) < 0)
                return error_errno(err, "%s", clean);
        if (file && S_ISDIR(st.st_mode))
                return error_set(err, EISDIR, "%s: is a directory", clean);
        if (!file && !S_ISDIR(st.st_mode))
                return error_set(err, ENOTDIR, "%s: not a directory", clean);
        return TAKE_FD(fd);
}

static int remove_at(int dir, const char *name, dev_t device, Error *err) {
        struct dirent *entry;
        struct stat st;
        DIR *d;
        int fd, r = 0;

        if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM && errno != EBUSY)
                return error_errno(err, "removing %s", name);
        fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_errno(err, "removing %s", name);
        if (fstat(fd, &st) < 0 || st.st_dev != device) {
                close(fd);
                return error_set(err, EXDEV, "removing %s: another file system is mounted there", name);
        }
        d = fdopendir(fd);
        if (!d) {
                close(fd);
                return error_errno(err, "removing %s", name);
        }
        while (r >= 0 && (entry = readdir(d)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = remove_at(dirfd(d), entry->d_name, device, err);
        closedir(d);
        if (r >= 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                r = error_errno(err, "removing %s", name);
        return r;
}

int path_remove_tree(int dir, const char *name, Error *err) {
        struct stat st;

        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_errno(err, "%s", name);
        return remove_at(dir, name, st.st_dev, err);
}
