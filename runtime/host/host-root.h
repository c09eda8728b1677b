/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Looking at the host below a folder: a descriptor of "/", or of a fixture tree in tests. Paths are absolute as the
 * host sees them; links resolve inside the folder. "Not there" is an answer here, not an error.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* O_PATH descriptor of PATH ("/" for the host itself), or a negative errno with err set. */
int host_root_open(const char *path, Error *err);

/* The descriptor, or -1 with errno set. */
int host_root_open_file(int root, const char *path, int flags);
bool host_root_has_file(int root, const char *path);    /* a regular file, links followed */
bool host_root_has_program(int root, const char *path); /* and executable by somebody */

/* Whether we may open it with these R_OK, W_OK, without opening it: permissions and, for a node, the device cgroup (whose
 * answer is EPERM). 0 or a negative errno. */
int host_root_check_access(int root, const char *path, int mode);

/* Content of a file of at most MAX bytes, NUL-terminated; NULL if it cannot be read. LENGTH may be NULL. */
char *host_root_read(int root, const char *path, size_t max, size_t *ret_length);

/* The first of NAMES (NULL-terminated) that is a program: a name without a slash is looked up in the folders of
 * SEARCH ("/usr/bin:/bin"), one with a slash is a path. Owned by the caller; NULL if none. */
char *host_root_find_program(int root, const char *const *names, const char *search);

/*
 * Files called *.json of several folders as one list, the way QEMU's descriptors are looked up (docs/interop/
 * firmware.json there): a file of an earlier folder hides those with the same name in later ones, an empty file
 * hides and adds nothing, and the order is that of the names. DIRS is NULL-terminated; the result is a strv of paths.
 */
char **host_root_list_descriptors(int root, const char *const *dirs);
