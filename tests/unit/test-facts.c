/* SPDX-License-Identifier: Apache-2.0 */

/* Facts about a host: below a made-up root, and of this one. */

#include <config.h>

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/host/accelerator.h"
#include "runtime/host/descriptors.h"
#include "runtime/host/facts.h"
#include "runtime/host/host-root.h"
#include "runtime/host/qemu-user.h"
#include "runtime/qemu/firmware.h"

typedef struct Tree {
        char path[32];
        int root;
} Tree;

static void must(int r, Error *err) {
        if (r < 0)
                fail_msg("%s", err->message);
}

static int tree_new(void **state) {
        cleanup_error Error e = { 0 };
        Tree *t = xnew(Tree, 1);

        strcpy(t->path, "/tmp/test-facts-XXXXXX");
        assert_non_null(mkdtemp(t->path));
        t->root = host_root_open(t->path, &e);
        must(t->root, &e);
        *state = t;
        return 0;
}

static int tree_free(void **state) {
        cleanup_error Error e = { 0 };
        Tree *t = *state;

        close(t->root);
        must(path_remove_tree(AT_FDCWD, t->path, &e), &e);
        free(t);
        return 0;
}

static void add(const Tree *t, const char *path, mode_t mode, const char *text) {
        cleanup_free char *full = path_join(t->path, path), *folder = xstrdup(full);
        cleanup_error Error e = { 0 };

        *strrchr(folder, '/') = '\0';
        must(path_make_directories(AT_FDCWD, folder, 0755, &e), &e);
        must(file_write_atomic(AT_FDCWD, full, text, strlen(text), mode, &e), &e);
        assert_int_equal(chmod(full, mode), 0);
}

static void add_link(const Tree *t, const char *path, const char *target) {
        cleanup_free char *full = path_join(t->path, path);

        assert_int_equal(symlink(target, full), 0);
}

static void assert_text(char *found, const char *expected) {
        cleanup_free char *owned = found;

        if (expected)
                assert_string_equal(owned, expected);
        else
                assert_null(owned);
}

static void test_find_program(void **state) {
        static const char *const names[] = { "tool", "other", NULL }, *const path[] = { "/opt/tool", NULL };
        const Tree *t = *state;

        assert_text(host_root_find_program(t->root, names, "/usr/bin"), NULL);
        add(t, "/usr/bin/other", 0755, "");
        add(t, "/usr/bin/tool", 0644, "not executable");
        assert_text(host_root_find_program(t->root, names, "relative::/nowhere:/usr/bin"), "/usr/bin/other");
        add(t, "/bin/tool", 0755, "");
        assert_text(host_root_find_program(t->root, names, "/usr/bin:/bin/"), "/bin/tool");
        assert_text(host_root_find_program(t->root, names, ""), NULL);
        assert_text(host_root_find_program(t->root, path, "/bin"), NULL);
        /* links are followed, but not out of the root */
        add(t, "/opt/real", 0755, "");
        add_link(t, "/opt/tool", "/opt/real");
        assert_text(host_root_find_program(t->root, path, "/bin"), "/opt/tool");
        add_link(t, "/bin/other", "../../../../../bin/sh");
        assert_false(host_root_has_program(t->root, "/bin/other"));
}

static void test_descriptors_are_merged(void **state) {
        static const char *const dirs[] = { "/etc/q", "/usr/q", "/missing", NULL };
        const Tree *t = *state;
        cleanup_strv char **paths = NULL;
        cleanup_free char *joined = NULL;

        add(t, "/usr/q/60-b.json", 0644, "{}");
        add(t, "/usr/q/50-a.json", 0644, "{}");
        add(t, "/usr/q/40-hidden.json", 0644, "{}");
        add(t, "/usr/q/README", 0644, "no descriptor");
        add(t, "/etc/q/60-b.json", 0644, "{}");
        add(t, "/etc/q/40-hidden.json", 0644, "");
        add(t, "/etc/q/55-c.json", 0644, "{}");
        add_link(t, "/etc/q/45-gone.json", "/nowhere");
        paths = host_root_list_descriptors(t->root, dirs);
        joined = strv_join(paths, " ");
        assert_string_equal(joined, "/usr/q/50-a.json /etc/q/55-c.json /etc/q/60-b.json");
}

