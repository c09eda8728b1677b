/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/program.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

/* ---- environment ---- */

static void test_environment(void **state) {
        char a[] = "A=1", path[] = "PATH=/bin", again[] = "A=2", longer[] = "AA=3",
             empty[] = "HOME=", home[] = "HOME=/h";
        char *first[] = { a, path, longer, again, empty, NULL }, *second[] = { home, NULL };
        cleanup_error Error error = { 0 };
        cleanup_strv char **x = NULL, **y = NULL, **z = NULL;
        cleanup_free char *text = NULL;

        (void)state;
        assert_int_equal(program_environment(first, "/root", &x, &error), 0);
        text = strv_join(x, " ");
        assert_string_equal(text, "A=2 PATH=/bin AA=3 HOME=/root");
        assert_int_equal(program_environment(second, "/root", &y, &error), 0);
        assert_string_equal(y[0], "HOME=/h");
        assert_null(y[1]);
        assert_int_equal(program_environment(NULL, NULL, &z, &error), 0);
        assert_string_equal(z[0], "HOME=/");
        assert_null(z[1]);
}

static void test_bad_environment(void **state) {
        char no_value[] = "A", no_name[] = "=x";
        char *first[] = { no_value, NULL }, *second[] = { no_name, NULL };
        cleanup_error Error error = { 0 };
        char **result;

        (void)state;
        assert_int_equal(program_environment(first, NULL, &result, &error), -EINVAL);
        assert_string_equal(error.message, "invalid environment variable: \"A\"");
        assert_int_equal(program_environment(second, NULL, &result, &error), -EINVAL);
        assert_string_equal(error.message, "environment variable name can't be empty: \"=x\"");
}

static void test_home(void **state) {
        static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                                     "# comment\n"
                                     "\n"
                                     "short:x:5\n"
                                     "number:x:+7:0::/wrong:/bin/sh\n"
                                     "noshell:x:8:0::/eight\n"
                                     "big:x:99999999999:0::/wrong:\n"
                                     "twice:x:9:9::/first:/bin/sh\n"
                                     "twice:x:9:9::/second:/bin/sh\n"
                                     "nohome:x:10:10:::/bin/sh\n"
                                     "last:x:65534:1:a,b:/last:/bin/sh:more";
        static const struct {
                uid_t uid;
                const char *home;
        } cases[] = {
                { 0, "/root" },  { 5, NULL },        { 7, NULL }, { 8, "/eight" },
                { 9, "/first" }, { 65534, "/last" }, { 1, NULL }, { 10, "" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_free char *home = program_find_home(passwd, cases[i].uid);

                if (cases[i].home)
                        assert_string_equal(home, cases[i].home);
                else
                        assert_null(home);
        }
        assert_null(program_find_home("", 0));
}

/* ---- look-up ---- */

/* A folder with programs, and what only looks like them; the working folder while the tests run. */
static int make_files(void **state) {
        static const struct {
                const char *path;
                mode_t mode;
        } files[] = {
                { "one/program", 0755 }, { "one/data", 0644 }, { "two/program", 0755 },
                { "two/data", 0755 },    { "here", 0755 },
        };
        char *folder = xstrdup("/tmp/test-program.XXXXXX");

        if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("one", 0755) < 0 || mkdir("two", 0755) < 0 ||
            mkdir("one/folder", 0755) < 0)
                return -1;
        for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
                cleanup_close int fd = open(files[i].path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

                if (fd < 0 || fchmod(fd, files[i].mode) < 0)
                        return -1;
        }
        *state = folder;
        return 0;
}

static int remove_files(void **state) {
        cleanup_free char *folder = *state;
        cleanup_error Error error = { 0 };

        return chdir("/") < 0 ? -1 : path_remove_tree(AT_FDCWD, folder, &error);
}

static void look_up(const char *file, const char *path, const char *expected, int code) {
        cleanup_free char *variable = path ? xasprintf("PATH=%s", path) : xstrdup("OTHER=x");
        char *env[] = { variable, NULL };
        cleanup_error Error error = { 0 };
        cleanup_free char *found = NULL;
        int r = program_look_up(file, env, &found, &error);

        assert_int_equal(r, -code);
        assert_string_equal(code == 0 ? found : error.message, expected);
}

static void test_look_up(void **state) {
        const char *folder = *state;
        cleanup_free char *path = xasprintf("/no/such:%s/one:%s/two/../two", folder, folder);
        cleanup_free char *first = xasprintf("%s/one/program", folder),
                          *data = xasprintf("%s/two/data", folder);

        look_up("program", path, first, 0);
        look_up("data", path, data, 0);
        look_up("./here", path, "./here", 0);
        look_up(first, NULL, first, 0);
}

static void test_not_found(void **state) {
        const char *folder = *state;
        cleanup_free char *path = xasprintf("%s/one", folder);

        look_up("other", path, "exec: \"other\": executable file not found in $PATH", ENOENT);
        look_up("data", path, "exec: \"data\": executable file not found in $PATH", ENOENT);
        look_up("folder", path, "exec: \"folder\": executable file not found in $PATH", ENOENT);
        look_up("", path, "exec: \"\": executable file not found in $PATH", ENOENT);
        look_up("program", "", "exec: \"program\": executable file not found in $PATH", ENOENT);
        look_up("program", NULL, "exec: \"program\": executable file not found in $PATH", ENOENT);
        look_up("./other", path, "exec: \"./other\": stat ./other: no such file or directory", ENOENT);
        look_up("./one/data", path, "exec: \"./one/data\": permission denied", EACCES);
        look_up("./one", path, "exec: \"./one\": permission denied", EACCES);
        look_up("./here/x", path, "exec: \"./here/x\": stat ./here/x: not a directory", ENOTDIR);
        look_up("here", ":/bin", "exec: \"here\": cannot run executable found relative to current directory",
                EINVAL);
        look_up("program", "one",
                "exec: \"program\": cannot run executable found relative to current directory", EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_environment),
                cmocka_unit_test(test_bad_environment),
                cmocka_unit_test(test_home),
                cmocka_unit_test_setup_teardown(test_look_up, make_files, remove_files),
                cmocka_unit_test_setup_teardown(test_not_found, make_files, remove_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
