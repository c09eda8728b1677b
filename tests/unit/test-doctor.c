/* SPDX-License-Identifier: Apache-2.0 */

/*
 * carrel doctor on hosts good and bad. tests/data/hosts/base.json describes a host on which everything is fine; each
 * other CASE.json there says what differs, and CASE.txt what the doctor has to say (UPDATE_GOLDEN=1 writes it anew).
 * Of a description:
 *   accelerator  what the probe of /dev/kvm finds: state, usec, problem
 *   config       keys of carrel's configuration
 *   files, programs, copies (of tests/data/kernels)   path: content
 *   remove       paths, in order
 *   modes        path: octal
 *   devices, processes, leases   as gpu-host.h has them
 */

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/json.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "golden.h"
#include "gpu-host.h"
#include "runtime/gpu/diagnose.h"
#include "runtime/host/doctor.h"
#include "runtime/host/host-root.h"
#include "runtime/host/kernel-image.h"

#define HOSTS      TEST_DATA "/hosts"
#define LIMIT_USEC 200000U /* for `carrel doctor` */

typedef struct Host {
        char *root_path;
        int root;
        RuntimeConfig *config;
        AcceleratorReport kvm;
} Host;

/* ---- building the host ---- */

static void write_file(const Host *h, const char *path, const void *data, size_t length, mode_t mode) {
        cleanup_free char *full = path_join(h->root_path, path), *folder = xstrdup(full);
        cleanup_error Error e = { 0 };

        *strrchr(folder, '/') = '\0';
        must(path_make_directories(AT_FDCWD, folder, 0755, &e), &e);
        must(file_write_atomic(AT_FDCWD, full, data, length, mode, &e), &e);
        assert_int_equal(chmod(full, mode), 0);
}

static void write_files(const Host *h, const Json *files, mode_t mode) {
        for (size_t i = 0; i < json_count(files); i++) {
                const char *text = json_string(json_item(files, i));

                write_file(h, json_key(files, i), text, strlen(text), mode);
        }
}

static void copy_kernels(const Host *h, const Json *copies) {
        for (size_t i = 0; i < json_count(copies); i++) {
                cleanup_free char *from = path_join(TEST_DATA "/kernels", json_string(json_item(copies, i)));
                cleanup_free char *data = NULL;
                cleanup_error Error e = { 0 };
                size_t length;

                must(file_read(AT_FDCWD, from, 1U << 20, &data, &length, &e), &e);
                write_file(h, json_key(copies, i), data, length, 0644);
        }
}

static void change_host(const Host *h, const Json *description) {
        const Json *remove_list = json_get(description, "remove"), *modes = json_get(description, "modes");

        write_files(h, json_get(description, "files"), 0644);
        write_files(h, json_get(description, "programs"), 0755);
        copy_kernels(h, json_get(description, "copies"));
        for (size_t i = 0; i < json_count(remove_list); i++) {
                cleanup_free char *path = path_join(h->root_path, json_string(json_item(remove_list, i)));

                assert_int_equal(remove(path), 0);
        }
        for (size_t i = 0; i < json_count(modes); i++) {
                cleanup_free char *path = path_join(h->root_path, json_key(modes, i));

                assert_int_equal(chmod(path, (mode_t)strtoul(json_string(json_item(modes, i)), NULL, 8)), 0);
        }
}

static void change_config(Json *config, const Json *description) {
        const Json *changes = json_get(description, "config");

        for (size_t i = 0; i < json_count(changes); i++)
                json_set(config, json_key(changes, i), json_copy(json_item(changes, i)));
}

static void set_accelerator(Host *h, const Json *description) {
        const Json *v = json_get(description, "accelerator");
        const char *state = json_string(json_get(v, "state")), *problem = json_string(json_get(v, "problem"));

        if (!state)
                return;
        accelerator_report_done(&h->kvm);
        for (KvmState s = 0; s < _KVM_STATE_MAX; s++)
                if (streq(kvm_state_name(s), state))
                        h->kvm.state = s;
        json_uint64(json_get(v, "usec"), &h->kvm.usec);
        h->kvm.instructions = 20002;
        h->kvm.problem = problem ? xstrdup(problem) : NULL;
}

