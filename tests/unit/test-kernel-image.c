/* SPDX-License-Identifier: Apache-2.0 */

/* Kernel images: what is recognised and what is refused with which words, and the comparison of configurations. The
 * images are made by tests/data/kernels/make.py. */

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/host/kernel-config-check.h"
#include "runtime/host/kernel-image.h"

#define KERNELS TEST_DATA "/kernels"

static int open_kernels(void) {
        int fd = open(KERNELS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void test_quick_check(void **state) {
        static const struct {
                const char *name;
                KernelNeeds needs;
                const char *error; /* NULL: it is fine */
        } cases[] = {
                { "vmlinux", KERNEL_NEEDS_DIRECT, NULL },
                { "bzimage-gzip", KERNEL_NEEDS_DIRECT, NULL },
                { "bzimage-no-efi", KERNEL_NEEDS_DIRECT, NULL },
                { "bzimage-gzip", KERNEL_NEEDS_UEFI, NULL },
                { "vmlinux", KERNEL_NEEDS_UEFI,
                  "vmlinux: an ELF kernel, which OVMF cannot start: give it the bzImage (vmlinuz)" },
                { "bzimage-no-efi", KERNEL_NEEDS_UEFI,
                  "bzimage-no-efi: built without CONFIG_EFI_STUB: under OVMF such a kernel finds no ACPI "
                  "tables, has one "
                  "CPU and no working GPU" },
                { "vmlinux-no-pvh", KERNEL_NEEDS_DIRECT,
                  "vmlinux-no-pvh: an ELF kernel without a PVH entry (CONFIG_PVH is off): it can only be "
                  "started as a "
                  "bzImage (vmlinuz)" },
                { "vmlinux-arm64", KERNEL_NEEDS_DIRECT,
                  "vmlinux-arm64: an ELF file for another kind of machine than x86-64 (class 2, machine "
                  "183)" },
                { "bzimage-truncated", KERNEL_NEEDS_DIRECT,
                  "bzimage-truncated: a truncated bzImage: its header says 2000 bytes, the file has 1200" },
                { "bzimage-32bit", KERNEL_NEEDS_DIRECT,
                  "bzimage-32bit: a 32-bit kernel; carrel needs a 64-bit one" },
                { "bzimage-old", KERNEL_NEEDS_DIRECT,
                  "bzimage-old: a kernel older than Linux 3.8 (boot protocol 2.10)" },
                { "initrd.gz", KERNEL_NEEDS_DIRECT,
                  "initrd.gz: not a kernel: gzip data, perhaps an initrd or a packed vmlinux: unpack it" },
                { "make.py", KERNEL_NEEDS_DIRECT, "make.py: not a kernel: a script" },
                { "missing", KERNEL_NEEDS_DIRECT, "missing: No such file or directory" },
                { ".", KERNEL_NEEDS_DIRECT, ".: a folder, not a kernel" },
                { "/dev/null", KERNEL_NEEDS_DIRECT, "/dev/null: not a regular file" },
        };
        cleanup_close int dir = open_kernels();

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_error Error e = { 0 };
                int r = kernel_image_check(dir, cases[i].name, cases[i].needs, &e);

                if (cases[i].error) {
                        assert_int_equal(r, -e.code);
                        assert_string_equal(e.message, cases[i].error);
                } else {
                        if (r < 0)
                                print_error("%s\n", e.message);
                        assert_int_equal(r, 0);
                }
        }
}

/* Every way of packing that this build knows gives the same configuration. */
static void test_packed(void **state) {
        static const struct {
                const char *name;
                PackFormat packed;
                bool known;
        } cases[] = {
                { "bzimage-gzip", PACK_GZIP, true },    { "bzimage-xz", PACK_XZ, true },
                { "bzimage-lzma", PACK_LZMA, true },    { "bzimage-zstd", PACK_ZSTD, true },
                { "bzimage-lz4", PACK_LZ4, true },      { "bzimage-none", PACK_ELF, true },
                { "bzimage-bzip2", PACK_BZIP2, false },
        };
        cleanup_close int dir = open_kernels();
        cleanup_free char *good = NULL;
        cleanup_error Error error = { 0 };

        (void)state;
        assert_int_equal(file_read(dir, "good.config", 65536, &good, NULL, &error), 0);
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_kernel_image KernelImage image = { 0 };
                cleanup_error Error e = { 0 };

                assert_int_equal(kernel_image_read(dir, cases[i].name, &image, &e), 0);
                assert_int_equal(image.format.kind, KERNEL_BZIMAGE);
                assert_true(image.format.efi_stub);
                assert_int_equal(image.packed, cases[i].packed);
                assert_string_equal(image.version, "6.12.0-carrel");
                if (image.config_problem && strstr(image.config_problem, "was built without"))
                        continue;
                if (cases[i].known) {
                        assert_string_equal(image.config, good);
                        assert_string_equal(image.config_source, "the image");
                        assert_null(image.config_problem);
                } else {
                        assert_null(image.config);
                        assert_string_equal(image.config_problem,
                                            "the kernel in the image: packed in a way that is not "
                                            "understood here (bzip2)");
                }
        }
}

