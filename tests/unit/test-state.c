/* SPDX-License-Identifier: Apache-2.0 */

/* The legality table, whole: a change in it must be made twice. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/oci/state.h"

#define NOT_RUNNING "container not running"
#define NOT_PAUSED  "container not paused"

static void test_operations(void **state) {
        /* in the order creating, created, running, paused, stopped */
        static const char *const expected[_OCI_OPERATION_MAX][_OCI_STATUS_MAX] = {
                [OCI_START] = { "cannot start a container in the creating state", NULL,
                                "cannot start an already running container",
                                "cannot start a container in the paused state",
                                "cannot start a container that has stopped" },
                [OCI_KILL] = { NOT_RUNNING, NULL, NULL, NULL, NOT_RUNNING },
                [OCI_KILL_ALL] = { NOT_RUNNING, NULL, NULL, NULL, NULL },
                [OCI_DELETE] = { "cannot delete container c1 that is not stopped: creating", NULL,
                                 "cannot delete container c1 that is not stopped: running",
                                 "cannot delete container c1 that is not stopped: paused", NULL },
                [OCI_DELETE_FORCE] = { NULL },
                [OCI_EXEC] = { "cannot exec in a creating container", NULL, NULL,
                               "cannot exec in a paused container (use --ignore-paused to override)",
                               "cannot exec in a stopped container" },
                [OCI_EXEC_IGNORE_PAUSED] = { "cannot exec in a creating container", NULL, NULL, NULL,
                                             "cannot exec in a stopped container" },
                [OCI_PAUSE] = { NOT_RUNNING, NULL, NULL, NOT_RUNNING, NOT_RUNNING },
                [OCI_RESUME] = { NOT_PAUSED, NOT_PAUSED, NOT_PAUSED, NULL, NOT_PAUSED },
                [OCI_UPDATE] = { NOT_RUNNING, NULL, NULL, NULL, NOT_RUNNING },
                [OCI_PS] = { NOT_RUNNING, NULL, NULL, NULL, NULL },
                [OCI_EVENTS] = { "container with id c1 is not running", NULL, NULL, NULL,
                                 "container with id c1 is not running" },
        };

        (void)state;
        for (OciOperation op = 0; op < _OCI_OPERATION_MAX; op++)
                for (OciStatus status = 0; status < _OCI_STATUS_MAX; status++) {
                        cleanup_error Error err = { 0 };
                        int r = oci_check_operation(status, op, "c1", &err);
                        const char *words = expected[op][status];

                        if (words ? r >= 0 || strcmp(err.message, words) != 0 : r != 0)
                                fail_msg("operation %d when %s: %s, expected %s", op, oci_status_name(status),
                                         err.message ? err.message : "legal", words ? words : "legal");
                }
}

static void test_codes(void **state) {
        cleanup_error Error err = { 0 };

        (void)state;
        assert_int_equal(oci_check_operation(OCI_STOPPED, OCI_KILL, "c", &err), -ESRCH);
        assert_int_equal(oci_check_operation(OCI_RUNNING, OCI_START, "c", &err), -EBUSY);
        assert_int_equal(oci_error_not_found(&err), -ENOENT);
        assert_string_equal(err.message, "container does not exist");
        assert_int_equal(oci_error_exists(&err), -EEXIST);
        assert_string_equal(err.message, "container with given ID already exists");
        assert_int_equal(oci_error_not_running(&err), -ESRCH);
        assert_string_equal(err.message, "container not running");
        assert_int_equal(oci_error_already_finished(&err), -ESRCH);
        assert_string_equal(err.message, "os: process already finished");
}

static void test_status_names(void **state) {
        (void)state;
        for (OciStatus s = 0; s < _OCI_STATUS_MAX; s++)
                assert_int_equal(oci_status_from_name(oci_status_name(s)), s);
        assert_string_equal(oci_status_name(OCI_CREATED), "created");
        assert_null(oci_status_name(_OCI_STATUS_MAX));
        assert_null(oci_status_name(_OCI_STATUS_INVALID));
        assert_int_equal(oci_status_from_name("Created"), _OCI_STATUS_INVALID);
        assert_int_equal(oci_status_from_name(NULL), _OCI_STATUS_INVALID);
}

static void test_document(void **state) {
        static const char expected[] = "{\n"
                                       "  \"ociVersion\": \"1.2.0\",\n"
                                       "  \"id\": \"c1\",\n"
                                       "  \"pid\": 0,\n"
                                       "  \"status\": \"stopped\",\n"
                                       "  \"bundle\": \"/b\",\n"
                                       "  \"rootfs\": \"/b/rootfs\",\n"
                                       "  \"created\": \"2024-02-29T23:59:59.25Z\",\n"
                                       "  \"annotations\": {\n"
                                       "    \"io.carrel.gpu\": \"1\"\n"
                                       "  },\n"
                                       "  \"owner\": \"\"\n"
                                       "}";
        cleanup_oci_state OciState s = { 0 };
        cleanup_error Error err = { 0 };
        cleanup_free char *text = NULL;

        (void)state;
        assert_int_equal(json_read_text(expected, strlen(expected), NULL, oci_state_fields, &s, &err), 0);
        text = json_to_text(oci_state_fields, &s, true);
        assert_string_equal(text, expected);
}

/* What hooks get on their standard input has no more than the specification lists. */
static void test_hook_input(void **state) {
        cleanup_oci_state OciState s = { 0 };
        cleanup_free char *text = NULL;

        (void)state;
        s.oci_version = xstrdup("1.2.0");
        s.id = xstrdup("c1");
        s.pid = 42;
        s.status = xstrdup(oci_status_name(OCI_CREATING));
        s.bundle = xstrdup("/b");
        text = json_to_text(oci_state_fields, &s, false);
        assert_string_equal(text,
                            "{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"pid\":42,\"status\":\"creating\","
                            "\"bundle\":\"/b\"}");
        oci_state_done(&s);
        assert_null(s.id);
}

static void test_time(void **state) {
        static const struct {
                struct timespec when;
                const char *text;
        } cases[] = {
                { { 0, 0 }, "1970-01-01T00:00:00Z" },
                { { 1709251199, 250000000 }, "2024-02-29T23:59:59.25Z" },
                { { 1709251199, 1 }, "2024-02-29T23:59:59.000000001Z" },
                { { 1709251199, 999999999 }, "2024-02-29T23:59:59.999999999Z" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_free char *text = oci_format_time(&cases[i].when);

                assert_string_equal(text, cases[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_operations),   cmocka_unit_test(test_codes),
                cmocka_unit_test(test_status_names), cmocka_unit_test(test_document),
                cmocka_unit_test(test_hook_input),   cmocka_unit_test(test_time),
        };

        return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
