/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "common/base/cleanup.h"
#include "common/oci/names.h"

static void test_rlimits(void **state) {
        (void)state;
        assert_int_equal(oci_rlimit_number("RLIMIT_NOFILE"), RLIMIT_NOFILE);
        assert_int_equal(oci_rlimit_number("RLIMIT_CPU"), RLIMIT_CPU);
        assert_int_equal(oci_rlimit_number("RLIMIT_RTTIME"), RLIMIT_RTTIME);
        assert_int_equal(oci_rlimit_number("NOFILE"), -1);
        assert_int_equal(oci_rlimit_number("RLIMIT_nofile"), -1);
        assert_int_equal(oci_rlimit_number(""), -1);
}

static void test_namespaces(void **state) {
        static const struct {
                const char *type;
                int flag;
        } cases[] = {
                { "pid", CLONE_NEWPID },    { "network", CLONE_NEWNET },   { "mount", CLONE_NEWNS },
                { "ipc", CLONE_NEWIPC },    { "uts", CLONE_NEWUTS },       { "user", CLONE_NEWUSER },
                { "time", 0x80 /* new */ }, { "cgroup", CLONE_NEWCGROUP },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                assert_int_equal(oci_namespace_flag(cases[i].type), cases[i].flag);
                assert_string_equal(oci_namespace_name(cases[i].flag), cases[i].type);
        }
        assert_int_equal(oci_namespace_flag("net"), 0);
        assert_null(oci_namespace_name(CLONE_VM));
}

static void test_signals(void **state) {
        static const struct {
                const char *name;
                int number;
        } cases[] = {
                { "SIGTERM", 15 },
                { "TERM", 15 },
                { "term", 15 },
                { "sigTerm", 15 },
                { "15", 15 },
                { "0", 0 },
                { "64", 64 },
                { "KILL", 9 },
                { "WINCH", SIGWINCH },
                { "SIGCLD", SIGCHLD },
                { "IOT", SIGABRT },
                { "POLL", SIGIO },
                { "RTMIN", 34 },
                { "SIGRTMIN+3", 37 },
                { "RTMIN+0", 34 },
                { "rtmin+30", 64 },
                { "RTMAX", 64 },
                { "SIGRTMAX-1", 63 },
                { "RTMAX-30", 34 },
                { "SIGRTMIN+15", 49 },
                { "65", -1 },
                { "-1", -1 },
                { "", -1 },
                { "SIG", -1 },
                { "FOO", -1 },
                { "SIGSIGTERM", -1 },
                { "15 ", -1 },
                { "0x0f", -1 },
                { "RTMIN+31", -1 },
                { "RTMAX-31", -1 },
                { "RTMIN-1", -1 },
                { "RTMIN+", -1 },
                { "99999999999999999999", -1 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
                if (oci_signal_number(cases[i].name) != cases[i].number)
                        fail_msg("\"%s\" is %d, not %d", cases[i].name, oci_signal_number(cases[i].name),
                                 cases[i].number);
}

static void test_signal_names(void **state) {
        (void)state;
        assert_string_equal(oci_signal_name(SIGABRT), "SIGABRT");
        assert_string_equal(oci_signal_name(SIGCHLD), "SIGCHLD");
        assert_string_equal(oci_signal_name(SIGIO), "SIGIO");
        assert_string_equal(oci_signal_name(37), "SIGRTMIN+3");
        assert_null(oci_signal_name(0));
        assert_null(oci_signal_name(32));
        assert_null(oci_signal_name(65));
        for (int n = 1; n <= 64; n++)
                if (n != 32 && n != 33) {
                        assert_non_null(oci_signal_name(n));
                        assert_int_equal(oci_signal_number(oci_signal_name(n)), n);
                }
}

static void test_words(void **state) {
        (void)state;
        assert_true(oci_is_capability("CAP_CHECKPOINT_RESTORE"));
        assert_string_equal(oci_capability_name(0), "CAP_CHOWN");
        assert_string_equal(oci_capability_name(CAP_LAST_CAP), "CAP_CHECKPOINT_RESTORE");
        assert_null(oci_capability_name(CAP_LAST_CAP + 1));
        assert_false(oci_is_capability("CAP_NOSUCH"));
        assert_false(oci_is_capability("CAP_"));
        assert_false(oci_is_capability("cap_kill"));
        assert_false(oci_is_capability("CAP_KILL "));
        assert_true(oci_is_seccomp_action("SCMP_ACT_ERRNO"));
        assert_false(oci_is_seccomp_action("SCMP_CMP_EQ"));
        assert_true(oci_is_seccomp_operator("SCMP_CMP_MASKED_EQ"));
        assert_true(oci_is_scheduler_policy("SCHED_DEADLINE"));
        assert_true(oci_is_io_priority_class("IOPRIO_CLASS_IDLE"));
        assert_true(oci_is_propagation("rslave"));
        assert_false(oci_is_propagation(""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rlimits), cmocka_unit_test(test_namespaces),
                cmocka_unit_test(test_signals), cmocka_unit_test(test_signal_names),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
