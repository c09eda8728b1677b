/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/qemu/firmware.h"

#define TARGET_Q35                                                                                           \
        "\"targets\":[{\"architecture\":\"aarch64\",\"machines\":[\"virt-*\"]},"                             \
        "{\"architecture\":\"x86_64\",\"machines\":[\"pc-i440fx-*\",\"pc-q35-*\"]}]"
#define FLASH                                                                                                \
        "\"mapping\":{\"device\":\"flash\",\"executable\":{\"filename\":\"/c.fd\",\"format\":\"raw\"},"      \
        "\"nvram-template\":{\"filename\":\"/v.fd\",\"format\":\"raw\"}}"
#define DESCRIPTOR(interface, mapping, target, features)                                                     \
        "{\"description\":\"x\",\"interface-types\":[" interface "]," mapping "," target                     \
        ",\"features\":[" features "],\"tags\":[]}"

static int parse(const char *text, FirmwareFact *ret) {
        cleanup_error Error err = { 0 };

        *ret = (FirmwareFact){ 0 };
        return firmware_parse("/d.json", text, strlen(text), ret, &err);
}

static void test_flash(void **state) {
        FirmwareFact f;

        (void)state;
        assert_int_equal(
                parse(DESCRIPTOR("\"bios\",\"uefi\"", FLASH, TARGET_Q35, "\"acpi-s3\",\"amd-sev\""), &f), 1);
        assert_string_equal(f.descriptor, "/d.json");
        assert_string_equal(f.executable, "/c.fd");
        assert_string_equal(f.nvram, "/v.fd");
        assert_string_equal(f.device, "flash");
        assert_true(strv_contains(f.features, "amd-sev"));
        firmware_fact_done(&f);
        assert_null(f.executable);
}

static void test_other_mappings(void **state) {
        static const struct {
                const char *mapping;
                int result;
        } cases[] = {
                { "\"mapping\":{\"device\":\"memory\",\"filename\":\"/m.fd\"}", 1 },
                { "\"mapping\":{\"device\":\"flash\",\"mode\":\"stateless\",\"executable\":{\"filename\":\"/"
                  "c.fd\"}}",
                  1 },
                { "\"mapping\":{\"device\":\"flash\",\"mode\":\"combined\",\"executable\":{\"filename\":\"/"
                  "c.fd\"}}",
                  0 },
                { "\"mapping\":{\"device\":\"flash\",\"executable\":{\"filename\":\"/"
                  "c.qcow2\",\"format\":\"qcow2\"}}",
                  0 },
                { "\"mapping\":{\"device\":\"kernel\",\"filename\":\"/k\"}", 0 },
                { "\"mapping\":{\"device\":\"flash\"}", 0 },
                { "\"mapping\":{}", -EINVAL },
                { "\"mapping\":{\"device\":\"flash\",\"executable\":{}}", -EINVAL },
                { "\"mapping\":7", -EINVAL },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_free char *text =
                        xasprintf("{\"interface-types\":[\"uefi\"],%s," TARGET_Q35 ",\"features\":[]}",
                                  cases[i].mapping);
                FirmwareFact f;
                int r = parse(text, &f);

                if (r != cases[i].result)
                        fail_msg("%s: %d", cases[i].mapping, r);
                firmware_fact_done(&f);
        }
}

static void test_not_for_us(void **state) {
        FirmwareFact f;

        (void)state;
        assert_int_equal(parse(DESCRIPTOR("\"bios\"", FLASH, TARGET_Q35, ""), &f), 0);
        assert_int_equal(parse(DESCRIPTOR("\"uefi\"", FLASH, "\"targets\":[]", ""), &f), 0);
        assert_int_equal(
                parse(DESCRIPTOR("\"uefi\"", FLASH,
                                 "\"targets\":[{\"architecture\":\"i386\",\"machines\":[\"pc-q35-*\"]},"
                                 "{\"architecture\":\"x86_64\",\"machines\":[\"microvm\",\"pc-i440fx-*\"]}]",
                                 ""),
                      &f),
                0);
        assert_int_equal(parse("", &f), -EINVAL);
        assert_int_equal(parse("[]", &f), -EINVAL);
        assert_int_equal(parse("{\"interface-types\":[\"uefi\"]}", &f), -EINVAL);
}

static void test_choice(void **state) {
        char secure[] = "secure-boot", smm[] = "requires-smm", sev[] = "amd-sev", device[] = "flash",
             path[] = "/x";
        char *with_secure[] = { secure, NULL }, *with_smm[] = { sev, smm, NULL }, *plain[] = { sev, NULL };
        FirmwareFact facts[] = {
                { .executable = path, .device = device, .features = with_secure },
                { .executable = path, .device = device, .features = with_smm },
                { .executable = path, .device = device, .features = plain },
                { .executable = path, .device = device },
        };

        (void)state;
        assert_ptr_equal(firmware_choose(facts, 4), &facts[2]);
        assert_ptr_equal(firmware_choose(facts + 3, 1), &facts[3]);
        assert_null(firmware_choose(facts, 2));
        assert_null(firmware_choose(NULL, 0));
}

static void test_virtiofsd(void **state) {
        static const char fs[] = "{\"description\":\"d\",\"type\":\"fs\",\"binary\":\"/usr/libexec/"
                                 "virtiofsd\",\"features\":[]}";
        static const char gpu[] = "{\"type\":\"gpu\",\"binary\":\"/usr/libexec/vhost-user-gpu\"}";
        cleanup_error Error err = { 0 };
        cleanup_free char *binary = NULL;

        (void)state;
        assert_int_equal(firmware_parse_virtiofsd(gpu, strlen(gpu), &binary, &err), 0);
        assert_null(binary);
        assert_int_equal(firmware_parse_virtiofsd(fs, strlen(fs), &binary, &err), 1);
        assert_string_equal(binary, "/usr/libexec/virtiofsd");
        assert_int_equal(firmware_parse_virtiofsd("{\"type\":\"fs\"}", 13, &binary, &err), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flash),      cmocka_unit_test(test_other_mappings),
                cmocka_unit_test(test_not_for_us), cmocka_unit_test(test_choice),
                cmocka_unit_test(test_virtiofsd),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
