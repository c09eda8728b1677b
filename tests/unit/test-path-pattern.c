/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/path-pattern.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

/* What PATTERN below a folder with some files finds, names joined, without the folder. */
static char *found(const char *top, const char *pattern) {
        cleanup_free char *whole = xasprintf("%s/%s", top, pattern);
        cleanup_strv char **paths = path_pattern_expand(whole), **names = NULL;

        STRV_FOR_EACH (path, paths)
                strv_append(&names, *path + strlen(top) + 1);
        return strv_join(names, " ");
}

static void test_patterns(void **state) {
        static const char *const files[] = { "dri/card0",   "dri/card1", "dri/renderD128",
                                             "dri/.hidden", "null",      "a*b" };
        static const struct {
                const char *pattern, *expected;
        } cases[] = {
                { "null", "null" },
                { "dri/*", "dri/card0 dri/card1 dri/renderD128" },
                { "dri/card?", "dri/card0 dri/card1" },
                { "dri/card[1-9]", "dri/card1" },
                { "*/card*", "dri/card0 dri/card1" },
                { "d*/renderD128", "dri/renderD128" },
                { "*", "a*b dri null" },
                { "*/null", "" },
                { "nothing", "" },
                { "nothing/*", "" },
                { "null/*", "" },
        };
        char top[] = "/tmp/test-path-pattern.XXXXXX";
        cleanup_error Error err = { 0 };
        cleanup_close int root = -1;

        (void)state;
        assert_non_null(mkdtemp(top));
        root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
                cleanup_close int fd = path_make_in_root(root, files[i], true, 0755, &err);

                assert_true(fd >= 0);
        }
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_free char *names = found(top, cases[i].pattern);

                assert_string_equal(names, cases[i].expected);
        }
        assert_true(path_remove_tree(AT_FDCWD, top, &err) >= 0);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_patterns) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
