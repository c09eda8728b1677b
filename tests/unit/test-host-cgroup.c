/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/host/cgroup.h"

static const char v1_mounts[] =
        "24 1 0:22 / /sys rw - sysfs sysfs rw\n"
        "30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
        "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "32 30 0:28 / /sys/fs/cgroup/memory rw master:1 shared:2 - cgroup cgroup rw,memory\n"
        "33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
static const char hybrid_mount[] = "34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
static const char v2_mounts[] = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
static const char own_v1[] =
        "5:cpu,cpuacct:/user/me\n4:memory:/\n1:name=systemd:/user.slice\n0::/init.scope\n";

static void check(const char *mountinfo, const char *own, const char *path, const char *expected) {
        cleanup_error Error error = { 0 };
        cleanup_strv char **folders = NULL;
        cleanup_free char *joined = NULL;

        assert_int_equal(cgroup_resolve(mountinfo, own, path, &folders, &error), 0);
        joined = strv_join(folders, " ");
        assert_string_equal(joined, expected);
}

static void test_places(void **state) {
        cleanup_free char *hybrid = xasprintf("%s%s", v1_mounts, hybrid_mount);

        (void)state;
        check(v1_mounts, "", "/docker/x",
              "/sys/fs/cgroup/cpu,cpuacct/docker/x /sys/fs/cgroup/memory/docker/x "
              "/sys/fs/cgroup/systemd/docker/x");
        check(hybrid, "", "/x",
              "/sys/fs/cgroup/cpu,cpuacct/x /sys/fs/cgroup/memory/x /sys/fs/cgroup/systemd/x "
              "/sys/fs/cgroup/unified/x");
        check(v2_mounts, "0::/\n", "/a/b", "/sys/fs/cgroup/a/b");
        check("24 1 0:22 / /sys rw - sysfs sysfs rw\n", "", "/x", "");
        check("", "", "/x", "");
}

static void test_relative_paths(void **state) {
        (void)state;
        check(v1_mounts, own_v1, "x",
              "/sys/fs/cgroup/cpu,cpuacct/user/me/x /sys/fs/cgroup/memory/x "
              "/sys/fs/cgroup/systemd/user.slice/x");
        check(v2_mounts, own_v1, "a/b", "/sys/fs/cgroup/init.scope/a/b");
}

/* Nothing leads out of the hierarchy. */
static void test_climbing(void **state) {
        (void)state;
        check(v2_mounts, own_v1, "/../../etc", "/sys/fs/cgroup/etc");
        check(v2_mounts, own_v1, "../../../x", "/sys/fs/cgroup/x");
}

static void test_odd_mounts(void **state) {
        (void)state;
        /* blanks in the mount point, and only a part of the hierarchy mounted */
        check("30 24 0:26 / /mnt/c\\040g rw - cgroup2 cgroup2 rw\n", "", "/x", "/mnt/c g/x");
        check("30 24 0:26 /docker/me /cg rw - cgroup2 cgroup2 rw\n", "0::/docker/me/in\n", "x", "/cg/in/x");
        /* the same hierarchy twice */
        check("30 24 0:26 / /a rw - cgroup2 cgroup2 rw\n31 24 0:26 / /b rw - cgroup2 cgroup2 rw\n", "", "/x",
              "/a/x");
        check("30 24 0:26 / /a rw - cgroup2\ncut\n\n31\n", "", "/x", "");
}

static void test_refusals(void **state) {
        cleanup_error Error error = { 0 };
        char **folders = NULL;

        (void)state;
        assert_int_equal(cgroup_resolve(v2_mounts, "", "/", &folders, &error), -EINVAL);
        assert_null(folders);
}

/* ---- limits, on a folder that looks like a cgroup ---- */

static int make_folder(void **state) {
        char *folder = xstrdup("/tmp/carrel-cgroup-XXXXXX");

        assert_non_null(mkdtemp(folder));
        *state = folder;
        return 0;
}

static int remove_folder(void **state) {
        cleanup_error Error error = { 0 };

        path_remove_tree(AT_FDCWD, *state, &error);
        free(*state);
        return 0;
}

static void touch(const char *folder, const char *name) {
        cleanup_free char *path = path_join(folder, name);

        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void truncate_file(const char *folder, const char *name) {
        cleanup_free char *path = path_join(folder, name);

        assert_int_equal(truncate(path, 0), 0);
}

static void assert_holds(const char *folder, const char *name, const char *expected) {
        cleanup_free char *path = path_join(folder, name), *text = NULL;
        cleanup_error Error error = { 0 };

        assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL, &error), 0);
        assert_string_equal(text, expected);
}

static void make_limit(const char *folder, const char *file, const char *text) {
        cleanup_free char *path = path_join(folder, file);
        cleanup_error Error error = { 0 };

        assert_int_equal(path_make_directories(AT_FDCWD, folder, 0755, &error), 0);
        touch(folder, file);
        assert_int_equal(file_write(AT_FDCWD, path, text, &error), 0);
}

