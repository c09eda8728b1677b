/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <string.h>

#include "common/base/cleanup.h"
#include "runtime/plan/exec.h"

static void decide(const char *text, ExecDecision *ret) {
        cleanup(oci_process_freep) OciProcess *process = NULL;
        cleanup_error Error error = { 0 };
        cleanup_json Json *tree = NULL;

        assert_int_equal(json_parse(text, strlen(text), NULL, &tree, &error), 0);
        assert_int_equal(oci_process_from_tree(tree, &process, &error), 0);
        assert_int_equal(plan_exec(process, tree, ret, &error), 0);
}

static void test_host_only(void **state) {
        cleanup(exec_decision_done) ExecDecision decision = { 0 };
        cleanup_free char *text = NULL;

        (void)state;
        decide("{\"args\":[\"true\"],\"cwd\":\"/\",\"apparmorProfile\":\"own\",\"selinuxLabel\":\"a:b:c:s0\","
               "\"execCPUAffinity\":{\"final\":\"7\"},\"extra\":1,\"commandLine\":\"x\","
               "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_NOSUCH\"]}}",
               &decision);
        text = json_tree_to_text(decision.guest, false);
        assert_string_equal(text, "{\"args\":[\"true\"],\"cwd\":\"/\",\"extra\":1,\"commandLine\":\"x\","
                                  "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_NOSUCH\"]}}");
        assert_int_equal(strv_length(decision.warnings), 5);
        assert_string_equal(decision.warnings[0],
                            "process.capabilities: CAP_NOSUCH: there is no such capability");
        assert_string_equal(
                decision.warnings[1],
                "process.execCPUAffinity: CPUs of the host have other numbers inside a virtual machine");
        assert_non_null(strstr(decision.warnings[2], "process.apparmorProfile: \"own\": "));
        assert_non_null(strstr(decision.warnings[3], "process.selinuxLabel: \"a:b:c:s0\": "));
        assert_non_null(strstr(decision.warnings[4], "process.commandLine: "));
        assert_null(decision.notes);
}

static void test_of_engines(void **state) {
        cleanup(exec_decision_done) ExecDecision decision = { 0 };

        (void)state;
        decide("{\"args\":[\"true\"],\"cwd\":\"/\",\"apparmorProfile\":\"docker-default\"}", &decision);
        assert_null(decision.warnings);
        assert_int_equal(strv_length(decision.notes), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_host_only),
                cmocka_unit_test(test_of_engines),
        };

        return cmocka_run_group_tests_name("plan-exec", tests, NULL, NULL);
}