#define FIRMWARE(device, file)                                                                               \
        "{\"interface-types\":[\"uefi\"],\"mapping\":{\"device\":\"flash\",\"executable\":{\"filename\":"    \
        "\"" file "\",\"format\":\"raw\"}},\"targets\":[{\"architecture\":\"" device                         \
        "\",\"machines\":[\"pc-q35-*\"]}],\"features\":[],\"tags\":[]}"

static void test_firmware(void **state) {
        const Tree *t = *state;
        cleanup_strv char **problems = NULL;
        cleanup(host_facts_freep) HostFacts *f = xnew(HostFacts, 1);

        add(t, "/usr/share/qemu/firmware/10-bad.json", 0644, "{");
        add(t, "/usr/share/qemu/firmware/20-arm.json", 0644, FIRMWARE("aarch64", "/code"));
        add(t, "/usr/share/qemu/firmware/30-gone.json", 0644, FIRMWARE("x86_64", "/missing"));
        add(t, "/usr/share/qemu/firmware/40-good.json", 0644, FIRMWARE("x86_64", "/code"));
        add(t, "/code", 0644, "code");
        descriptors_collect_firmware(t->root, &f->firmware, &f->n_firmware, &problems);
        assert_int_equal(f->n_firmware, 1);
        assert_string_equal(f->firmware[0].executable, "/code");
        assert_string_equal(f->firmware[0].descriptor, "/usr/share/qemu/firmware/40-good.json");
        assert_int_equal(strv_length(problems), 2);
        assert_non_null(strstr(problems[0], "/usr/share/qemu/firmware/10-bad.json: "));
        assert_string_equal(problems[1], "/usr/share/qemu/firmware/30-gone.json: /missing does not exist");
}

/* carrel's own goes before what QEMU's descriptors name, and what the configuration names before that. */
static void test_own_ovmf(void **state) {
        const Tree *t = *state;
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        cleanup(host_facts_freep) HostFacts *none = NULL, *own = NULL, *named = NULL, *missing = NULL;
        cleanup_error Error e = { 0 };

        add(t, "/usr/share/qemu/firmware/40-good.json", 0644, FIRMWARE("x86_64", "/code"));
        add(t, "/code", 0644, "code");
        none = host_facts_collect(t->root, config, NULL);
        assert_int_equal(none->n_firmware, 1);
        add(t, CARREL_DATA_DIR "/ovmf.fd", 0644, "code");
        own = host_facts_collect(t->root, config, NULL);
        assert_int_equal(own->n_firmware, 2);
        assert_string_equal(own->firmware[0].executable, CARREL_DATA_DIR "/ovmf.fd");
        assert_string_equal(own->firmware[0].device, "flash");
        assert_string_equal(own->firmware[1].executable, "/code");
        assert_ptr_equal(firmware_choose(own->firmware, own->n_firmware), &own->firmware[0]);
        must(host_facts_check_configured(config, own, &e), &e);
        config->ovmf = xstrdup("/images/ovmf.fd");
        missing = host_facts_collect(t->root, config, NULL);
        assert_int_equal(missing->n_firmware, 1);
        assert_int_equal(host_facts_check_configured(config, missing, &e), -ENOENT);
        assert_string_equal(e.message, "configuration: ovmf: /images/ovmf.fd: no such file");
        error_clear(&e);
        add(t, "/images/ovmf.fd", 0644, "code");
        named = host_facts_collect(t->root, config, NULL);
        assert_string_equal(named->firmware[0].executable, "/images/ovmf.fd");
        must(host_facts_check_configured(config, named, &e), &e);
}