static void add_devices(const Host *h, const Json *description) {
        FakeHost devices;

        fake_host_init(&devices, h->root_path);
        fake_host_add(&devices, description);
        free(devices.path);
}

static void build_host(const char *name, Host *h) {
        cleanup_json Json *base = golden_read(HOSTS, "base"), *description = golden_read(HOSTS, name);
        cleanup_json Json *config = NULL;
        cleanup_error Error e = { 0 };
        char folder[] = "/tmp/test-doctor-XXXXXX";
        const Json *descriptions[] = { base, description };

        assert_non_null(mkdtemp(folder));
        h->root_path = xstrdup(folder);
        h->config = runtime_config_new();
        config = json_to_tree(runtime_config_fields, h->config);
        for (size_t i = 0; i < ELEMENTS_OF(descriptions); i++) {
                add_devices(h, descriptions[i]);
                change_host(h, descriptions[i]);
                change_config(config, descriptions[i]);
                set_accelerator(h, descriptions[i]);
        }
        json_clear(runtime_config_fields, h->config);
        must(json_read(config, runtime_config_fields, h->config, &e), &e);
        h->root = host_root_open(folder, &e);
        assert_true(h->root >= 0);
}

static void host_done(Host *h) {
        cleanup_error Error e = { 0 };

        close(h->root);
        must(path_remove_tree(AT_FDCWD, h->root_path, &e), &e);
        free(h->root_path);
        runtime_config_free(h->config);
        accelerator_report_done(&h->kvm);
}

static void examine(const Host *h, DoctorReport *ret) {
        const DoctorContext context = {
                .root = h->root,
                .config = h->config,
                .search = "/usr/sbin:/usr/bin",
                .state_root = "/run/carrel",
                .accelerator = &h->kvm,
        };
        cleanup_error Error e = { 0 };

        must(doctor_run(&context, ret, &e), &e);
}

/* The kernels of the fixtures are packed with gzip and LZ4, and what is recorded was seen inside. */
static void need_unpackers(void) {
        static const char *const names[] = { "vmlinux", "bzimage-lz4" };
        cleanup_close int dir = open(TEST_DATA "/kernels", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
                cleanup_kernel_image KernelImage image = { 0 };
                cleanup_error Error e = { 0 };

                must(kernel_image_read(dir, names[i], &image, &e), &e);
                if (image.config)
                        continue;
                print_message("%s: %s\n", names[i], image.config_problem);
                skip();
        }
}

/* ---- the cases ---- */

/* Codes are what scripts hold on to: these, in this order, whatever the host. */
static bool has_all_codes(const DoctorReport *report) {
        static const char *const codes[] = { "cpu",       "kvm",           "qemu",        "qemu-user",
                                             "qboot",     "ovmf",          "vmlinux",     "vmlinuz",
                                             "initrd",    "kernel-config", "virtiofsd",   "tun",
                                             "memory",    "cgroup",        "seccomp",     "state",
                                             "hugepages", "vhost-net",     "vhost-vsock", "gpu" };
        size_t at = 0;

        for (size_t i = 0; i < ELEMENTS_OF(codes); i++) {
                /* no kernel, no word about its options */
                if (at < report->n_checks && streq(report->checks[at].code, codes[i]))
                        at++;
                else if (!streq(codes[i], "kernel-config"))
                        return false;
        }
        /* of a host with GPUs */
        while (at < report->n_checks && str_after(report->checks[at].code, "gpu-") &&
               gpu_code_find(str_after(report->checks[at].code, "gpu-")))
                at++;
        return at == report->n_checks;
}

