/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "runtime/commands/exec-process.h"

static const char config_text[] =
        "{\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":1,\"width\":2},\"user\":{\"uid\":1,"
        "\"gid\":2},"
        "\"args\":[\"sh\"],\"env\":[\"A=1\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":[\"CAP_KILL\"]},"
        "\"noNewPrivileges\":false,\"extra\":{\"kept\":true}}}";

static Json *config_tree(const char *text) {
        cleanup_error Error error = { 0 };
        Json *tree = NULL;

        assert_int_equal(json_parse(text, strlen(text), NULL, &tree, &error), 0);
        return tree;
}

static void check(const ExecChanges *changes, const char *expected) {
        cleanup_json Json *config = config_tree(config_text), *process = NULL;
        cleanup_error Error error = { 0 };
        cleanup_free char *text = NULL;

        assert_int_equal(exec_process_make(config, changes, &process, &error), 0);
        text = json_tree_to_text(process, false);
        assert_string_equal(text, expected);
}

static char ls[] = "ls", dash_l[] = "-l";
static char *args[] = { ls, dash_l, NULL };

static void test_defaults(void **state) {
        ExecChanges changes = { .args = args };

        (void)state;
        check(&changes,
              "{\"terminal\":false,\"user\":{\"uid\":1,\"gid\":2},\"args\":[\"ls\",\"-l\"],\"env\":[\"A=1\"],"
              "\"cwd\":\"/\",\"capabilities\":{\"bounding\":[\"CAP_KILL\"]},\"noNewPrivileges\":false,"
              "\"extra\":{\"kept\":true}}");
}

static void test_changes(void **state) {
        char env[] = "B=2=3", gid[] = "7", cap[] = "cap_chown", other[] = "SYS_ADMIN";
        char *envs[] = { env, NULL }, *gids[] = { gid, NULL }, *caps[] = { cap, other, NULL };
        ExecChanges changes = {
                .args = args,
                .tty = true,
                .cwd = "/tmp",
                .env = envs,
                .user = "5:6",
                .additional_gids = gids,
                .caps = caps,
                .no_new_privs = true,
        };

        (void)state;
        check(&changes,
              "{\"terminal\":true,\"user\":{\"uid\":5,\"gid\":6,\"additionalGids\":[7]},\"args\":[\"ls\",\"-"
              "l\"],"
              "\"env\":[\"A=1\",\"B=2=3\"],\"cwd\":\"/"
              "tmp\",\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_CHOWN\","
              "\"CAP_SYS_ADMIN\"],\"effective\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"],\"permitted\":[\"CAP_"
              "CHOWN\","
              "\"CAP_SYS_ADMIN\"],\"ambient\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"]},\"noNewPrivileges\":true,"
              "\"extra\":{\"kept\":true}}");
}

static void test_uid_alone(void **state) {
        ExecChanges changes = { .args = args, .user = "9" };
        cleanup_json Json *config = config_tree(config_text), *process = NULL;
        cleanup_error Error error = { 0 };
        uint64_t gid;

        (void)state;
        assert_int_equal(exec_process_make(config, &changes, &process, &error), 0);
        assert_true(json_uint64(json_get(json_get(process, "user"), "gid"), &gid));
        assert_int_equal(gid, 2);
}

typedef struct Refusal {
        ExecChanges changes;
        const char *error;
} Refusal;

static void test_refusals(void **state) {
        char plain[] = "FOO", nameless[] = "=x", word[] = "staff";
        char *no_value[] = { plain, NULL }, *no_name[] = { nameless, NULL }, *gids[] = { word, NULL };
        const Refusal cases[] = {
                { { .args = NULL }, "process args cannot be empty" },
                { { .args = args, .env = no_value }, "invalid environment variable: \"FOO\"" },
                { { .args = args, .env = no_name }, "invalid environment variable: \"=x\"" },
                { { .args = args, .user = "root" }, "--user: expected a number, found \"root\"" },
                { { .args = args, .user = "1:" }, "--user: expected a number, found \"\"" },
                { { .args = args, .user = "-1" }, "--user: expected a number, found \"-1\"" },
                { { .args = args, .user = "4294967295" }, "--user: expected a number, found \"4294967295\"" },
                { { .args = args, .additional_gids = gids },
                  "--additional-gids: expected a number, found \"staff\"" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_json Json *config = config_tree(config_text);
                cleanup_error Error error = { 0 };
                Json *process = NULL;

                assert_int_equal(exec_process_make(config, &cases[i].changes, &process, &error), -EINVAL);
                assert_string_equal(error.message, cases[i].error);
                assert_null(process);
        }
}

static void test_no_process(void **state) {
        ExecChanges changes = { .args = args };
        cleanup_json Json *config = config_tree("{}");
        cleanup_error Error error = { 0 };
        Json *process = NULL;

        (void)state;
        assert_int_equal(exec_process_make(config, &changes, &process, &error), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),   cmocka_unit_test(test_changes),
                cmocka_unit_test(test_uid_alone),  cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_no_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
