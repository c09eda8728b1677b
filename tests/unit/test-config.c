/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/config.h"

/* The configuration of some files, in their order; a refusal ends the test. */
static RuntimeConfig *configuration(const char *const *files) {
        cleanup_json Json *merged = json_new_object();
        cleanup_error Error err = { 0 };
        RuntimeConfig *config = NULL;

        for (; *files; files++)
                if (runtime_config_merge(merged, *files, strlen(*files), &err) < 0)
                        fail_msg("%s: %s", *files, err.message);
        if (runtime_config_from_tree(merged, &config, &err) < 0)
                fail_msg("%s", err.message);
        return config;
}

#define CONFIGURATION(...) configuration((const char *const[]){ __VA_ARGS__, NULL })

static void test_defaults(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        cleanup_error Error err = { 0 };

        (void)state;
        assert_int_equal(runtime_config_check(config, &err), 0);
        for (const JsonField *field = runtime_config_fields; field->key; field++) {
                assert_non_null(field->doc);
                assert_non_null(strstr(field->doc, "Default: "));
                assert_ptr_equal(runtime_config_field(field->key), field);
        }
        assert_null(runtime_config_field("vcpu"));
}

/* What is printed is a file that means the same. */
static void test_round_trip(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config =
                CONFIGURATION("{\"vcpus\":3,\"kernelAppend\":\"a \\\"b\\\" // "
                              "c\",\"allowAnnotations\":[],\"qemu\":\"/q/ü\",\"consoleLimit\":0}");
        cleanup_free char *plain = runtime_config_to_text(config, false);
        cleanup_free char *documented = runtime_config_to_text(config, true);
        cleanup(runtime_config_freep) RuntimeConfig *again = CONFIGURATION(documented);
        cleanup_free char *plain_again = runtime_config_to_text(again, false);

        (void)state;
        assert_string_equal(plain, plain_again);
        assert_non_null(strstr(documented, "// Processors of the guest."));
        assert_null(strstr(plain, "Processors"));
        assert_int_equal(again->vcpus, 3);
        assert_int_equal(again->console_limit, 0);
        assert_int_equal(strv_length(again->allow_annotations), 0);
}

static void test_later_keys_win(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config =
                CONFIGURATION("/* all */ {\"vcpus\":1,\"memoryMiB\":512,\"firmware\":\"ovmf\"}",
                              "{\"vcpus\":2, // more\n\"allowAnnotations\":[\"firmware\"]}",
                              "{\"firmware\":null}", "{}");

        (void)state;
        assert_int_equal(config->vcpus, 2);
        assert_int_equal(config->memory_mib, 512);
        assert_string_equal(config->firmware, "auto");
        assert_int_equal(strv_length(config->allow_annotations), 1);
}

