/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/copy-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

#define COPY_MAX_DEPTH 128U

static int copy_folder(int from, int to, dev_t device, unsigned depth, Error *err);

/* As far as the file system takes them: a tmpfs has no place for some. */
static void copy_attributes(int from, int to) {
        ssize_t size = flistxattr(from, NULL, 0);
        cleanup_free char *names = size > 0 ? xmalloc((size_t)size) : NULL;

        size = names ? flistxattr(from, names, (size_t)size) : 0;
        for (const char *name = names; name && name < names + size; name += strlen(name) + 1) {
                ssize_t length = fgetxattr(from, name, NULL, 0);
                cleanup_free char *value = length >= 0 ? xmalloc((size_t)length + 1) : NULL;

                if (value)
                        length = fgetxattr(from, name, value, (size_t)length);
                if (value && length >= 0)
                        fsetxattr(to, name, value, (size_t)length, 0);
        }
}

static int copy_owner_and_times(int to, const char *name, const struct stat *st, Error *err) {
        const struct timespec times[2] = { st->st_atim, st->st_mtim };

        if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                return error_errno(err, "owner of %s", name);
        /* After chown, which drops set-user-ID. */
        if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777U, 0) < 0)
                return error_errno(err, "mode of %s", name);
        utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
        return 0;
}

static int copy_file(int from, int to, const char *name, Error *err) {
        cleanup_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), out = -1;
        ssize_t n;

        if (in < 0)
                return error_errno(err, "%s", name);
        out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (out < 0)
                return error_errno(err, "%s", name);
        do
                n = sendfile(out, in, NULL, 1U << 20);
        while (n > 0 || (n < 0 && errno == EINTR));
        if (n < 0)
                return error_errno(err, "copying %s", name);
        copy_attributes(in, out);
        return 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st, Error *err) {
        size_t room = (size_t)st->st_size + 1;
        cleanup_free char *target = NULL;
        ssize_t n;

        if (room < 256)
                room = 256;
        target = xmalloc(room);
        n = readlinkat(from, name, target, room);
        if (n < 0 || (size_t)n == room)
                return error_errno(err, "reading link %s", name);
        target[n] = '\0';
        if (symlinkat(target, to, name) < 0)
                return error_errno(err, "making link %s", name);
        return 0;
}

static int copy_subfolder(int from, int to, const char *name, dev_t device, unsigned depth, Error *err) {
        cleanup_close int in = -1, out = -1;

        if (mkdirat(to, name, 0700) < 0)
                return error_errno(err, "making folder %s", name);
        in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (in < 0)
                return error_errno(err, "%s", name);
        out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (out < 0)
                return error_errno(err, "%s", name);
        if (copy_folder(in, out, device, depth + 1, err) < 0)
                return error_prefix(err, "%s", name);
        copy_attributes(in, out);
        return 0;
}

static int copy_entry(int from, int to, const char *name, dev_t device, unsigned depth, Error *err) {
        struct stat st;
        int r;

        if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return error_errno(err, "%s", name);
        if (st.st_dev != device)
                return 0;
        if (S_ISDIR(st.st_mode))
                r = copy_subfolder(from, to, name, device, depth, err);
        else if (S_ISREG(st.st_mode))
                r = copy_file(from, to, name, err);
        else if (S_ISLNK(st.st_mode))
                r = copy_link(from, to, name, &st, err);
        else if (S_ISSOCK(st.st_mode))
                return 0;
        else
                r = mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? error_errno(err, "making %s", name) : 0;
        return r < 0 ? r : copy_owner_and_times(to, name, &st, err);
}

static int copy_folder(int from, int to, dev_t device, unsigned depth, Error *err) {
        int own = depth < COPY_MAX_DEPTH ? openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        struct dirent *entry;
        DIR *folder;
        int r = 0;

        if (depth >= COPY_MAX_DEPTH)
                return error_set(err, ELOOP, "more than %u folders deep", COPY_MAX_DEPTH);
        folder = own >= 0 ? fdopendir(own) : NULL;
        if (!folder)
                return error_errno(err, "reading a folder");
        while (r >= 0 && (entry = readdir(folder)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = copy_entry(from, to, entry->d_name, device, depth, err);
        closedir(folder);
        return r;
}

int copy_tree(int from, int to, Error *err) {
        struct stat st;

        if (fstat(from, &st) < 0)
                return error_errno(err, "reading a folder");
        return copy_folder(from, to, st.st_dev, 0, err);
}
