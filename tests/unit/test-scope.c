/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/mem.h"
#include "runtime/host/scope.h"

static void check(const char *path, const char *slice, const char *unit, const char *expected) {
        cleanup(scope_freep) Scope *scope = NULL;
        cleanup_error Error error = { 0 };

        if (scope_parse(path, "id", &scope, &error) < 0)
                fail_msg("%s: %s", path, error.message);
        assert_string_equal(scope->slice, slice);
        assert_string_equal(scope->unit, unit);
        assert_string_equal(scope->path, expected);
}

static void test_names(void **state) {
        (void)state;
        check(NULL, "system.slice", "carrel-id.scope", "/system.slice/carrel-id.scope");
        check("", "system.slice", "carrel-id.scope", "/system.slice/carrel-id.scope");
        check(":docker:x", "system.slice", "docker-x.scope", "/system.slice/docker-x.scope");
        check("machine.slice:libpod:x", "machine.slice", "libpod-x.scope", "/machine.slice/libpod-x.scope");
        check("a.slice::x", "a.slice", "x.scope", "/a.slice/x.scope");
        check("-.slice:docker:x", "-.slice", "docker-x.scope", "/docker-x.scope");
        check("kubepods-burstable-pod1_2.slice:cri-containerd:x", "kubepods-burstable-pod1_2.slice",
              "cri-containerd-x.scope",
              "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
              "cri-containerd-x.scope");
}

static void test_refusals(void **state) {
        static const char *const bad[] = {
                "/docker/x",    "a.slice",        "a.slice:b",     "a.slice:b:c:d", "a:b:c",
                ".slice:b:c",   "a.slice:b:",     "/a.slice:b:c",  "a/b.slice:b:c", "../a.slice:b:c",
                "a-.slice:b:c", "a--b.slice:b:c", "a.slice:b/c:d", "a.slice:b:c/d", "a.slice:b:c.slice",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
                cleanup_error Error error = { 0 };
                Scope *scope = NULL;

                assert_int_equal(scope_parse(bad[i], "id", &scope, &error), -EINVAL);
                assert_null(scope);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