static void test_refused_files(void **state) {
        static const struct {
                const char *text, *words;
        } cases[] = {
                { "{\"vcpu\":1}", "vcpu: no such key; did you mean vcpus?" },
                { "{\"memorymib\":1}", "memorymib: no such key; did you mean memoryMiB?" },
                { "{\"memory\":1}", "memory: no such key; did you mean memoryMiB?" },
                { "{\"hypervisorBinaryOfTheMachine\":1}", "hypervisorBinaryOfTheMachine: no such key" },
                { "{\"\":1}", ": no such key" },
                { "{\"vcpus\":-1}", "vcpus: expected an integer from 0 to 4294967295, found -1" },
                { "{\"vcpus\":\"1\"}", "vcpus: expected an unsigned integer, found \"1\"" },
                { "{\"vcpus\":256}", "vcpus: expected 0 or a number from 1 to 255, found 256" },
                { "{\"memoryMiB\":127}",
                  "memoryMiB: expected 0 or a number from 128 to 67108864, found 127" },
                { "{\"bootTimeoutMs\":0}", "bootTimeoutMs: expected a number from 1000 to 3600000, found 0" },
                { "{\"consoleLimit\":1}",
                  "consoleLimit: expected 0 or a number from 4096 to 1073741824, found 1" },
                { "{\"accelerator\":\"KVM\"}",
                  "accelerator: expected \"auto\", \"kvm\" or \"tcg\", found \"KVM\"" },
                { "{\"firmware\":\"auto none\"}",
                  "firmware: expected \"auto\", \"none\", \"seabios\" or \"ovmf\", found \"auto none\"" },
                { "{\"share\":\"\"}", "share: expected \"auto\", \"virtiofs\" or \"9p\", found \"\"" },
                { "{\"virtiofsCache\":\"never\"}",
                  "virtiofsCache: expected \"auto\", \"always\" or \"none\", found \"never\"" },
                { "{\"initrd\":\"initrd\"}", "initrd: expected an absolute path, found \"initrd\"" },
                { "{\"qemuUser\":\"\"}", "qemuUser: expected the name or number of a user, found \"\"" },
                { "{\"kernelAppend\":\"a\\nb\"}",
                  "kernelAppend: expected words on one line, found \"a\\x0ab\"" },
                { "{\"allowAnnotations\":[\"vcpu\"]}",
                  "allowAnnotations: expected keys of this file, or \"*\", found \"vcpu\"" },
                { "[]", "expected an object, found an array" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_json Json *merged = json_new_object();
                cleanup(runtime_config_freep) RuntimeConfig *config = NULL;
                cleanup_error Error err = { 0 };
                int r = runtime_config_merge(merged, cases[i].text, strlen(cases[i].text), &err);

                if (r >= 0)
                        r = runtime_config_from_tree(merged, &config, &err);
                if (r >= 0 || strcmp(err.message, cases[i].words) != 0)
                        fail_msg("%s: %s", cases[i].text, r < 0 ? err.message : "accepted");
        }
}

/* Applies one annotation; NULL: done, else what was said against it. Owned by the caller. */
static char *annotate(RuntimeConfig *config, const char *key, const char *value) {
        cleanup_error Error err = { 0 };
        StrMap map = { 0 };
        int r;

        str_map_set(&map, key, value);
        r = runtime_config_apply_annotations(config, &map, &err);
        str_map_set(&map, key, NULL);
        free(map.keys);
        free(map.values);
        return r < 0 ? xstrdup(err.message) : NULL;
}

static void test_annotations(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config =
                CONFIGURATION("{\"allowAnnotations\":[\"vcpus\",\"memoryMiB\",\"kernelAppend\",\"qemu\"]}");

        (void)state;
        assert_null(annotate(config, "io.carrel.vcpus", "7"));
        assert_null(annotate(config, "io.carrel.memoryMiB", "4096"));
        assert_null(annotate(config, "io.carrel.kernelAppend", "a b"));
        assert_null(annotate(config, "io.carrel.gpu", "all"));
        assert_null(annotate(config, "io.carrel.", "x"));
        assert_null(annotate(config, "com.example.vcpus", "9"));
        assert_int_equal(config->vcpus, 7);
        assert_int_equal(config->memory_mib, 4096);
        assert_string_equal(config->kernel_append, "a b");
}

static void test_refused_annotations(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config = CONFIGURATION("{\"vcpus\":2}");
        static const struct {
                const char *key, *value, *words;
        } cases[] = {
                { "io.carrel.qemu", "/bin/sh",
                  "annotation io.carrel.qemu: not allowed; an administrator allows it by adding \"qemu\" to "
                  "\"allowAnnotations\" in "
                  "carrel's configuration" },
                { "io.carrel.allowAnnotations", "*", "annotation io.carrel.allowAnnotations: never allowed" },
                { "io.carrel.vcpus", "", "annotation io.carrel.vcpus: expected a number, found \"\"" },
                { "io.carrel.vcpus", "-1", "annotation io.carrel.vcpus: expected a number, found \"-1\"" },
                { "io.carrel.vcpus", "4294967296",
                  "annotation io.carrel.vcpus: expected a number, found \"4294967296\"" },
                { "io.carrel.vcpus", "1000",
                  "annotation io.carrel.vcpus: expected 0 or a number from 1 to 255, found 1000" },
                { "io.carrel.memoryMiB", "1 GiB",
                  "annotation io.carrel.memoryMiB: expected a number, found \"1 GiB\"" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_free char *words = annotate(config, cases[i].key, cases[i].value);

                assert_non_null(words);
                assert_string_equal(words, cases[i].words);
                assert_int_equal(config->vcpus, 2);
        }
}

static void test_all_annotations(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config = CONFIGURATION("{\"allowAnnotations\":[\"*\"]}");
        cleanup_free char *words = NULL;

        (void)state;
        assert_null(annotate(config, "io.carrel.initrd", "/x"));
        assert_null(annotate(config, "io.carrel.accelerator", "tcg"));
        words = annotate(config, "io.carrel.allowAnnotations", "vcpus");
        assert_non_null(words);
        assert_string_equal(config->initrd, "/x");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),        cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_later_keys_win),  cmocka_unit_test(test_refused_files),
                cmocka_unit_test(test_annotations),     cmocka_unit_test(test_refused_annotations),
                cmocka_unit_test(test_all_annotations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