static void test_elf(void **state) {
        cleanup_kernel_image KernelImage image = { 0 }, none = { 0 };
        cleanup_close int dir = open_kernels();
        cleanup_error Error e = { 0 };

        (void)state;
        assert_int_equal(kernel_image_read(dir, "vmlinux", &image, &e), 0);
        assert_int_equal(image.format.kind, KERNEL_ELF);
        assert_true(image.format.pvh);
        assert_int_equal(image.format.pvh_entry, 0x1000000);
        assert_string_equal(image.version, "6.12.0-carrel");
        if (!image.config)
                assert_non_null(strstr(image.config_problem, "was built without zlib"));
        assert_int_equal(kernel_image_read(dir, "vmlinux-no-config", &none, &e), 0);
        assert_null(none.config);
        assert_string_equal(none.config_problem, "the image holds no configuration (CONFIG_IKCONFIG is off)");
}

static void copy(int from, const char *name, int to, const char *as) {
        cleanup_error Error e = { 0 };
        cleanup_free char *data = NULL;
        size_t length;

        assert_int_equal(file_read(from, name, 1U << 20, &data, &length, &e), 0);
        assert_int_equal(file_write_atomic(to, as, data, length, 0644, &e), 0);
}

/* Kernels of distributions carry no configuration; it lies beside them. */
static void test_config_beside(void **state) {
        static const char *const names[] = { "config-6.12", "config-6.12.0-carrel", "kernel.config" };
        char folder[] = "/tmp/test-kernel-XXXXXX";
        cleanup_close int dir = open_kernels(), to = -1;
        cleanup_error Error e = { 0 };

        (void)state;
        assert_non_null(mkdtemp(folder));
        to = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        copy(dir, "bzimage-no-config", to, "vmlinuz-6.12");
        for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
                cleanup_free char *path = path_join(folder, "vmlinuz-6.12"),
                                  *config = path_join(folder, names[i]);
                cleanup_kernel_image KernelImage image = { 0 };

                copy(dir, "good.config", to, names[i]);
                assert_int_equal(kernel_image_read(AT_FDCWD, path, &image, &e), 0);
                assert_string_equal(image.config_source, config);
                assert_null(image.config_problem);
                assert_int_equal(unlinkat(to, names[i], 0), 0);
        }
        /* a kernel without a stub is fit for OVMF when what lies beside it says so */
        copy(dir, "bzimage-efi-no-stub", to, "vmlinuz-6.12");
        assert_int_equal(kernel_image_check(to, "vmlinuz-6.12", KERNEL_NEEDS_UEFI, &e), -EINVAL);
        copy(dir, "good.config", to, "kernel.config");
        assert_int_equal(kernel_image_check(to, "vmlinuz-6.12", KERNEL_NEEDS_UEFI, &e), 0);
        assert_int_equal(path_remove_tree(AT_FDCWD, folder, &e), 0);
}

