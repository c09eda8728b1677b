/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "agent/cpu-list.h"

static void test_lists(void **state) {
        cpu_set_t cpus;

        (void)state;
        assert_true(cpu_list_parse("0", &cpus));
        assert_int_equal(CPU_COUNT(&cpus), 1);
        assert_true(cpu_list_parse("0-3,7\n", &cpus));
        assert_int_equal(CPU_COUNT(&cpus), 5);
        assert_true(CPU_ISSET(7, &cpus) && CPU_ISSET(3, &cpus) && !CPU_ISSET(4, &cpus));
        assert_true(cpu_list_parse("1023", &cpus));
        assert_true(cpu_list_parse("2,1,1-2", &cpus));
        assert_int_equal(CPU_COUNT(&cpus), 2);
}

static void test_nonsense(void **state) {
        static const char *const cases[] = {
                "",       "-1",   "1-", "3-1", "1,,2", "1,", ",1", "a", "1 2", "1024", "99999999999999999999",
                "0-1024", "1\n2",
        };
        cpu_set_t cpus;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_false(cpu_list_parse(cases[i], &cpus));
}

static void test_missing(void **state) {
        cpu_set_t some, all;

        (void)state;
        assert_true(cpu_list_parse("0-3", &all) && cpu_list_parse("1,3", &some));
        assert_int_equal(cpu_list_missing(&some, &all), -1);
        assert_true(cpu_list_parse("1,4-5", &some));
        assert_int_equal(cpu_list_missing(&some, &all), 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lists),
                cmocka_unit_test(test_nonsense),
                cmocka_unit_test(test_missing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
