/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "unit.h"

#define FILE_MAX (1U << 20)

void must(int r, Error *err) {
        if (r < 0)
                fail_msg("%s", err->message);
}

Json *golden_read(const char *folder, const char *name) {
        cleanup_free char *path = xasprintf("%s/%s.json", folder, name), *text = NULL;
        cleanup_error Error e = { 0 };
        size_t length;
        Json *v = NULL;

        must(file_read(AT_FDCWD, path, FILE_MAX, &text, &length, &e), &e);
        if (json_parse(text, length, NULL, &v, &e) < 0)
                fail_msg("%s: %s", path, e.message);
        return v;
}

bool golden_same(const char *folder, const char *name, const char *text) {
        cleanup_free char *path = xasprintf("%s/%s.txt", folder, name), *expected = NULL;
        cleanup_error Error e = { 0 };

        if (getenv("UPDATE_GOLDEN"))
                must(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, &e), &e);
        if (file_read(AT_FDCWD, path, FILE_MAX, &expected, NULL, &e) < 0) {
                print_error("%s\n", e.message);
                return false;
        }
        if (streq(expected, text))
                return true;
        print_error("---- %s: expected\n%s---- found\n%s", path, expected, text);
        return false;
}

void golden_each(const char *folder, bool (*do_)(const char *name), size_t *ret_cases, size_t *ret_bad) {
        DIR *d = opendir(folder);
        const struct dirent *entry;

        assert_non_null(d);
        *ret_cases = *ret_bad = 0;
        while ((entry = readdir(d))) {
                cleanup_free char *name = xstrdup(entry->d_name);

                if (!str_ends_with(name, ".json") || streq(name, "base.json"))
                        continue;
                name[strlen(name) - strlen(".json")] = '\0';
                ++*ret_cases;
                *ret_bad += !do_(name);
        }
        closedir(d);
}
