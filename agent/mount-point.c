/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mount-point.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define MAX_LINKS 40U /* the kernel's own limit */

/* A look-up on its way. */
typedef struct Walk {
        int root;
        char *done;       /* "/a/b": exists, is free of links */
        char *left;       /* "c/../d": still to go */
        unsigned links;   /* followed so far */
        const char *path; /* all of it, for errors */
} Walk;

/* The next part of what is left, owned by the caller; NULL: none. */
static char *next_part(Walk *w) {
        const char *start = w->left + strspn(w->left, "/");
        size_t n = strcspn(start, "/");
        char *part = n > 0 ? xstrndup(start, n) : NULL;

        if (part)
                memmove(w->left, start + n, strlen(start + n) + 1);
        return part;
}

static bool is_last(const Walk *w) {
        return w->left[strspn(w->left, "/")] == '\0';
}

/* Puts the target of the link FD in front of what is left. */
static int follow(Walk *w, int fd, Error *err) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
        char *left;

        if (n < 0)
                return error_errno(err, "%s", w->path);
        if (++w->links > MAX_LINKS)
                return error_set(err, ELOOP, "%s: %s", w->path, strerror(ELOOP));
        target[n] = '\0';
        left = xasprintf("%s/%s", target, w->left);
        free(w->left);
        w->left = left;
        if (*target == '/')
                *w->done = '\0';
        return 0;
}

/* Makes the file or folder NAME in what is done. */
static int make(const Walk *w, const char *name, bool file, Error *err) {
        cleanup_close int folder = path_open_in_root(w->root, w->done, O_PATH | O_DIRECTORY, 0, err);
        int r;

        if (folder < 0)
                return folder;
        r = file ? mknodat(folder, name, S_IFREG | 0644, 0) : mkdirat(folder, name, 0755);
        if (r < 0 && errno != EEXIST)
                return error_errno(err, "making %s/%s", w->done, name);
        return 0;
}

/* One part further. */
static int step(Walk *w, const char *part, bool file, Error *err) {
        cleanup_free char *next = xasprintf("%s/%s", w->done, part);
        cleanup_close int found = -1;
        struct stat st;

        found = path_open_in_root(w->root, next, O_PATH | O_NOFOLLOW, 0, err);
        if (found == -ENOENT) {
                error_clear(err);
                if (make(w, part, file && is_last(w), err) < 0)
                        return -err->code;
                found = path_open_in_root(w->root, next, O_PATH | O_NOFOLLOW, 0, err);
        }
        if (found < 0)
                return found;
        if (fstat(found, &st) < 0)
                return error_errno(err, "%s", next);
        if (S_ISLNK(st.st_mode))
                return follow(w, found, err);
        free(w->done);
        w->done = TAKE_PTR(next);
        return 0;
}

/* The folder above; that of the root is the root. */
static void step_up(Walk *w) {
        char *slash = strrchr(w->done, '/');

        if (slash)
                *slash = '\0';
}

static int walk(Walk *w, bool file, Error *err) {
        cleanup_close int fd = -1;
        struct stat st;
        char *part;
        int r = 0;

        while (r >= 0 && (part = next_part(w))) {
                if (streq(part, ".."))
                        step_up(w);
                else if (!streq(part, "."))
                        r = step(w, part, file, err);
                free(part);
        }
        if (r < 0)
                return r;
        fd = path_open_in_root(w->root, *w->done ? w->done : "/", O_PATH | O_NOFOLLOW, 0, err);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return error_errno(err, "%s", w->path);
        if (!!S_ISDIR(st.st_mode) == file)
                return error_set(err, ENOTDIR, "%s: %s", w->path,
                                 file ? "is a directory" : "not a directory");
        return TAKE_FD(fd);
}

int mount_point_open(int root, const char *path, bool file, Error *err) {
        Walk w = { .root = root, .done = xstrdup(""), .left = xstrdup(path), .path = path };
        int fd = walk(&w, file, err);

        free(w.done);
        free(w.left);
        return fd;
}
