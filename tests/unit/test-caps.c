/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/caps.h"
#include "common/base/fd.h"
#include "common/base/str.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static void test_names(void **state) {
        char chown[] = "CAP_CHOWN", last[] = "CAP_CHECKPOINT_RESTORE", unknown[] = "CAP_NO_SUCH_THING";
        char raw[] = "CAP_NET_RAW", kill[] = "CAP_KILL";
        char *bounding[] = { chown, last, unknown, NULL }, *permitted[] = { chown, raw, unknown, NULL };
        char *inheritable[] = { raw, kill, NULL };
        OciCapabilities capabilities = {
                .bounding = bounding,
                .permitted = permitted,
                .inheritable = inheritable,
                .ambient = bounding,
        };
        cleanup_strv char **left_out = NULL;
        CapSets sets;

        (void)state;
        caps_parse(&capabilities, &sets, &left_out);
        assert_int_equal(sets.bounding, BIT(CAP_CHOWN) | BIT(CAP_CHECKPOINT_RESTORE));
        assert_int_equal(sets.permitted, BIT(CAP_CHOWN) | BIT(CAP_NET_RAW));
        assert_int_equal(sets.inheritable, BIT(CAP_KILL) | BIT(CAP_NET_RAW));
        assert_int_equal(sets.effective, 0);
        /* chown is permitted, but not inheritable */
        assert_int_equal(sets.ambient, 0);
        assert_int_equal(strv_length(left_out), 1);
        assert_string_equal(left_out[0], unknown);
}

static void test_none(void **state) {
        CapSets sets = { 1, 1, 1, 1, 1 };

        (void)state;
        caps_parse(NULL, &sets, NULL);
        assert_int_equal(sets.bounding | sets.effective | sets.inheritable | sets.permitted | sets.ambient,
                         0);
}

/* The five sets of the calling process as /proc shows them: Inh Prm Eff Bnd Amb. */
static int current_sets(char **ret, Error *err) {
        cleanup_free char *text = NULL;
        cleanup_strv char **lines = NULL, **sets = NULL;

        if (file_read(AT_FDCWD, "/proc/self/status", 65536, &text, NULL, err) < 0)
                return -err->code;
        lines = strv_split(text, "\n");
        STRV_FOR_EACH (line, lines)
                if (str_after(*line, "Cap"))
                        strv_append(&sets, *line + strlen("CapInh:\t"));
        *ret = strv_join(sets, " ");
        return 0;
}

/* In a child: 0 when all went well. */
static int become(const CapSets *sets) {
        cleanup_error Error error = { 0 };
        cleanup_free char *text = NULL;

        if (caps_drop_bounding(sets, &error) < 0 || caps_keep_over_setuid(&error) < 0)
                return 1;
        if (setresuid(1000, 1000, 1000) < 0)
                return 2;
        if (caps_apply(sets, &error) < 0 || current_sets(&text, &error) < 0)
                return 3;
        return strcmp(text, "0000000000002000 0000000000002001 0000000000000001 0000000000002021 "
                            "0000000000002000");
}

static void test_apply(void **state) {
        const CapSets sets = {
                .bounding = BIT(CAP_CHOWN) | BIT(CAP_KILL) | BIT(CAP_NET_RAW),
                .permitted = BIT(CAP_CHOWN) | BIT(CAP_NET_RAW),
                .effective = BIT(CAP_CHOWN),
                .inheritable = BIT(CAP_NET_RAW),
                .ambient = BIT(CAP_NET_RAW),
        };
        int status;
        pid_t pid;

        (void)state;
        if (geteuid() != 0)
                skip();
        pid = fork();
        if (pid == 0)
                _exit(become(&sets));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_none),
                cmocka_unit_test(test_apply),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