static void test_virtiofsd(void **state) {
        const Tree *t = *state;

        assert_text(descriptors_find_virtiofsd(t->root, "/usr/bin"), NULL);
        add(t, "/usr/bin/virtiofsd", 0755, "#!/bin/sh\n");
        assert_text(descriptors_find_virtiofsd(t->root, "/usr/bin"), "/usr/bin/virtiofsd");
        assert_false(virtiofsd_is_rust(t->root, "/usr/bin/virtiofsd"));
        add(t, "/usr/libexec/virtiofsd", 0755, "\177ELF libc.so.6");
        assert_text(descriptors_find_virtiofsd(t->root, "/usr/bin"), "/usr/libexec/virtiofsd");
        assert_true(virtiofsd_is_rust(t->root, "/usr/libexec/virtiofsd"));
        add(t, "/usr/share/qemu/vhost-user/40-gpu.json", 0644,
            "{\"type\":\"gpu\",\"binary\":\"/usr/libexec/virtiofsd\"}");
        add(t, "/usr/share/qemu/vhost-user/50-a.json", 0644, "{\"type\":\"fs\",\"binary\":\"/missing\"}");
        add(t, "/usr/share/qemu/vhost-user/60-b.json", 0644, "{\"type\":\"fs\",\"binary\":\"/opt/fs\"}");
        add(t, "/opt/fs", 0755, "\177ELF libglib-2.0.so.0 libc.so.6");
        assert_text(descriptors_find_virtiofsd(t->root, "/usr/bin"), "/opt/fs");
        assert_false(virtiofsd_is_rust(t->root, "/opt/fs"));
        assert_false(virtiofsd_is_rust(t->root, "/missing"));
        /* scripts around the two say what those say */
        add(t, "/opt/wrapped", 0755, "#!/bin/sh\necho virtiofsd 1.13.2\n");
        assert_true(virtiofsd_is_rust(t->root, "/opt/wrapped"));
        add(t, "/opt/wrapped-c", 0755, "#!/bin/sh\necho 'virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7)'\n");
        assert_false(virtiofsd_is_rust(t->root, "/opt/wrapped-c"));
        add(t, "/opt/broken", 0755, "#!/missing/interpreter\n");
        assert_false(virtiofsd_is_rust(t->root, "/opt/broken"));
}

static void test_machine(void **state) {
        static const struct {
                const char *online;
                uint32_t cpus;
        } cases[] = { { "0\n", 1 }, { "0-7\n", 8 },   { "0-3,8,10-11\n", 7 }, { "0,2,4,6\n", 4 },
                      { "", 0 },    { "garbage", 0 }, { "3-1\n", 1 },         { "0-\n", 1 } };
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        const Tree *t = *state;

        add(t, "/proc/meminfo", 0644, "MemTotal:        2048 kB\nMemFree: 1 kB\n");
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup(host_facts_freep) HostFacts *f = NULL;

                add(t, "/sys/devices/system/cpu/online", 0644, cases[i].online);
                f = host_facts_collect(t->root, config, NULL);
                assert_int_equal(f->cpus, cases[i].cpus);
                assert_int_equal(f->memory, 2U << 20);
                assert_true(f->address_bits >= 32 && f->address_bits <= 64);
                assert_int_equal(f->cgroup_version, 0);
                assert_null(f->qemu);
        }
}

static void test_cgroup_modes(void **state) {
        static const struct {
                const char *mounts;
                CgroupMode mode;
        } cases[] = {
                { "", CGROUP_NONE },
                { "a /b tmpfs rw 0 0\n", CGROUP_NONE },
                { "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", CGROUP_V2 },
                { "cgroup /c cgroup rw,memory 0 0\n", CGROUP_V1 },
                { "x /y cgroup2 rw 0 0\ncgroup /c cgroup rw,memory 0 0\nbroken\n", CGROUP_HYBRID },
        };
        const Tree *t = *state;

        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                add(t, "/proc/mounts", 0644, cases[i].mounts);
                assert_int_equal(host_cgroup_mode(t->root), cases[i].mode);
        }
}