/* Cut off anywhere, no image is taken for something else, and nothing reads beyond its end. */
static void test_every_length(void **state) {
        static const char *const names[] = { "vmlinux", "bzimage-gzip", "bzimage-xz", "bzimage-zstd",
                                             "bzimage-lz4" };
        cleanup_close int dir = open_kernels();

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
                cleanup_error Error e = { 0 };
                cleanup_free char *data = NULL;
                size_t length;

                assert_int_equal(file_read(dir, names[i], 1U << 20, &data, &length, &e), 0);
                for (size_t n = 0; n < length; n++) {
                        /* memory that ends exactly where the image does, for the sanitizer */
                        cleanup_free uint8_t *part = xmalloc(n + (n == 0));
                        cleanup_error Error refusal = { 0 };
                        KernelImage image = { 0 };

                        memcpy(part, data, n);
                        assert_int_equal(kernel_image_parse(part, n, &image, &refusal), -EINVAL);
                        assert_non_null(refusal.message);
                }
        }
}

static void test_bomb(void **state) {
        cleanup_close int dir = open_kernels();
        cleanup_error Error e = { 0 };
        cleanup_free char *data = NULL;
        uint8_t *unpacked = NULL;
        size_t length, n;
        int r;

        (void)state;
        assert_int_equal(file_read(dir, "initrd.gz", 65536, &data, &length, &e), 0);
        r = unpack((uint8_t *)data, length, 16, &unpacked, &n, &e);
        if (r == -ENOTSUP)
                skip();
        assert_int_equal(r, -EFBIG);
        assert_int_equal(unpack((uint8_t *)data, length, 110, &unpacked, &n, &e), 0);
        assert_int_equal(n, 110);
        free(unpacked);
}

static void test_config_get(void **state) {
        static const char config[] =
                "# CONFIG_A is not set\nCONFIG_AB=y\r\nXCONFIG_C=y\nCONFIG_D=\"x y\"\nCONFIG_E=n";
        size_t n;

        (void)state;
        assert_null(kernel_config_get(config, "A", &n));
        assert_null(kernel_config_get(config, "C", &n));
        assert_memory_equal(kernel_config_get(config, "AB", &n), "y", 1);
        assert_int_equal(n, 1);
        assert_memory_equal(kernel_config_get(config, "D", &n), "\"x y\"", 5);
        assert_int_equal(n, 5);
        assert_non_null(kernel_config_get(config, "E", &n));
}

static char *lacks_of(const char *config, unsigned uses, PackFormat initrd) {
        cleanup_free KernelLack *lacks = NULL;
        size_t n = kernel_config_check(config, uses, initrd, &lacks);
        cleanup_strv char **names = NULL;

        for (size_t i = 0; i < n; i++)
                strv_printf(&names, "%s%s=%c", lacks[i].option->required ? "" : "?", lacks[i].option->name,
                            lacks[i].found);
        return strv_join(names, " ");
}

static void assert_lacks(const char *config, unsigned uses, PackFormat initrd, const char *expected) {
        cleanup_free char *found = lacks_of(config, uses, initrd);

        assert_string_equal(found, expected);
}

static void test_config_check(void **state) {
        cleanup_close int dir = open_kernels();
        cleanup_error Error e = { 0 };
        cleanup_free char *good = NULL, *changed = NULL;

        (void)state;
        assert_int_equal(file_read(dir, "good.config", 65536, &good, NULL, &e), 0);
        assert_lacks(good, KERNEL_USE_ALL, PACK_LZ4, "");
        assert_lacks("", KERNEL_USE_UEFI, PACK_UNKNOWN, "ACPI=n EFI=n ?EFI_STUB=n");
        assert_lacks("", KERNEL_USE_DIRECT, PACK_UNKNOWN, "?PVH=n");
        assert_lacks("CONFIG_ACPI=y\nCONFIG_EFI=m\n", KERNEL_USE_UEFI, PACK_UNKNOWN, "EFI=m ?EFI_STUB=n");
        /* unwanted options, and one that is named for two reasons is reported once, for the graver */
        changed = xasprintf("%sCONFIG_TRIM_UNUSED_KSYMS=y\nCONFIG_CMDLINE_OVERRIDE=y\n", good);
        assert_lacks(changed, KERNEL_USE_ALL, PACK_UNKNOWN, "CMDLINE_OVERRIDE=y TRIM_UNUSED_KSYMS=y");
        *strstr(changed, "CONFIG_PCI_MMCONFIG=y") = '#';
        assert_lacks(changed, KERNEL_USE_ALL, PACK_UNKNOWN,
                     "PCI_MMCONFIG=n CMDLINE_OVERRIDE=y TRIM_UNUSED_KSYMS=y");
        *strstr(changed, "CONFIG_RD_ZSTD=y") = '#';
        assert_lacks(changed, KERNEL_USE_MACHINE, PACK_ZSTD, "CMDLINE_OVERRIDE=y RD_ZSTD=n ?PCI_MMCONFIG=n");
        assert_lacks(changed, KERNEL_USE_CONTAINER, PACK_ZSTD, "");
}

