/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <string.h>

#include "common/base/mem.h"
#include "runtime/plan/sizing.h"
#include "runtime/plan/update.h"

static const MachineSize machine = { .vcpus = 2, .memory = 512U * MIB, .host_memory = 700U * MIB };

/* What becomes of the document: "what the agent gets | host's limit | warnings", or the error. */
static char *outcome(const char *document) {
        cleanup(oci_resources_freep) OciResources *resources = NULL;
        cleanup(update_plan_done) UpdatePlan plan = { 0 };
        cleanup_free char *guest = NULL, *warnings = NULL;
        cleanup_error Error error = { 0 };
        cleanup_json Json *tree = NULL;

        assert_int_equal(json_parse(document, strlen(document), NULL, &tree, &error), 0);
        assert_int_equal(oci_resources_parse(document, strlen(document), &resources, &error), 0);
        if (plan_update(resources, tree, &machine, &plan, &error) < 0)
                return xstrdup(error.message);
        guest = json_tree_to_text(plan.guest, false);
        warnings = strv_join(plan.warnings, " | ");
        return xasprintf("%s%s%s%s", guest,
                         plan.host_memory == HOST_MEMORY_LIMIT       ? " limited"
                         : plan.host_memory == HOST_MEMORY_UNLIMITED ? " unlimited"
                                                                     : "",
                         *warnings ? " | " : "", warnings);
}

static void test_outcomes(void **state) {
        static const struct {
                const char *document, *outcome;
        } cases[] = {
                { "{}", "{}" },
                { "{\"pids\":{\"limit\":9},\"devices\":[{\"allow\":true}]}", "{\"pids\":{\"limit\":9}}" },
                { "{\"memory\":{\"limit\":1048576}}", "{\"memory\":{\"limit\":1048576}} limited" },
                { "{\"memory\":{\"limit\":-1}}", "{\"memory\":{\"limit\":-1}} unlimited" },
                { "{\"memory\":{\"limit\":0,\"reservation\":5}}",
                  "{\"memory\":{\"limit\":0,\"reservation\":5}}" },
                { "{\"unified\":{\"memory.max\":\"max\",\"io.max\":\"x\"}}",
                  "{\"unified\":{\"memory.max\":\"max\"}} unlimited | linux.resources.unified: io.max: block "
                  "devices of the host do not exist inside a virtual machine" },
                { "{\"memory\":{\"limit\":1073741824,\"swap\":1073741824}}",
                  "{\"memory\":{\"limit\":460175040,\"swap\":460175040}} limited | "
                  "linux.resources.memory.limit: 1024 MiB are more than the virtual machine has; the "
                  "container may use 438 MiB" },
                { "{\"memory\":{\"limit\":1073741824,\"swap\":-1}}",
                  "{\"memory\":{\"limit\":460175040,\"swap\":-1}} limited | "
                  "linux.resources.memory.limit: 1024 MiB are more than the virtual machine has; the "
                  "container may use 438 MiB" },
                { "{\"unified\":{\"memory.max\":\"1073741824\"}}",
                  "{\"unified\":{\"memory.max\":\"460175040\"}} limited | "
                  "linux.resources.memory.limit: 1024 MiB are more than the virtual machine has; the "
                  "container may use 438 MiB" },
                { "{\"cpu\":{\"shares\":7,\"quota\":200000,\"cpus\":\"0\",\"mems\":\"0\"}}",
                  "{\"cpu\":{\"shares\":7,\"quota\":200000}}" },
                { "{\"cpu\":{\"quota\":200001}}",
                  "{\"cpu\":{\"quota\":200001}} | linux.resources.cpu: 3 CPUs are more than the virtual "
                  "machine has; the container may use 2" },
                { "{\"cpu\":{\"cpus\":\"x\"}}",
                  "linux.resources.cpu.cpus: expected a list of CPUs such as \"0-3,6\", found \"x\"" },
                { "{\"cpu\":{\"realtimeRuntime\":5}}",
                  "linux.resources.cpu.realtimeRuntime: a guest's processors have no realtime guarantee; "
                  "leave it out" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_free char *found = outcome(cases[i].document);

                assert_string_equal(found, cases[i].outcome);
        }
}

/* A machine that was made for a limit takes that limit again, and has no room for much more. */
static void test_room(void **state) {
        (void)state;
        for (uint64_t limit = MIB; limit < (uint64_t)1 << 40; limit = limit * 3 / 2) {
                uint64_t memory = limit + sizing_guest_overhead(limit), room = sizing_guest_room(memory);

                assert_true(room <= limit && room + room / 10000 + MIB > limit);
                assert_true(room + sizing_guest_overhead(room) <= memory);
        }
        assert_int_equal(sizing_guest_room(0), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_outcomes),
                cmocka_unit_test(test_room),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