/* QEMU elsewhere has its firmware beside it; what the configuration names and is not there is an error. */
static void test_configured(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        cleanup(host_facts_freep) HostFacts *f = NULL, *without = NULL;
        cleanup_error Error e = { 0 };
        const Tree *t = *state;

        add(t, "/opt/qemu/bin/qemu-system-x86_64", 0755, "");
        add(t, "/opt/qemu/share/qemu/qboot.rom", 0644, "");
        add(t, "/usr/share/qemu/qboot.rom", 0644, "");
        add(t, "/images/vmlinux", 0644, "");
        config->qemu = xstrdup("/opt/qemu/bin/qemu-system-x86_64");
        config->vmlinux = xstrdup("/images/vmlinux");
        f = host_facts_collect(t->root, config, NULL);
        assert_string_equal(f->qemu, config->qemu);
        assert_string_equal(f->qboot, "/opt/qemu/share/qemu/qboot.rom");
        assert_string_equal(f->vmlinux, "/images/vmlinux");
        must(host_facts_check_configured(config, f, &e), &e);
        config->initrd = xstrdup("/images/missing");
        without = host_facts_collect(t->root, config, NULL);
        assert_int_equal(host_facts_check_configured(config, without, &e), -ENOENT);
        assert_string_equal(e.message, "configuration: initrd: /images/missing: no such file");
}

static void test_users(void **state) {
        cleanup_error Error e = { 0 };
        const Tree *t = *state;
        QemuUser user;

        add(t, "/etc/passwd", 0644,
            "root:x:0:0::/:\nbroken\nshort:x:7\nqemu:x:107:36::/:\nodd:x:abc:1::/:\nlast:x:5:6");
        must(qemu_user_find(t->root, "qemu", &user, &e), &e);
        assert_true(user.uid == 107 && user.gid == 36);
        must(qemu_user_find(t->root, "107", &user, &e), &e);
        assert_true(user.uid == 107 && user.gid == 36);
        must(qemu_user_find(t->root, "4000", &user, &e), &e);
        assert_true(user.uid == 4000 && user.gid == 4000);
        must(qemu_user_find(t->root, "last", &user, &e), &e);
        assert_true(user.uid == 5 && user.gid == 6);
        must(qemu_user_find(t->root, "root", &user, &e), &e);
        assert_true(user.uid == 0 && user.gid == 0);
        assert_int_equal(qemu_user_find(t->root, "nobody", &user, &e), -ENOENT);
        assert_non_null(strstr(e.message, "there is no user \"nobody\""));
        assert_int_equal(qemu_user_find(t->root, "odd", &user, &e), -ENOENT);
        assert_int_equal(qemu_user_find(t->root, "4294967295", &user, &e), -ENOENT);
}

static void test_kvm_access(void **state) {
        const QemuUser root_user = { 0, 0 }, other = { 4000, 4000 }, owner = { geteuid(), getegid() };
        const Tree *t = *state;
        uint32_t gid = 1;

        add(t, "/dev/kvm", 0666, "");
        assert_text(qemu_user_kvm_obstacle(t->root, &other, &gid), NULL);
        assert_int_equal(gid, 0);
        add(t, "/dev/kvm", 0600, "");
        assert_text(qemu_user_kvm_obstacle(t->root, &root_user, &gid), NULL);
        assert_text(qemu_user_kvm_obstacle(t->root, &owner, &gid), NULL);
        {
                cleanup_free char *obstacle = qemu_user_kvm_obstacle(t->root, &other, &gid);

                assert_non_null(strstr(obstacle, "mode 0600"));
                assert_non_null(strstr(obstacle, "uid 4000"));
        }
        if (geteuid() != 0)
                return;
        {
                cleanup_free char *path = path_join(t->path, "/dev/kvm");

                assert_int_equal(chown(path, 0, 78), 0);
                assert_int_equal(chmod(path, 0660), 0);
        }
        assert_text(qemu_user_kvm_obstacle(t->root, &other, &gid), NULL);
        assert_int_equal(gid, 78);
}

