/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "agent/cgroup-convert.h"
#include "common/base/cleanup.h"
#include "common/base/str.h"

#define SET(n)                                                                                               \
        { true, (n) }
#define UNSET                                                                                                \
        { false, 0 }

static void test_weights(void **state) {
        (void)state;
        assert_int_equal(cgroup_shares_to_weight(2), 1);
        assert_int_equal(cgroup_shares_to_weight(0), 1);
        assert_int_equal(cgroup_shares_to_weight(1024), 39);
        assert_int_equal(cgroup_shares_to_weight(262144), 10000);
        assert_int_equal(cgroup_shares_to_weight(UINT64_MAX), 10000);
        assert_int_equal(cgroup_io_weight(10), 1);
        assert_int_equal(cgroup_io_weight(500), 4950);
        assert_int_equal(cgroup_io_weight(1000), 10000);
        assert_int_equal(cgroup_io_weight(5), 1);
}

static void test_swap(void **state) {
        static const struct {
                OptInt64 limit, swap;
                const char *expected; /* NULL: nothing to set; "": an error */
        } cases[] = {
                { UNSET, UNSET, NULL },      { SET(100), UNSET, NULL },     { SET(-1), UNSET, "max" },
                { SET(100), SET(0), NULL },  { SET(100), SET(-1), "max" },  { UNSET, SET(-1), "max" },
                { SET(100), SET(100), "0" }, { SET(100), SET(250), "150" }, { SET(100), SET(99), "" },
                { UNSET, SET(100), "" },     { SET(0), SET(100), "" },      { SET(-1), SET(100), "" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                OciMemory memory = { .limit = cases[i].limit, .swap = cases[i].swap };
                cleanup_error Error error = { 0 };
                cleanup_free char *text = NULL;
                int r = cgroup_swap_limit(&memory, &text, &error);

                if (!cases[i].expected) {
                        assert_int_equal(r, 0);
                } else if (!*cases[i].expected) {
                        assert_int_equal(r, -EINVAL);
                } else {
                        assert_int_equal(r, 1);
                        assert_string_equal(text, cases[i].expected);
                }
        }
}

static void test_cpu_max(void **state) {
        static const struct {
                OptInt64 quota;
                OptUint64 period;
                const char *current, *expected;
        } cases[] = {
                { UNSET, UNSET, "max 100000", NULL },
                { SET(50000), UNSET, "max 100000", "50000" },
                { SET(-1), UNSET, "5000 100000", "max" },
                { SET(50000), SET(20000), "max 100000", "50000 20000" },
                { UNSET, SET(20000), "5000 100000\n", "5000 20000" },
                { UNSET, SET(20000), "max 100000", "max 20000" },
                { SET(0), SET(0), "max 100000", NULL },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                OciCpu cpu = { .quota = cases[i].quota, .period = cases[i].period };
                cleanup_free char *text = cgroup_cpu_max(&cpu, cases[i].current);

                if (cases[i].expected)
                        assert_string_equal(text, cases[i].expected);
                else
                        assert_null(text);
        }
}

static void test_limit(void **state) {
        cleanup_free char *none = cgroup_limit(-1), *some = cgroup_limit(INT64_MAX);

        (void)state;
        assert_string_equal(none, "max");
        assert_string_equal(some, "9223372036854775807");
}

static void test_rdma(void **state) {
        static const char text[] = "{\"hcaHandles\": 3, \"hcaObjects\": 10000, \"other\": 1}";
        cleanup_error Error error = { 0 };
        cleanup_json Json *limits = NULL;
        cleanup_free char *line = NULL;

        (void)state;
        assert_int_equal(json_parse(text, strlen(text), NULL, &limits, &error), 0);
        line = cgroup_rdma_line("mlx5_1", limits);
        assert_string_equal(line, "mlx5_1 hca_handle=3 hca_object=10000");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_weights), cmocka_unit_test(test_swap), cmocka_unit_test(test_cpu_max),
                cmocka_unit_test(test_limit),   cmocka_unit_test(test_rdma),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
