/* SPDX-License-Identifier: Apache-2.0 */

/* Paths: joining and cleaning, and that nothing made or opened inside a root ever ends up outside it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static void test_join_and_normalize(void **state) {
        static const struct {
                const char *a, *b, *joined;
        } joins[] = {
                { "/a", "b", "/a/b" }, { "/a/", "/b", "/a/b" }, { "/", "b", "/b" },
                { "/a", "", "/a" },    { "/", "", "/" },
        };
        static const struct {
                const char *path, *clean;
                bool normalized;
        } paths[] = {
                { "/", "/", true },           { "/a/b", "/a/b", true },      { "/a//b", "/a/b", false },
                { "/a/./b/", "/a/b", false }, { "/a/../../b", "/b", false }, { "/..", "/", false },
                { "/a/..b", "/a/..b", true },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(joins); i++) {
                cleanup_free char *joined = path_join(joins[i].a, joins[i].b);

                assert_string_equal(joined, joins[i].joined);
        }
        for (size_t i = 0; i < ELEMENTS_OF(paths); i++) {
                cleanup_free char *clean = path_normalize(paths[i].path);

                assert_string_equal(clean, paths[i].clean);
                assert_int_equal(path_is_normalized(paths[i].path), paths[i].normalized);
        }
        assert_false(path_is_normalized("a/b"));
}

typedef struct Fixture {
        char base[64];
        int base_fd, root;
} Fixture;

/* base/root is the root; base/outside must stay as it is. */
static int set_up(void **state) {
        Fixture *f = xnew(Fixture, 1);

        strcpy(f->base, "/tmp/carrel-test-path-XXXXXX");
        assert_non_null(mkdtemp(f->base));
        f->base_fd = open(f->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdirat(f->base_fd, "root", 0755), 0);
        assert_int_equal(mkdirat(f->base_fd, "outside", 0755), 0);
        f->root = openat(f->base_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        cleanup_error Error error = { 0 };
        Fixture *f = *state;

        close(f->root);
        close(f->base_fd);
        assert_int_equal(path_remove_tree(AT_FDCWD, f->base, &error), 0);
        free(f);
        return 0;
}

static void check_made(Fixture *f, const char *path, bool file, const char *where) {
        cleanup_error Error error = { 0 };
        cleanup_close int fd = path_make_in_root(f->root, path, file, file ? 0644 : 0755, &error);
        struct stat made, seen;

        assert_null(error.message);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &made), 0);
        assert_int_equal(fstatat(f->base_fd, where, &seen, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(made.st_ino, seen.st_ino);
        assert_int_equal(S_ISREG(seen.st_mode), file);
}

static void test_made_inside(void **state) {
        Fixture *f = *state;
        struct stat st;

        check_made(f, "/a/b/c", false, "root/a/b/c");
        check_made(f, "/a/b/file", true, "root/a/b/file");
        check_made(f, "/a/b/file", true, "root/a/b/file"); /* there already */
        /* links resolve as for a process whose root it is */
        assert_int_equal(mkdirat(f->root, "outside", 0755), 0);
        assert_int_equal(symlinkat("/outside", f->root, "absolute"), 0);
        check_made(f, "/absolute/x", false, "root/outside/x");
        assert_int_equal(symlinkat("../../../outside", f->root, "climbing"), 0);
        check_made(f, "/climbing/y", true, "root/outside/y");
        check_made(f, "/../../z", false, "root/z");
        assert_int_equal(fstatat(f->base_fd, "outside/x", &st, 0), -1);
        assert_int_equal(fstatat(f->base_fd, "outside/y", &st, 0), -1);
}

static void test_refusals(void **state) {
        cleanup_error Error error = { 0 };
        Fixture *f = *state;

        assert_int_equal(symlinkat("/nowhere", f->root, "dangling"), 0);
        assert_int_equal(path_make_in_root(f->root, "/dangling", true, 0644, &error), -ENOENT);
        assert_int_equal(mkdirat(f->root, "folder", 0755), 0);
        assert_int_equal(path_make_in_root(f->root, "/folder", true, 0644, &error), -EISDIR);
        assert_string_equal(error.message, "/folder: is a directory");
        close(openat(f->root, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        assert_int_equal(path_make_in_root(f->root, "/file", false, 0755, &error), -ENOTDIR);
        assert_int_equal(path_make_in_root(f->root, "/file/below", false, 0755, &error), -ENOTDIR);
        assert_int_equal(path_open_in_root(f->root, "/missing", O_RDONLY, 0, &error), -ENOENT);
        assert_string_equal(error.message, "/missing: No such file or directory");
}

static void test_make_directories(void **state) {
        cleanup_error Error error = { 0 };
        Fixture *f = *state;
        struct stat st;

        assert_int_equal(path_make_directories(f->root, "one/two/three", 0711, &error), 0);
        assert_int_equal(path_make_directories(f->root, "one/two/three", 0711, &error), 0);
        assert_int_equal(fstatat(f->root, "one/two/three", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0711);
        close(openat(f->root, "plain", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        assert_int_equal(path_make_directories(f->root, "plain/x", 0755, &error), -ENOTDIR);
}

static void test_remove_tree(void **state) {
        cleanup_error Error error = { 0 };
        Fixture *f = *state;
        struct stat st;

        assert_int_equal(path_make_directories(f->root, "t/a/b", 0755, &error), 0);
        assert_int_equal(symlinkat("/", f->root, "t/link"), 0);
        close(openat(f->root, "t/a/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        assert_int_equal(path_remove_tree(f->root, "t", &error), 0);
        assert_int_equal(fstatat(f->root, "t", &st, 0), -1);
        assert_int_equal(path_remove_tree(f->root, "t", &error), 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_join_and_normalize),
                cmocka_unit_test_setup_teardown(test_made_inside, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_make_directories, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_remove_tree, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
