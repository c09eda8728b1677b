/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Paths: joining, folders, and look-ups that cannot leave a root (openat2 with RESOLVE_IN_ROOT). */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"

/* "a" + "b" → "a/b", one slash between; an absolute B is treated as relative. Owned by the caller. */
char *path_join(const char *a, const char *b);

/* Absolute, and without "." , ".." and empty parts. */
bool path_is_normalized(const char *path);

/* Lexical clean-up of an absolute path ("/a//b/../c/" → "/a/c"); ".." at the root stays at the root. */
char *path_normalize(const char *path);

/* mkdir -p. Existing folders are left as they are. */
int path_make_directories(int dir, const char *path, mode_t mode, Error *err);

/*
 * Opens PATH as a process whose root is ROOT would see it: symbolic links and ".." resolve inside ROOT (openat2(2),
 * RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS). FLAGS as for open(2), O_CLOEXEC is added. Returns the descriptor.
 */
int path_open_in_root(int root, const char *path, int flags, mode_t mode, Error *err);

/*
 * Makes every missing folder on the way to PATH inside ROOT, following links inside ROOT only, and opens the last
 * one with O_PATH. When FILE is true the last part is made as an empty regular file instead of a folder. What exists
 * is left as it is; a wrong kind is ENOTDIR or EISDIR. This is how mount points are made. Returns the descriptor.
 */
int path_make_in_root(int root, const char *path, bool file, mode_t mode, Error *err);

/* rm -r of NAME in DIR, one file system only; a missing NAME is no error. */
int path_remove_tree(int dir, const char *name, Error *err);