/* The table itself: every entry says why, and for whom. */
static void test_table(void **state) {
        size_t n = 0;

        (void)state;
        for (const KernelOption *o = kernel_options; o->name; o++, n++) {
                assert_non_null(o->why);
                assert_true(o->uses != 0 && (o->uses & ~(unsigned)KERNEL_USE_ALL) == 0);
                assert_string_not_equal(kernel_use_words(o->uses), "nothing");
                assert_int_not_equal(strncmp(o->name, "CONFIG_", 7), 0);
        }
        assert_true(n > 70);
}

/* Our own kernel has all of it: the fragments and the table agree. */
static void test_our_fragments(void **state) {
        static const char folder[] = TEST_DATA "/../../kernel-config/fragments";
        DIR *d = opendir(folder);
        cleanup_strbuf StrBuf all = { 0 };
        const struct dirent *entry;

        (void)state;
        assert_non_null(d);
        while ((entry = readdir(d))) {
                cleanup_free char *path = path_join(folder, entry->d_name), *text = NULL;
                cleanup_error Error e = { 0 };

                if (!str_ends_with(entry->d_name, ".config"))
                        continue;
                assert_int_equal(file_read(AT_FDCWD, path, 65536, &text, NULL, &e), 0);
                strbuf_puts(&all, text);
                strbuf_putc(&all, '\n');
        }
        closedir(d);
        assert_lacks(all.data, KERNEL_USE_ALL, PACK_LZ4, "");
}

static void test_options(void **state) {
        static const struct {
                const char *name, *error; /* its beginning; NULL: none */
        } cases[] = {
                { "bzimage-gzip", NULL },
                { "bzimage-no-config", NULL }, /* nothing is known of it */
                { "vmlinux-no-efi",
                  "vmlinux-no-efi: built without CONFIG_EFI (the kernel takes OVMF for a BIOS, finds no ACPI "
                  "tables, "
                  "starts one CPU (\"SMP disabled\") and no GPU works); carrel doctor --kernel" },
                { "vmlinux-poor", "vmlinux-poor: built without CONFIG_" },
                { "initrd.gz", "initrd.gz: not a kernel" },
        };
        cleanup_close int dir = open_kernels();

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_error Error e = { 0 };
                int r = kernel_image_check_options(dir, cases[i].name, KERNEL_USE_UEFI | KERNEL_USE_GPU, &e);

                if (!cases[i].error && r < 0)
                        fail_msg("%s", e.message);
                if (cases[i].error && (r >= 0 || !str_after(e.message, cases[i].error)))
                        fail_msg("%s: %s", cases[i].name, r < 0 ? e.message : "passes");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_options),       cmocka_unit_test(test_quick_check),
                cmocka_unit_test(test_packed),        cmocka_unit_test(test_elf),
                cmocka_unit_test(test_config_beside), cmocka_unit_test(test_every_length),
                cmocka_unit_test(test_bomb),          cmocka_unit_test(test_config_get),
                cmocka_unit_test(test_config_check),  cmocka_unit_test(test_table),
                cmocka_unit_test(test_our_fragments),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
