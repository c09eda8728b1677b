/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/host/hooks.h"

static char sh[] = "/bin/sh", name[] = "a name", dash_c[] = "-c";

static const HookRun run = {
        .name = "prestart", .state = "{\"id\":\"x\"}", .bundle = "/", .namespaces_of = -1
};

static int run_script(const char *script, OptInt64 timeout, Error *err) {
        cleanup_free char *text = xstrdup(script);
        char *args[] = { name, dash_c, text, NULL };
        OciHook hook = { .path = sh, .args = args, .timeout = timeout };

        return hooks_run(&run, &hook, 1, err);
}

static void check(const char *script, int code, const char *expected) {
        cleanup_error Error error = { 0 };

        assert_int_equal(run_script(script, (OptInt64){ 0 }, &error), code);
        if (expected)
                assert_string_equal(error.message, expected);
}

static void test_status(void **state) {
        (void)state;
        check("true", 0, NULL);
        check("exit 3", -EIO, "prestart hook #0: /bin/sh: exit status 3");
        check("kill -9 $$", -EIO, "prestart hook #0: /bin/sh: killed by signal 9");
}

static void test_output_is_in_the_error(void **state) {
        (void)state;
        check("echo out; echo err >&2; exit 1", -EIO,
              "prestart hook #0: /bin/sh: exit status 1; it said: out | err");
        check("printf 'a\\033[2Jb'; exit 1", -EIO,
              "prestart hook #0: /bin/sh: exit status 1; it said: a\\x1b[2Jb");
        /* more than is kept, more than a pipe holds */
        check("head -c 300000 /dev/zero; exit 0", 0, NULL);
}

static void test_state_and_name(void **state) {
        (void)state;
        check("test \"$(cat)\" = '{\"id\":\"x\"}'", 0, NULL);
        check("exec <&-", 0, NULL);
        check("test \"$0\" != x && test \"$PWD\" = /", 0, NULL);
        check("ls /proc/self/fd | wc -l | grep -qx 4", 0, NULL);
}

static void test_environment(void **state) {
        char variable[] = "ONLY=this", path[] = "/usr/bin/env",
             script[] = "env | grep -v -e ONLY=this -e PWD= -e _= -e SHLVL=";
        char *env[] = { variable, NULL }, *none[] = { NULL }, *args[] = { sh, dash_c, script, NULL };
        OciHook exact = { .path = sh, .args = args, .env = env };
        OciHook bare = { .path = path, .env = none };
        cleanup_error Error error = { 0 };

        (void)state;
        /* grep finds nothing else */
        assert_int_equal(hooks_run(&run, &exact, 1, &error), -EIO);
        assert_string_equal(error.message, "prestart hook #0: /bin/sh: exit status 1");
        error_clear(&error);
        assert_int_equal(hooks_run(&run, &bare, 1, &error), 0);
}

static void test_timeout(void **state) {
        cleanup_error Error error = { 0 };

        (void)state;
        assert_int_equal(run_script("sleep 100 & sleep 100", (OptInt64){ true, 1 }, &error), -ETIMEDOUT);
        assert_string_equal(error.message, "prestart hook #0: /bin/sh: took longer than its timeout of 1 s");
        error_clear(&error);
        /* what it leaves behind holds the pipe, and is not waited for */
        assert_int_equal(run_script("sleep 20 & exit 0", (OptInt64){ true, 10 }, &error), 0);
}

static void test_order_and_first_failure(void **state) {
        char one[] = "exit 0", two[] = "exit 4", three[] = "exit 5", missing[] = "/no/such/hook";
        char *first[] = { sh, dash_c, one, NULL }, *second[] = { sh, dash_c, two, NULL },
             *third[] = { sh, dash_c, three, NULL };
        OciHook hooks[] = { { .path = sh, .args = first },
                            { .path = sh, .args = second },
                            { .path = sh, .args = third } };
        OciHook gone = { .path = missing };
        cleanup_error Error error = { 0 };

        (void)state;
        assert_int_equal(hooks_run(&run, hooks, 0, &error), 0);
        assert_int_equal(hooks_run(&run, hooks, 3, &error), -EIO);
        assert_string_equal(error.message, "prestart hook #1: /bin/sh: exit status 4");
        error_clear(&error);
        assert_int_equal(hooks_run(&run, &gone, 1, &error), -ENOENT);
        assert_string_equal(error.message,
                            "prestart hook #0: starting /no/such/hook: No such file or directory");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_status),         cmocka_unit_test(test_output_is_in_the_error),
                cmocka_unit_test(test_state_and_name), cmocka_unit_test(test_environment),
                cmocka_unit_test(test_timeout),        cmocka_unit_test(test_order_and_first_failure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
