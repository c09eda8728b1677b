/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/sched.h>
#include <string.h>

#include "agent/namespaces.h"
#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "common/oci/idmap.h"

static void test_flags(void **state) {
        char pid[] = "pid", network[] = "network", cgroup[] = "cgroup", user[] = "user", time_[] = "time";
        char path[] = "/proc/1/ns/pid";
        OciNamespace namespaces[] = {
                { pid, NULL }, { network, NULL }, { cgroup, NULL }, { user, NULL }, { time_, NULL }
        };
        OciLinux linux_ = { .namespaces = namespaces, .n_namespaces = ELEMENTS_OF(namespaces) };
        cleanup_error Error error = { 0 };
        uint64_t flags = 0;

        (void)state;
        assert_int_equal(namespaces_clone_flags(&linux_, &flags, &error), 0);
        assert_int_equal(flags, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER);
        assert_int_equal(namespaces_join_flags(&linux_),
                         CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWTIME);
        assert_int_equal(namespaces_clone_flags(NULL, &flags, &error), 0);
        assert_int_equal(flags, CLONE_NEWNS);
        namespaces[0].path = path;
        assert_int_equal(namespaces_clone_flags(&linux_, &flags, &error), -ENOTSUP);
        assert_string_equal(error.message,
                            "linux.namespaces[0].path: /proc/1/ns/pid is not in the virtual machine");
}

static void test_sysctl(void **state) {
        static const struct {
                const char *name, *path; /* NULL: refused */
        } cases[] = {
                { "net.ipv4.ip_forward", "net/ipv4/ip_forward" },
                { "net/ipv4/ip_forward", "net/ipv4/ip_forward" },
                { "net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding" },
                { "net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding" },
                { "hostname", "hostname" },
                { "kernel/../x", NULL },
                { "kernel...x", NULL },
                { "..", NULL },
                { "../x", NULL },
                { ".x", NULL },
                { "/x", NULL },
                { "kernel/", NULL },
                { "kernel.", NULL },
                { "kernel./.x", NULL },
                { "kernel.//.x", NULL },
                { "", NULL },
                { "a/./b", NULL },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_error Error error = { 0 };
                cleanup_free char *path = NULL;
                int r = namespaces_sysctl_path(cases[i].name, &path, &error);

                assert_int_equal(r, cases[i].path ? 0 : -EINVAL);
                if (cases[i].path)
                        assert_string_equal(path, cases[i].path);
        }
}

static void test_map(void **state) {
        const OciIdMapping mappings[] = { { 0, 100000, 1 }, { 1, 4294967294U, 65535 } };
        cleanup_free char *text = idmap_format(mappings, ELEMENTS_OF(mappings));

        (void)state;
        assert_string_equal(text, "0 100000 1\n1 4294967294 65535\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flags),
                cmocka_unit_test(test_sysctl),
                cmocka_unit_test(test_map),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