static bool check_case(const char *name) {
        cleanup_doctor_report DoctorReport report = { 0 };
        cleanup_free char *text = NULL, *all = NULL;
        Host host = { 0 };

        build_host(name, &host);
        examine(&host, &report);
        host_done(&host);
        text = doctor_to_text(&report);
        all = xasprintf("%sstatus %d\n", text, doctor_is_well(&report) ? 0 : 1);
        if (!has_all_codes(&report))
                print_error("%s: a check is missing, or there is one too many\n", name);
        return golden_same(HOSTS, name, all) && has_all_codes(&report);
}

static void test_hosts(void **state) {
        size_t cases, bad;

        (void)state;
        need_unpackers();
        golden_each(HOSTS, check_case, &cases, &bad);
        assert_true(cases >= 8);
        assert_int_equal(bad, 0);
}

static void test_json(void **state) {
        cleanup_doctor_report DoctorReport report = { 0 };
        cleanup_free char *text = NULL;
        cleanup_json Json *v = NULL;
        cleanup_error Error e = { 0 };
        const Json *checks;
        Host host = { 0 };

        (void)state;
        need_unpackers();
        build_host("good", &host);
        examine(&host, &report);
        host_done(&host);
        text = doctor_to_json(&report);
        must(json_parse(text, strlen(text), NULL, &v, &e), &e);
        assert_true(json_bool(json_get(v, "ok")));
        assert_string_equal(json_string(json_get(v, "summary")), "This host can run virtual machines.");
        checks = json_get(v, "checks");
        assert_int_equal(json_count(checks), report.n_checks);
        for (size_t i = 0; i < report.n_checks; i++) {
                assert_string_equal(json_string(json_get(json_item(checks, i), "code")),
                                    report.checks[i].code);
                assert_string_equal(json_string(json_get(json_item(checks, i), "status")), "ok");
                assert_non_null(json_string(json_get(json_item(checks, i), "detail")));
                assert_null(json_get(json_item(checks, i), "fix"));
        }
}

/* ---- --kernel ---- */

static void check_kernel(const char *name, bool well) {
        cleanup_doctor_report DoctorReport report = { 0 };
        cleanup_free char *text = NULL, *case_name = xasprintf("kernel-of-%s", name);
        cleanup_close int dir = open(TEST_DATA "/kernels", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_error Error e = { 0 };

        must(doctor_run_kernel(dir, name, &report, &e), &e);
        text = doctor_to_text(&report);
        assert_true(golden_same(HOSTS, case_name, text));
        assert_int_equal(doctor_is_well(&report), well);
}

static void test_kernels(void **state) {
        cleanup_doctor_report DoctorReport report = { 0 };
        cleanup_error Error e = { 0 };

        (void)state;
        need_unpackers();
        check_kernel("vmlinux", true);
        check_kernel("bzimage-gzip", true);
        check_kernel("bzimage-no-efi", false);
        check_kernel("vmlinux-no-efi", true);
        check_kernel("bzimage-no-gpu", false);
        check_kernel("vmlinux-poor", false);
        check_kernel("vmlinux-no-pvh", false);
        check_kernel("bzimage-no-config", true);
        assert_int_equal(doctor_run_kernel(AT_FDCWD, "/dev/null", &report, &e), -EINVAL);
        assert_string_equal(e.message, "/dev/null: not a regular file");
}

/* Of this process: what else the machine does counts less in it. */
static uint64_t cpu_usec(void) {
        struct timespec t;

        assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* This host, whatever it is: nothing crashes, nothing takes long. */
static void test_real_host(void **state) {
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        cleanup_doctor_report DoctorReport report = { 0 };
        cleanup_error Error e = { 0 };
        cleanup_close int root = host_root_open("/", &e);
        DoctorContext context = {
                .root = root, .config = config, .search = getenv("PATH"), .state_root = "/run/x"
        };
        uint64_t begin = now_usec(), used = cpu_usec();

        (void)state;
        must(doctor_run(&context, &report, &e), &e);
        assert_true(report.n_checks > 15);
        assert_true(now_usec() - begin < 5000000);
        assert_true(cpu_usec() - used < LIMIT_USEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_kernels),
                cmocka_unit_test(test_real_host),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