/* Its own limit is not one above it; "max", and what version 1 writes for it, is none. */
static void test_memory_above(void **state) {
        const char *top = *state;
        cleanup_free char *v2 = xasprintf("%s/v2/pod", top), *v1 = xasprintf("%s/v1/pod", top);
        cleanup_free char *one_v2 = path_join(v2, "one"), *one_v1 = path_join(v1, "one");
        char *folders[] = { one_v2, one_v1, NULL };

        assert_int_equal(cgroup_memory_above(folders), 0);
        make_limit(one_v2, "memory.max", "1000\n");
        make_limit(v2, "memory.max", "max\n");
        assert_int_equal(cgroup_memory_above(folders), 0);
        make_limit(top, "memory.max", "8000\n");
        assert_int_equal(cgroup_memory_above(folders), 8000);
        make_limit(v2, "memory.max", "4000\n");
        assert_int_equal(cgroup_memory_above(folders), 4000);
        make_limit(v1, "memory.limit_in_bytes", "9223372036854771712\n");
        assert_int_equal(cgroup_memory_above(folders), 4000);
        make_limit(v1, "memory.limit_in_bytes", "3000\n");
        assert_int_equal(cgroup_memory_above(folders), 3000);
}

static OciCpu some_cpu(void) {
        OciCpu cpu = { 0 };

        cpu.shares.set = cpu.quota.set = cpu.period.set = true;
        cpu.shares.value = 1024;
        cpu.quota.value = 50000;
        cpu.period.value = 200000;
        return cpu;
}

static void test_limits_v1(void **state) {
        static const char *const files[] = { "memory.limit_in_bytes", "cpu.shares", "cpu.cfs_quota_us",
                                             "cpu.cfs_period_us" };
        char *folders[] = { *state, NULL };
        cleanup_error Error error = { 0 };
        cleanup_strv char **warnings = NULL;
        OciCpu cpu = some_cpu();

        for (size_t i = 0; i < ELEMENTS_OF(files); i++)
                touch(*state, files[i]);
        assert_int_equal(cgroup_limit_memory(folders, 12345678, &error), 0);
        assert_int_equal(cgroup_limit_cpu(folders, &cpu, &warnings, &error), 0);
        assert_holds(*state, "memory.limit_in_bytes", "12345678");
        assert_holds(*state, "cpu.shares", "1024");
        assert_holds(*state, "cpu.cfs_quota_us", "50000");
        assert_holds(*state, "cpu.cfs_period_us", "200000");
        assert_null(warnings);
}

static void test_limits_v2(void **state) {
        char *folders[] = { *state, NULL };
        cleanup_error Error error = { 0 };
        cleanup_strv char **warnings = NULL;
        OciCpu cpu = some_cpu();

        touch(*state, "memory.max");
        touch(*state, "cpu.weight");
        touch(*state, "cpu.max");
        assert_int_equal(cgroup_limit_memory(folders, 12345678, &error), 0);
        assert_int_equal(cgroup_limit_cpu(folders, &cpu, &warnings, &error), 0);
        assert_holds(*state, "memory.max", "12345678");
        assert_holds(*state, "cpu.weight", "39");
        assert_holds(*state, "cpu.max", "50000 200000");
        /* a cgroup's file takes each write for itself */
        truncate_file(*state, "cpu.max");
        cpu.quota.value = -1;
        cpu.period.set = false;
        assert_int_equal(cgroup_limit_cpu(folders, &cpu, &warnings, &error), 0);
        assert_holds(*state, "cpu.max", "max 100000");
        assert_null(warnings);
}

static void test_missing_controllers(void **state) {
        char *folders[] = { *state, NULL };
        cleanup_error Error error = { 0 };
        cleanup_strv char **warnings = NULL;
        char list[] = "0-1";
        OciCpu cpu = some_cpu();

        cpu.cpus = list;
        assert_int_equal(cgroup_limit_memory(folders, 1, &error), 0);
        assert_int_equal(cgroup_limit_cpu(folders, NULL, &warnings, &error), 0);
        assert_int_equal(cgroup_limit_cpu(folders, &cpu, &warnings, &error), 0);
        assert_int_equal(strv_length(warnings), 3);
        assert_non_null(strstr(warnings[2], "linux.resources.cpu.cpus"));
}

static void test_remove(void **state) {
        cleanup_free char *top = path_join(*state, "top"), *inner = path_join(top, "a/b");
        cleanup_error Error error = { 0 };

        assert_int_equal(path_make_directories(AT_FDCWD, inner, 0755, &error), 0);
        assert_int_equal(cgroup_remove(top, &error), 0);
        assert_int_equal(access(top, F_OK), -1);
        assert_int_equal(cgroup_remove(top, &error), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_relative_paths),
                cmocka_unit_test(test_climbing),
                cmocka_unit_test(test_odd_mounts),
                cmocka_unit_test(test_refusals),
                TEST(test_memory_above),
                TEST(test_limits_v1),
                TEST(test_limits_v2),
                TEST(test_missing_controllers),
                TEST(test_remove),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