static int access_as(const Tree *t, uid_t uid, const char *path) {
        pid_t child = fork();
        int status;

        if (child == 0)
                _exit(geteuid() == 0 && setresuid(uid, uid, uid) < 0
                              ? 255
                              : -host_root_check_access(t->root, path, R_OK | W_OK));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* What a device cgroup says, only one can show: the lab. */
static void test_access(void **state) {
        const Tree *t = *state;

        assert_int_equal(chmod(t->path, 0755), 0);
        add(t, "/dev/vfio/7", 0600, "");
        add(t, "/dev/vfio/8", 0666, "");
        add(t, "/dev/vfio/9", 0444, "");
        assert_int_equal(host_root_check_access(t->root, "/dev/vfio/7", R_OK | W_OK), 0);
        assert_int_equal(host_root_check_access(t->root, "/dev/vfio/1", R_OK | W_OK), -ENOENT);
        assert_int_equal(access_as(t, 4000, "/dev/vfio/8"), 0);
        assert_int_equal(access_as(t, 4000, "/dev/vfio/9"), EACCES);
        if (geteuid() == 0)
                assert_int_equal(access_as(t, 4000, "/dev/vfio/7"), EACCES);
}

static void test_json_form(void **state) {
        cleanup(host_facts_freep) HostFacts *f = NULL;
        cleanup_free char *path = NULL, *text = NULL;
        cleanup_error Error e = { 0 };
        const Tree *t = *state;
        static const char form[] =
                "{\"cpus\":4,\"memory\":8589934592,\"addressBits\":46,\"kvm\":false,"
                "\"kvmProblem\":\"none\",\"virtiofsd\":\"/v\",\"virtiofsdRust\":true,"
                "\"firmware\":[{\"descriptor\":\"/d\",\"executable\":\"/e\",\"device\":\"flash\","
                "\"features\":[\"acpi-s3\"]}],\"qemuUid\":0,\"qemuGid\":0,\"cgroupVersion\":2}";

        add(t, "/facts.json", 0644, form);
        path = path_join(t->path, "facts.json");
        must(host_facts_read_file(path, &f, &e), &e);
        text = json_to_text(host_facts_fields, f, false);
        assert_string_equal(text, form);
        add(t, "/facts.json", 0644, "{\"cpus\":\"four\"}");
        f = host_facts_free(f);
        assert_int_equal(host_facts_read_file(path, &f, &e), -EINVAL);
        assert_non_null(strstr(e.message, "facts.json: cpus: expected"));
}

/* ---- this host ---- */

static void test_real_facts(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        cleanup(host_facts_freep) HostFacts *f = NULL;
        cleanup_error Error e = { 0 };
        Caller caller = { 0 };
        uint64_t begin;

        (void)state;
        free(config->accelerator);
        config->accelerator = xstrdup("tcg");
        begin = now_usec();
        must(host_facts_gather(config, &caller, &f, &e), &e);
        print_message("gathered in %llu us\n", (unsigned long long)(now_usec() - begin));
        assert_true(f->cpus > 0);
        assert_true(f->memory > 64U << 20);
        assert_false(f->kvm);
        assert_non_null(f->kvm_problem);
        assert_true(f->qemu_uid > 0);
}

/* Whatever /dev/kvm is here, the probe says so in time and leaves signals as they were. */
static void test_probe(void **state) {
        cleanup_accelerator_report AcceleratorReport report = { 0 };
        cleanup_error Error e = { 0 };
        sigset_t before, after, pending;
        uint64_t begin = now_usec();

        (void)state;
        sigprocmask(SIG_SETMASK, NULL, &before);
        must(accelerator_probe(&report, &e), &e);
        assert_true(now_usec() - begin < 3000000);
        sigprocmask(SIG_SETMASK, NULL, &after);
        assert_int_equal(sigismember(&before, SIGALRM), sigismember(&after, SIGALRM));
        sigpending(&pending);
        assert_false(sigismember(&pending, SIGALRM));
        assert_int_equal(report.state == KVM_STATE_USABLE, report.problem == NULL);
        assert_non_null(kvm_state_name(report.state));
        print_message("/dev/kvm: %s, %llu us: %s\n", kvm_state_name(report.state),
                      (unsigned long long)report.usec, report.problem ? report.problem : "fine");
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, tree_new, tree_free)

int main(void) {
        const struct CMUnitTest tests[] = {
                TREE_TEST(test_find_program),
                TREE_TEST(test_descriptors_are_merged),
                TREE_TEST(test_firmware),
                TREE_TEST(test_own_ovmf),
                TREE_TEST(test_virtiofsd),
                TREE_TEST(test_machine),
                TREE_TEST(test_cgroup_modes),
                TREE_TEST(test_configured),
                TREE_TEST(test_users),
                TREE_TEST(test_kvm_access),
                TREE_TEST(test_access),
                TREE_TEST(test_json_form),
                cmocka_unit_test(test_real_facts),
                cmocka_unit_test(test_probe),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
