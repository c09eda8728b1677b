/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/crc32.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/protocol/driver.h"
#include "runtime/host/driver-bundle.h"
#include "runtime/host/kernel-image.h"
#include "runtime/plan/driver.h"

#define HEAD   "\"format\": 1, \"name\": \"n\""
#define KERNEL "\"kernel\": {\"release\": \"6.1-c\", \"vermagic\": \"6.1-c SMP \"}"

static DriverManifest *manifest(const char *text) {
        cleanup_error Error err = { 0 };
        DriverManifest *m = NULL;

        if (driver_manifest_parse(text, strlen(text), true, &m, &err) < 0)
                fail_msg("%s: %s", text, err.message);
        return m;
}

static void test_good(void **state) {
        static const char *const texts[] = {
                "{" HEAD "}",
                "{" HEAD ", \"kernel\": null, \"unknown\": 1}",
                "{" HEAD ", " KERNEL
                ", \"modules\": [{\"file\": \"a/x-y.ko\"}, {\"file\": \"z.ko\", \"depends\": [\"x_y\"]}]}",
                "{" HEAD ", \"devices\": [\"10de:*\", \"10DE:2330\", \"class:03\", \"class:0302\"]}",
                "{" HEAD ", \"nodes\": [{\"path\": \"/dev/dri/*\"}, {\"path\": \"/dev/nvidia#\", \"major\": "
                "\"nvidia\", \"each\": "
                "\"/proc/driver/nvidia/gpus/*\", \"mode\": 432}]}",
                "{" HEAD ", \"wait\": [{\"device\": \"class:03\", \"paths\": "
                "[\"/sys/bus/pci/drivers/x/0000:*\"], \"timeoutMs\": 120000}]}",
                "{" HEAD ", \"env\": [\"A=b c\", \"B\"], \"libraries\": [\"lib\", \"lib/sub\"], "
                "\"programs\": [\"bin/x\"]}",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(texts); i++)
                driver_manifest_free(manifest(texts[i]));
}

