/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "runtime/commands/options.h"

typedef struct Given {
        bool force;
        const char *bundle;
        char **env;
        uint32_t number;
} Given;

static const Option options[] = {
        { OPTION_FIELD(Given, force, "force", 'f', OPTION_FLAG), NULL, "Force it" },
        { OPTION_FIELD(Given, bundle, "bundle", 'b', OPTION_STRING), "DIR", "Folder" },
        { OPTION_FIELD(Given, env, "env", 'e', OPTION_LIST), "NAME=VALUE", "Variable" },
        { OPTION_FIELD(Given, number, "number", 0, OPTION_NUMBER), "N", "How many" },
        {},
};

static const Syntax plain = {
        .program = "carrel test",
        .name = "test",
        .args = "ID",
        .options = options,
        .min_args = 1,
        .max_args = 1,
};

typedef struct Case {
        const char *line;  /* words of the command line */
        const char *error; /* NULL: it is good */
} Case;

static int parse(const Syntax *syntax, const char *line, Given *given, char ***args, Error *err) {
        cleanup_free char *all = NULL;
        cleanup_strv char **argv = NULL;
        int r;

        strv_append(&argv, "test");
        all = strdup(line);
        for (char *save = NULL, *word = strtok_r(all, " ", &save); word; word = strtok_r(NULL, " ", &save))
                strv_append(&argv, word);
        r = options_parse(syntax, (int)strv_length(argv), argv, given, args, err);
        /* what is borrowed from argv goes with it: tests look at it only as a number or a copy */
        if (r >= 0 && given->bundle)
                given->bundle = strcmp(given->bundle, "/b") == 0 ? "/b" : "other";
        return r;
}

static void test_values(void **state) {
        cleanup_error Error error = { 0 };
        cleanup_strv char **args = NULL;
        Given given = { 0 };

        (void)state;
        assert_int_equal(parse(&plain, "-f --bundle /b id -e A=1 --env=B=2 --number 7", &given, &args,
                               &error),
                         OPTIONS_OK);
        assert_true(given.force);
        assert_string_equal(given.bundle, "/b");
        assert_int_equal(given.number, 7);
        assert_int_equal(strv_length(given.env), 2);
        assert_string_equal(given.env[1], "B=2");
        assert_int_equal(strv_length(args), 1);
        assert_string_equal(args[0], "id");
        options_clear(options, &given);
        assert_null(given.env);
}

static void test_mistakes(void **state) {
        static const Case cases[] = {
                { "--bogus id", "test: unknown option \"--bogus\"; see \"carrel test --help\"" },
                { "-x id", "test: unknown option \"-x\"; see \"carrel test --help\"" },
                { "id --bundle", "test: option \"--bundle\" needs a value" },
                { "id -b", "test: option \"-b\" needs a value" },
                { "--force=1 id", "test: option \"--force\" takes no value" },
                { "--number x id", "test: --number: expected a number, found \"x\"" },
                { "--number -1 id", "test: --number: expected a number, found \"-1\"" },
                { "--number 4294967296 id", "test: --number: expected a number, found \"4294967296\"" },
                { "", "test: too few arguments: expected ID; see \"carrel test --help\"" },
                { "a b", "test: too many arguments: expected ID; see \"carrel test --help\"" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_error Error error = { 0 };
                cleanup_strv char **args = NULL;
                Given given = { 0 };

                assert_int_equal(parse(&plain, cases[i].line, &given, &args, &error), -EINVAL);
                assert_string_equal(error.message, cases[i].error);
                assert_null(args);
        }
}

static void test_help_wins(void **state) {
        cleanup_error Error error = { 0 };
        cleanup_strv char **args = NULL;
        Given given = { 0 };

        (void)state;
        assert_int_equal(parse(&plain, "--help", &given, &args, &error), OPTIONS_HELP);
        args = strv_free(args);
        assert_int_equal(parse(&plain, "-h a b c", &given, &args, &error), OPTIONS_HELP);
        assert_int_equal(error.code, 0);
}

/* exec ID COMMAND --with --its=own -options */
static void test_open_end(void **state) {
        static const Syntax open = {
                .program = "carrel test",
                .options = options,
                .min_args = 1,
                .max_args = ARGS_ANY,
                .open_after = 1,
        };
        cleanup_error Error error = { 0 };
        cleanup_strv char **args = NULL;
        Given given = { 0 };

        (void)state;
        assert_int_equal(parse(&open, "-f id ls --bundle -e --help -- x", &given, &args, &error), OPTIONS_OK);
        assert_int_equal(strv_length(args), 7);
        assert_string_equal(args[2], "--bundle");
        assert_string_equal(args[4], "--help");
        assert_string_equal(args[5], "--");
        assert_null(given.bundle);
        args = strv_free(args);
        assert_int_equal(parse(&open, "id -- ls", &given, &args, &error), OPTIONS_OK);
        assert_int_equal(strv_length(args), 2);
        assert_string_equal(args[1], "ls");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_help_wins),
                cmocka_unit_test(test_open_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
