/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mount.h>

#include "agent/mount-options.h"
#include "common/base/cleanup.h"
#include "common/base/str.h"

#define ATIME MOUNT_ATTR__ATIME

/* The options of TEXT, separated by spaces. */
static void parse(const char *text, MountOptions *ret) {
        cleanup_strv char **options = strv_split(text, " ");

        mount_options_parse(options, ret);
}

static void test_attributes(void **state) {
        static const struct {
                const char *options;
                uint64_t set, clear;
        } cases[] = {
                { "", 0, 0 },
                { "defaults", 0, 0 },
                { "ro", MOUNT_ATTR_RDONLY, 0 },
                { "rw", 0, MOUNT_ATTR_RDONLY },
                { "ro rw", 0, MOUNT_ATTR_RDONLY },
                { "rw ro", MOUNT_ATTR_RDONLY, 0 },
                { "nosuid nodev noexec", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0 },
                { "suid dev exec", 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC },
                { "noatime", MOUNT_ATTR_NOATIME, ATIME },
                { "noatime relatime", MOUNT_ATTR_RELATIME, ATIME },
                { "noatime strictatime", MOUNT_ATTR_STRICTATIME, ATIME },
                { "strictatime atime", 0, ATIME },
                { "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
                { "diratime nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_NODIRATIME },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_mount_options MountOptions o = { 0 };

                parse(cases[i].options, &o);
                assert_int_equal(o.set, cases[i].set);
                assert_int_equal(o.clear, cases[i].clear);
                assert_int_equal(o.recursive_set | o.recursive_clear, 0);
                assert_null(o.data);
        }
}

static void test_recursive(void **state) {
        cleanup_mount_options MountOptions o = { 0 };

        (void)state;
        parse("ro rro rnosuid rexec rnoatime rnosymfollow rrw", &o);
        assert_int_equal(o.set, MOUNT_ATTR_RDONLY);
        assert_int_equal(o.recursive_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME | MOUNT_ATTR_NOSYMFOLLOW);
        assert_int_equal(o.recursive_clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | ATIME);
}

static void test_superblock(void **state) {
        cleanup_mount_options MountOptions o = { 0 };

        (void)state;
        parse("ro sync dirsync mand lazytime nomand async", &o);
        assert_int_equal(o.superblock, MS_RDONLY | MS_DIRSYNC | MS_LAZYTIME);
}

static void test_propagation(void **state) {
        static const struct {
                const char *options;
                unsigned long propagation;
                bool recursive;
        } cases[] = {
                { "ro", 0, false },
                { "private", MS_PRIVATE, false },
                { "rprivate", MS_PRIVATE, true },
                { "slave", MS_SLAVE, false },
                { "rslave", MS_SLAVE, true },
                { "shared", MS_SHARED, false },
                { "rshared", MS_SHARED, true },
                { "unbindable", MS_UNBINDABLE, false },
                { "runbindable", MS_UNBINDABLE, true },
                { "rshared private", MS_PRIVATE, false },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup_mount_options MountOptions o = { 0 };

                parse(cases[i].options, &o);
                assert_int_equal(o.propagation, cases[i].propagation);
                assert_int_equal(o.propagation_recursive, cases[i].recursive);
        }
}

static void test_kinds(void **state) {
        cleanup_mount_options MountOptions a = { 0 }, b = { 0 };

        (void)state;
        parse("bind tmpcopyup remount", &a);
        assert_true(a.bind && !a.rbind && a.copy_up && a.remount);
        parse("rbind", &b);
        assert_true(b.bind && b.rbind && !b.copy_up && !b.remount);
}

static void test_data(void **state) {
        cleanup_mount_options MountOptions o = { 0 }, none = { 0 };
        cleanup_free char *joined = NULL;

        (void)state;
        parse("nosuid mode=755,size=64k ro newinstance lowerdir=/a\\,b ,,", &o);
        joined = strv_join(o.data, " ");
        assert_string_equal(joined, "mode=755 size=64k newinstance lowerdir=/a\\,b");
        mount_options_parse(NULL, &none);
        assert_null(none.data);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_attributes), cmocka_unit_test(test_recursive),
                cmocka_unit_test(test_superblock), cmocka_unit_test(test_propagation),
                cmocka_unit_test(test_kinds),      cmocka_unit_test(test_data),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
