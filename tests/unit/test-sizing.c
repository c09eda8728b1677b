/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <string.h>

#include "common/base/mem.h"
#include "runtime/plan/sizing.h"

static void test_cpu_lists(void **state) {
        static const struct {
                const char *list;
                int count; /* -1: not a list */
        } cases[] = {
                { "", 0 },        { "0", 1 },        { "0-3", 4 },       { "0-3,6", 5 }, { "7,1,7", 2 },
                { "0-3,2-5", 6 }, { "8192", 1 },     { "0-8192", 8193 }, { "8193", -1 }, { "4294967296", -1 },
                { "3-1", -1 },    { "0-", -1 },      { "-1", -1 },       { ",", -1 },    { "1,", -1 },
                { ",1", -1 },     { "1,,2", -1 },    { "a", -1 },        { "0x1", -1 },  { "1 ", -1 },
                { "1\n", -1 },    { "0-3:1/2", -1 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                uint32_t count = 12345;
                bool good = sizing_count_cpus(cases[i].list, &count);

                if (good != (cases[i].count >= 0) || count != (good ? (uint32_t)cases[i].count : 12345))
                        fail_msg("\"%s\": %s, %u", cases[i].list, good ? "a list" : "no list", count);
        }
}

static uint32_t cpu_limit(const char *resources) {
        cleanup(oci_resources_freep) OciResources *r = NULL;
        cleanup_error Error err = { 0 };
        uint32_t limit = 0;

        if (oci_resources_parse(resources, strlen(resources), &r, &err) < 0 ||
            sizing_cpu_limit(r, &limit, &err) < 0)
                fail_msg("%s: %s", resources, err.message);
        return limit;
}

static void test_cpu_limits(void **state) {
        static const struct {
                const char *resources;
                uint32_t limit;
        } cases[] = {
                { "{}", 0 },
                { "{\"cpu\":{\"shares\":2}}", 0 },
                { "{\"cpu\":{\"quota\":-1,\"period\":100000}}", 0 },
                { "{\"cpu\":{\"quota\":0}}", 0 },
                { "{\"cpu\":{\"quota\":1000}}", 1 },
                { "{\"cpu\":{\"quota\":100000}}", 1 },
                { "{\"cpu\":{\"quota\":100001}}", 2 },
                { "{\"cpu\":{\"quota\":250000,\"period\":50000}}", 5 },
                { "{\"cpu\":{\"quota\":250000,\"period\":0}}", 3 },
                { "{\"cpu\":{\"quota\":9223372036854775807,\"period\":1}}", GUEST_VCPUS_MAX },
                { "{\"cpu\":{\"cpus\":\"4-7\"}}", 4 },
                { "{\"cpu\":{\"cpus\":\"4-7\",\"quota\":150000}}", 2 },
                { "{\"cpu\":{\"cpus\":\"4\",\"quota\":800000}}", 1 },
                { "{\"cpu\":{\"cpus\":\"\"}}", 0 },
                { "{\"unified\":{\"cpu.max\":\"max 100000\"}}", 0 },
                { "{\"unified\":{\"cpu.max\":\"250000 100000\"}}", 3 },
                { "{\"unified\":{\"cpu.max\":\"250000\"}}", 3 },
                { "{\"unified\":{\"cpu.max\":\"1 0\"}}", 0 },
                { "{\"unified\":{\"cpu.max\":\"\"}}", 0 },
                { "{\"unified\":{\"cpu.max\":\"x y\"}}", 0 },
                { "{\"cpu\":{\"quota\":50000},\"unified\":{\"cpu.max\":\"900000\"}}", 1 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
                if (cpu_limit(cases[i].resources) != cases[i].limit)
                        fail_msg("%s: %u", cases[i].resources, cpu_limit(cases[i].resources));
}

static uint64_t memory_limit(const char *resources) {
        cleanup(oci_resources_freep) OciResources *r = NULL;
        cleanup_error Error err = { 0 };

        if (oci_resources_parse(resources, strlen(resources), &r, &err) < 0)
                fail_msg("%s: %s", resources, err.message);
        return sizing_memory_limit(r);
}

static void test_memory_limits(void **state) {
        (void)state;
        assert_int_equal(sizing_memory_limit(NULL), 0);
        assert_int_equal(memory_limit("{}"), 0);
        assert_int_equal(memory_limit("{\"memory\":{\"limit\":-1}}"), 0);
        assert_int_equal(memory_limit("{\"memory\":{\"limit\":0}}"), 0);
        assert_int_equal(memory_limit("{\"memory\":{\"limit\":4096,\"swap\":8192}}"), 4096);
        assert_int_equal(memory_limit("{\"unified\":{\"memory.max\":\"4096\"}}"), 4096);
        assert_int_equal(memory_limit("{\"unified\":{\"memory.max\":\"max\"}}"), 0);
        assert_int_equal(memory_limit("{\"memory\":{\"limit\":-1},\"unified\":{\"memory.max\":\"1\"}}"), 0);
}

/* More memory never leaves less for the container, and the guest's own part stays a small one. */
static void test_overheads(void **state) {
        uint64_t before = 0;

        (void)state;
        for (uint64_t limit = MIB; limit < (uint64_t)1 << 46; limit *= 2) {
                uint64_t guest = limit + sizing_guest_overhead(limit);

                assert_true(guest > before);
                assert_true(guest - limit < 80 * MIB + limit / 40);
                assert_true(sizing_host_overhead(guest, ACCELERATOR_TCG) >
                            sizing_host_overhead(guest, ACCELERATOR_KVM));
                before = guest;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cpu_lists),
                cmocka_unit_test(test_cpu_limits),
                cmocka_unit_test(test_memory_limits),
                cmocka_unit_test(test_overheads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
