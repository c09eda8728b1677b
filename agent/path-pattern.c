/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/path-pattern.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/mem.h"
#include "common/base/str.h"

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* Adds what in FOLDER matches PART. */
static void match_part(const char *folder, const char *part, char ***found) {
        struct dirent **entries = NULL;
        int n = scandir(*folder ? folder : "/", &entries, NULL, by_name);

        for (int i = 0; i < n; i++) {
                if (fnmatch(part, entries[i]->d_name, FNM_PERIOD) == 0 &&
                    strv_length(*found) < PATH_PATTERN_MAX)
                        strv_printf(found, "%s/%s", folder, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
}

static bool exists(const char *path) {
        struct stat st;

        return lstat(path, &st) == 0;
}

char **path_pattern_expand(const char *pattern) {
        cleanup_strv char **parts = strv_split(pattern, "/"), **folders = NULL;
        char **found = NULL;

        strv_append(&folders, "");
        STRV_FOR_EACH (part, parts) {
                cleanup_strv char **before = TAKE_PTR(folders);

                STRV_FOR_EACH (folder, before)
                        if (strpbrk(*part, "*?["))
                                match_part(*folder, *part, &folders);
                        else
                                strv_printf(&folders, "%s/%s", *folder, *part);
        }
        /* parts without a wildcard were not looked up */
        STRV_FOR_EACH (path, folders)
                if (exists(*path))
                        strv_append(&found, *path);
        return found;
}
