/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whole-file reads and writes, descriptors over sockets. Paths are relative to a directory descriptor, which comes
 * first; AT_FDCWD where the path is absolute. Everything opened here is O_CLOEXEC. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"

/* Reads a file of at most MAX bytes; the text is NUL-terminated beyond *ret_length (may be NULL). EFBIG if longer.
 * Works for sysfs, proc and pipes too. The error names the path. */
int file_read(int dir, const char *path, size_t max, char **ret, size_t *ret_length, Error *err);
int fd_read(int fd, size_t max, char **ret, size_t *ret_length, Error *err);

/* First line of a small file without its newline (sysfs, proc). */
int file_read_line(int dir, const char *path, char **ret, Error *err);

/* One write(2) into an existing file (sysfs, proc, cgroup). */
int file_write(int dir, const char *path, const char *text, Error *err);

/* Replaces PATH as a whole, as other processes see it: temporary file beside it, rename. Not synced to the disk: no
 * container outlives the host's kernel. */
int file_write_atomic(int dir, const char *path, const void *data, size_t length, mode_t mode, Error *err);

/* All of it, retrying on EINTR and, for non-blocking descriptors, waiting with poll. */
int fd_write_all(int fd, const void *data, size_t length, Error *err);

int fd_set_nonblocking(int fd, bool on, Error *err);
int fd_set_cloexec(int fd, bool on, Error *err);

/* A memfd with the given content, at offset 0. */
int fd_new_memfd(const char *name, const void *data, size_t length, int *ret, Error *err);

/* Sends DATA with one descriptor over a connected AF_UNIX socket, in one message. */
int fd_send(int sock, int fd, const void *data, size_t length, Error *err);

/* Closes every descriptor from FIRST up. */
void fd_close_from(int first);
