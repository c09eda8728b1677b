/* SPDX-License-Identifier: Apache-2.0 */

/* The console log: bounded whatever the guest writes, newest bytes kept, its end fit for one line of an error. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "shim/console.h"

typedef struct Fixture {
        char dir[64];
        int dir_fd, writer;
        Loop *loop;
        Console *console;
} Fixture;

static int set_up(void **state) {
        Fixture *f = xnew(Fixture, 1);
        cleanup_error Error error = { 0 };
        int pipes[2];

        strcpy(f->dir, "/tmp/carrel-test-console-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        f->writer = pipes[1];
        assert_int_equal(loop_new(&f->loop, &error), 0);
        assert_int_equal(console_new(f->loop, pipes[0], f->dir_fd, "console.log", 16384, &f->console, &error),
                         0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        cleanup_error Error error = { 0 };
        Fixture *f = *state;

        console_free(f->console);
        loop_free(f->loop);
        close(f->writer);
        close(f->dir_fd);
        path_remove_tree(AT_FDCWD, f->dir, &error);
        free(f);
        return 0;
}

static void say(Fixture *f, const char *text) {
        assert_int_equal(write(f->writer, text, strlen(text)), strlen(text));
        console_drain(f->console);
}

static void test_log_is_bounded_and_keeps_the_newest(void **state) {
        cleanup_free char *text = NULL;
        cleanup_error Error error = { 0 };
        Fixture *f = *state;
        size_t length;
        char line[64];

        for (int i = 0; i < 5000; i++) {
                snprintf(line, sizeof(line), "line %d of the guest\n", i);
                say(f, line);
        }
        assert_int_equal(file_read(f->dir_fd, "console.log", 1 << 20, &text, &length, &error), 0);
        assert_true(length <= 16384);
        assert_true(length >= 8192);
        assert_string_equal(text + length - strlen(line), line);
}

static void test_tail_is_one_harmless_line(void **state) {
        cleanup_free char *tail = NULL;
        Fixture *f = *state;

        say(f, "first\r\n\x1b[31mred\x07\nlast");
        tail = console_tail(f->console, 1000);
        assert_string_equal(tail, "first | \\x1b[31mred\\x07 | last");
}

static void test_tail_ends_with_the_panic(void **state) {
        cleanup_free char *tail = NULL;
        Fixture *f = *state;

        say(f, "before\nKernel panic - not syncing: no init\nCPU: 0 PID: 1\nCall Trace:\n panic+0x1\n");
        tail = console_tail(f->console, 1000);
        assert_string_equal(tail, "before | Kernel panic - not syncing: no init");
}

static void test_tail_has_the_cause_of_a_long_panic(void **state) {
        cleanup_free char *tail = NULL;
        Fixture *f = *state;

        say(f, "quiet\n[ 1.0] BUG: kernel NULL pointer dereference\n#PF: read\n");
        for (int i = 0; i < 50; i++)
                say(f, "RAX: 0123456789abcdef RBX: 0123456789abcdef\n");
        say(f, "Kernel panic - not syncing: Fatal exception\nCPU: 0\n");
        tail = console_tail(f->console, 200);
        assert_ptr_equal(strstr(tail, "[ 1.0] BUG: kernel NULL pointer dereference | #PF: read | "), tail);
        assert_non_null(strstr(tail, "Kernel panic - not syncing: Fatal exception"));
        assert_true(strlen(tail) <= 230);
}

static void test_tail_is_cut_to_size(void **state) {
        cleanup_free char *tail = NULL;
        Fixture *f = *state;

        for (int i = 0; i < 200; i++)
                say(f, "0123456789abcdef0123456789abcdef\n");
        tail = console_tail(f->console, 100);
        assert_true(strlen(tail) <= 120);
        assert_true(strlen(tail) >= 64);
}

static void test_nothing_said(void **state) {
        cleanup_free char *tail = NULL;
        Fixture *f = *state;

        tail = console_tail(f->console, 100);
        assert_string_equal(tail, "");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_log_is_bounded_and_keeps_the_newest, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_tail_is_one_harmless_line, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_tail_ends_with_the_panic, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_tail_has_the_cause_of_a_long_panic, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_tail_is_cut_to_size, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_nothing_said, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
