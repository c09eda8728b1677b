/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/str.h"

int fd_read(int fd, size_t max, char **ret, size_t *ret_length, Error *err) {
        cleanup_strbuf StrBuf b = { 0 };
        cleanup_free char *chunk = xmalloc(65536);

        for (;;) {
                ssize_t n = read(fd, chunk, 65536);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_errno(err, "read");
                if (n == 0)
                        break;
                if (b.length + (size_t)n > max)
                        return error_set(err, EFBIG, "larger than %zu bytes", max);
                strbuf_append(&b, chunk, (size_t)n);
        }
        if (ret_length)
                *ret_length = b.length;
        *ret = strbuf_take(&b);
        return 0;
}

int file_read(int dir, const char *path, size_t max, char **ret, size_t *ret_length, Error *err) {
        cleanup_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct stat st;

        if (fd < 0)
                return error_errno(err, "%s", path);
        if (fstat(fd, &st) < 0)
                return error_errno(err, "%s", path);
        if (S_ISDIR(st.st_mode))
                return error_set(err, EISDIR, "%s: is a directory", path);
        if (S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size > max)
                return error_set(err, EFBIG, "%s: larger than %zu bytes", path, max);
        if (fd_read(fd, max, ret, ret_length, err) < 0)
                return error_prefix(err, "%s", path);
        return 0;
}

int file_read_line(int dir, const char *path, char **ret, Error *err) {
        int r = file_read(dir, path, 65536, ret, NULL, err);

        if (r < 0)
                return r;
        (*ret)[strcspn(*ret, "\n")] = '\0';
        return 0;
}

int file_write(int dir, const char *path, const char *text, Error *err) {
        cleanup_close int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return error_errno(err, "%s", path);
        if (write(fd, text, strlen(text)) < 0)
                return error_errno(err, "%s: writing \"%s\"", path, text);
        return 0;
}

int file_write_atomic(int dir, const char *path, const void *data, size_t length, mode_t mode, Error *err) {
        cleanup_free char *temporary = xasprintf("%s.%d.tmp", path, (int)getpid());
        cleanup_close int fd = -1;
        int r;

        fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return error_errno(err, "%s", temporary);
        r = fd_write_all(fd, data, length, err);
        if (r >= 0 && renameat(dir, temporary, dir, path) < 0)
                r = error_errno(err, "rename");
        if (r < 0) {
                unlinkat(dir, temporary, 0);
                return error_prefix(err, "%s", path);
        }
        return 0;
}

int fd_write_all(int fd, const void *data, size_t length, Error *err) {
        const char *p = data;

        while (length > 0) {
                ssize_t n = write(fd, p, length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN) {
                        poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
                        continue;
                }
                if (n < 0)
                        return error_errno(err, "write");
                p += n;
                length -= (size_t)n;
        }
        return 0;
}

static int set_flag(int fd, int get, int set, int flag, bool on, Error *err) {
        int flags = fcntl(fd, get);

        if (flags < 0)
                return error_errno(err, "fcntl on descriptor %d", fd);
        if (fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0)
                return error_errno(err, "fcntl on descriptor %d", fd);
        return 0;
}

int fd_set_nonblocking(int fd, bool on, Error *err) {
        return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on, err);
}

int fd_set_cloexec(int fd, bool on, Error *err) {
        return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on, err);
}

int fd_new_memfd(const char *name, const void *data, size_t length, int *ret, Error *err) {
        cleanup_close int fd = memfd_create(name, MFD_CLOEXEC);

        if (fd < 0)
                return error_errno(err, "memfd_create");
        if (fd_write_all(fd, data, length, err) < 0)
                return error_prefix(err, "memfd %s", name);
        if (lseek(fd, 0, SEEK_SET) < 0)
                return error_errno(err, "memfd %s", name);
        *ret = TAKE_FD(fd);
        return 0;
}

int fd_send(int sock, int fd, const void *data, size_t length, Error *err) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { .iov_len = length };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;

        memcpy(&iov.iov_base, &data, sizeof(data)); /* sendmsg() does not write to it */
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        do
                n = sendmsg(sock, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return error_errno(err, "sending a descriptor");
        return 0;
}

void fd_close_from(int first) {
        if (close_range((unsigned)first, ~0U, 0) < 0)
                for (int fd = first; fd < 65536; fd++)
                        close(fd);
}