static void test_refused(void **state) {
        static const struct {
                const char *text, *words;
        } cases[] = {
                { "{\"name\": \"n\"}", "format" },
                { "{\"format\": 2, \"name\": \"n\"}", "made for another carrel" },
                { "{\"format\": 1, \"name\": \"../n\"}", "name: " },
                { "{\"format\": 1, \"name\": \"auto\"}", "name: " },
                { "{" HEAD ", \"description\": \"a\\nb\"}", "description: " },
                { "{" HEAD ", \"modules\": [{\"file\": \"x.ko\"}]}", "kernel: missing" },
                { "{" HEAD ", \"kernel\": {\"release\": \"6.1\", \"vermagic\": \"6.1-c SMP \"}}",
                  "kernel.vermagic: " },
                { "{" HEAD ", \"kernel\": {\"release\": \"6 1\", \"vermagic\": \"6 1 SMP \"}}",
                  "kernel.release: " },
                { "{" HEAD ", " KERNEL ", \"modules\": [{\"file\": \"../x.ko\"}]}", "modules[0]: file: " },
                { "{" HEAD ", " KERNEL ", \"modules\": [{\"file\": \"/x.ko\"}]}", "modules[0]: file: " },
                { "{" HEAD ", " KERNEL ", \"modules\": [{\"file\": \"x.ko.xz\"}]}", "modules[0]: file: " },
                { "{" HEAD ", " KERNEL
                  ", \"modules\": [{\"file\": \"z.ko\", \"depends\": [\"x\"]}, {\"file\": \"x.ko\"}]}",
                  "modules[0]: z.ko needs module x, which is not listed before it" },
                { "{" HEAD ", \"devices\": [\"10de\"]}", "devices: " },
                { "{" HEAD ", \"devices\": [\"*:*\"]}", "devices: " },
                { "{" HEAD ", \"devices\": [\"10de:23300\"]}", "devices: " },
                { "{" HEAD ", \"devices\": [\"class:030\"]}", "devices: " },
                { "{" HEAD ", \"firmware\": \"a/../b\"}", "firmware: " },
                { "{" HEAD ", \"libraries\": [\"a:b\"]}", "libraries: " },
                { "{" HEAD ", \"programs\": [\"\"]}", "programs: " },
                { "{" HEAD ", \"nodes\": [{\"path\": \"/etc/passwd\"}]}", "nodes[0]: path: " },
                { "{" HEAD ", \"nodes\": [{\"path\": \"/dev/../etc/passwd\"}]}", "nodes[0]: path: " },
                { "{" HEAD ", \"nodes\": [{\"path\": \"/dev/x\", \"minor\": 1}]}", "nodes[0]: minor" },
                { "{" HEAD ", \"nodes\": [{\"path\": \"/dev/x#\", \"major\": \"x\"}]}", "nodes[0]: each" },
                { "{" HEAD ", \"nodes\": [{\"path\": \"/dev/x*\", \"major\": \"x\"}]}", "nodes[0]: path: " },
                { "{" HEAD ", \"nodes\": [{\"path\": \"/dev/x\", \"major\": \"x\", \"minor\": 1048576}]}",
                  "nodes[0]: minor" },
                { "{" HEAD ", \"nodes\": [{\"path\": \"/dev/x\", \"mode\": 2541}]}", "nodes[0]: mode" },
                { "{" HEAD ", \"wait\": [{\"paths\": []}]}", "wait[0].paths" },
                { "{" HEAD ", \"wait\": [{\"paths\": [\"/tmp/x\"]}]}", "wait[0]: paths: " },
                { "{" HEAD ", \"wait\": [{\"paths\": [\"/dev/x\"], \"timeoutMs\": 120001}]}",
                  "wait[0]: timeoutMs: " },
                { "{" HEAD ", \"wait\": [{\"paths\": [\"/dev/x\"], \"device\": \"any\"}]}",
                  "wait[0]: device: " },
                { "{" HEAD ", \"env\": [\"=x\"]}", "env: " },
                { "[]", "expected an object" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_error Error err = { 0 };
                DriverManifest *m = NULL;

                assert_int_equal(driver_manifest_parse(cases[i].text, strlen(cases[i].text), true, &m, &err),
                                 -EINVAL);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s: %s", cases[i].text, err.message);
        }
}

/* As people write it, the kernel is not yet known. */
static void test_incomplete(void **state) {
        static const char text[] = "{" HEAD ", \"modules\": [{\"file\": \"x.ko\"}]}";
        cleanup(driver_manifest_freep) DriverManifest *m = NULL;
        cleanup_error Error err = { 0 };

        (void)state;
        assert_int_equal(driver_manifest_parse(text, strlen(text), false, &m, &err), 0);
        assert_null(m->kernel);
}

static void test_limits(void **state) {
        cleanup_error Error err = { 0 };
        StrBuf b = { 0 };
        cleanup_free char *text = NULL;
        DriverManifest *m = NULL;

        (void)state;
        strbuf_puts(&b, "{" HEAD ", \"devices\": [\"10de:*\"");
        for (unsigned i = 0; i < DRIVER_DEVICES_MAX; i++)
                strbuf_puts(&b, ",\"10de:*\"");
        strbuf_puts(&b, "]}");
        text = strbuf_take(&b);
        assert_int_equal(driver_manifest_parse(text, strlen(text), true, &m, &err), -E2BIG);
}

static void test_module_names(void **state) {
        cleanup_free char *a = driver_module_name("modules/nvidia-uvm.ko"), *b = driver_module_name("x_y");

        (void)state;
        assert_string_equal(a, "nvidia_uvm");
        assert_string_equal(b, "x_y");
}

/* ---- choosing ---- */

static void test_choose(void **state) {
        static const DriverDevice h100 = { .vendor = 0x10de, .device = 0x2330, .class = 0x030200 };
        static const DriverDevice audio = { .vendor = 0x10de, .device = 0x22ba, .class = 0x040300 };
        static const DriverDevice other = { .vendor = 0x1234, .device = 0x1111, .class = 0x030000 };
        static const DriverDevice disk = { .vendor = 0x1b36, .device = 0x0010, .class = 0x010802 };
        DriverFact drivers[] = {
                { .manifest = manifest("{\"format\": 1, \"name\": \"class\", \"devices\": [\"class:03\"]}") },
                { .manifest = manifest(
                          "{\"format\": 1, \"name\": \"vendor\", \"devices\": [\"1af4:*\", \"10de:*\"]}") },
                { .manifest =
                          manifest("{\"format\": 1, \"name\": \"exact\", \"devices\": [\"10de:2330\"]}") },
                { .manifest = manifest("{\"format\": 1, \"name\": \"rival\", \"devices\": [\"10de:*\"]}") },
                { .manifest = manifest("{\"format\": 1, \"name\": \"nothing\"}") },
        };
        const DriverFact *chosen = NULL;
        cleanup_error Error err = { 0 };

        (void)state;
        assert_int_equal(driver_choose(drivers, 5, &h100, 1, &chosen, &err), 0);
        assert_string_equal(chosen->manifest->name, "exact");
        assert_int_equal(driver_choose(drivers, 5, (DriverDevice[]){ audio, h100 }, 2, &chosen, &err), 0);
        assert_string_equal(chosen->manifest->name, "exact");
        assert_int_equal(driver_choose(drivers, 2, &h100, 1, &chosen, &err), 0);
        assert_string_equal(chosen->manifest->name, "vendor");
        assert_int_equal(driver_choose(drivers, 5, &other, 1, &chosen, &err), 0);
        assert_string_equal(chosen->manifest->name, "class");
        assert_int_equal(driver_choose(drivers, 5, &disk, 1, &chosen, &err), 0);
        assert_null(chosen);
        assert_int_equal(driver_choose(drivers, 5, &audio, 1, &chosen, &err), -ENOTUNIQ);
        assert_non_null(strstr(err.message, "\"vendor\" and \"rival\""));
        for (size_t i = 0; i < ELEMENTS_OF(drivers); i++)
                driver_manifest_free(drivers[i].manifest);
}

static void test_kernel(void **state) {
        cleanup(driver_manifest_freep) DriverManifest *m = manifest("{" HEAD ", " KERNEL "}"),
                                                      *any = manifest("{" HEAD "}");
        cleanup_error Error err = { 0 };

        (void)state;
        assert_int_equal(driver_check_kernel(m, "6.1-c SMP ", &err), 0);
        assert_int_equal(driver_check_kernel(any, "5 ", &err), 0);
        assert_int_equal(driver_check_kernel(m, "6.1-d SMP ", &err), -EINVAL);
        assert_non_null(strstr(err.message, "was built for kernel 6.1-c, the guest kernel is 6.1-d: "));
        error_clear(&err);
        assert_int_equal(driver_check_kernel(m, "6.1-c SMP modversions ", &err), -EINVAL);
        assert_non_null(strstr(err.message, "the guest kernel is \"6.1-c SMP modversions \": "));
}

/* ---- files ---- */

/* What `finish` writes is what `parse` reads. */
static void test_file(void **state) {
        cleanup(driver_manifest_freep) DriverManifest *m = manifest("{" HEAD ", " KERNEL "}"), *again = NULL;
        cleanup_free char *data = xnew(char, 2 * DRIVER_BLOCK);
        static const uint8_t magic[] = { 0xe2, 0xe1, 0xf5, 0xe0 };
        cleanup_error Error err = { 0 };
        cleanup_close int fd = -1;
        uint64_t image = 0;
        ByteSource source = { .data = (const uint8_t *)data, .fd = -1, .size = 2ULL * DRIVER_BLOCK };

        (void)state;
        assert_int_equal(fd_new_memfd("bundle", data, DRIVER_BLOCK, &fd, &err), 0);
        assert_int_equal(pwrite(fd, magic, sizeof(magic), 1024), sizeof(magic));
        assert_int_equal(driver_bundle_finish(fd, m, &err), 0);
        assert_int_equal(pread(fd, data, 2 * DRIVER_BLOCK, 0), 2 * DRIVER_BLOCK);
        assert_int_equal(driver_bundle_parse(&source, &again, &image, &err), 0);
        assert_int_equal(image, DRIVER_BLOCK);
        assert_string_equal(again->kernel->release, "6.1-c");

        again = driver_manifest_free(again);
        source.size -= DRIVER_BLOCK; /* half of it */
        assert_int_equal(driver_bundle_parse(&source, &again, &image, &err), -EINVAL);
        source.size += DRIVER_BLOCK;
        error_clear(&err);
        data[DRIVER_BLOCK + 10] ^= 1; /* of the manifest */
        assert_int_equal(driver_bundle_parse(&source, &again, &image, &err), -EBADMSG);
        data[DRIVER_BLOCK + 10] ^= 1;
        error_clear(&err);
        data[2 * DRIVER_BLOCK - DRIVER_FOOTER + 7] = 1; /* an image of 2^56 bytes */
        assert_int_equal(driver_bundle_parse(&source, &again, &image, &err), -EINVAL);
        assert_non_null(strstr(err.message, "damaged"));
}

static void test_image(void **state) {
        cleanup(driver_manifest_freep) DriverManifest *m = manifest("{" HEAD ", " KERNEL "}");
        cleanup_free char *data = xnew(char, 3 * 1048576U + DRIVER_BLOCK), *path = NULL;
        cleanup_error Error err = { 0 };
        cleanup_close int fd = -1;

        (void)state;
        assert_int_equal(fd_new_memfd("bundle", data, 3 * 1048576U + DRIVER_BLOCK, &fd, &err), 0);
        path = xasprintf("/proc/self/fd/%d", fd);
        assert_int_equal(driver_bundle_finish(fd, m, &err), 0);
        assert_int_equal(driver_bundle_check_image(AT_FDCWD, path, &err), 0);
        assert_int_equal(pwrite(fd, "x", 1, 3 * 1048576 + 100), 1);
        assert_int_equal(driver_bundle_check_image(AT_FDCWD, path, &err), -EBADMSG);
        assert_non_null(strstr(err.message, "damaged"));
}

/* The check value that everybody gives for this sum, in pieces and at any place. */
static void test_checksum(void **state) {
        static const uint8_t digits[9] = { '1', '2', '3', '4', '5', '6', '7', '8', '9' };
        uint8_t text[64];

        (void)state;
        assert_int_equal(crc32_add(0, digits, 9), 0xcbf43926U);
        assert_int_equal(crc32_add(0, "", 0), 0);
        for (size_t i = 0; i <= 9; i++)
                assert_int_equal(crc32_add(crc32_add(0, digits, i), digits + i, 9 - i), 0xcbf43926U);
        for (size_t i = 0; i < 9; i++) {
                memset(text, 0, sizeof(text));
                memcpy(text + i, digits, 9);
                assert_int_equal(crc32_add(0, text + i, 9), 0xcbf43926U);
        }
        /* of 40 zeros */
        assert_int_equal(crc32_add(0, (const char[40]){ 0 }, 40), 0xe9ec3db1U);
}

static void test_vermagic(void **state) {
        cleanup_error Error err = { 0 };
        char *text = NULL;

        (void)state;
        /* the made-up kernels of tests/data have none: they are no kernels */
        assert_int_equal(kernel_image_vermagic(AT_FDCWD, TEST_DATA "/kernels/good.config", &text, &err),
                         -EINVAL);
        assert_non_null(strstr(err.message, "good.config: "));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),         cmocka_unit_test(test_refused),
                cmocka_unit_test(test_incomplete),   cmocka_unit_test(test_limits),
                cmocka_unit_test(test_choose),       cmocka_unit_test(test_kernel),
                cmocka_unit_test(test_module_names), cmocka_unit_test(test_file),
                cmocka_unit_test(test_vermagic),     cmocka_unit_test(test_image),
                cmocka_unit_test(test_checksum),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
