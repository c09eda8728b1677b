/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/facts.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include <config.h>
#include "runtime/host/accelerator.h"
#include "runtime/host/clock.h"
#include "runtime/host/descriptors.h"
#include "runtime/host/driver-bundle.h"
#include "runtime/host/gpu-facts.h"
#include "runtime/host/host-root.h"
#include "runtime/host/qemu-user.h"

#define MAX_FACTS_FILE (1U << 20)
#define MAX_PROC_FILE  (4U << 20)

/* Where QEMU may be when PATH is as short as some engines leave it. */
#define SEARCH_ALWAYS "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/libexec"

/* ---- machine ---- */

/* "0-3,8,10-11" */
static uint32_t count_cpus(const char *list) {
        uint32_t count = 0;

        while (*list) {
                unsigned first, last;
                int used = 0, n;

                n = sscanf(list, "%u%n-%u%n", &first, &used, &last, &used);
                if (n < 1)
                        break;
                count += n == 2 && last >= first ? last - first + 1 : 1;
                list += used;
                list += *list == ',';
        }
        return count;
}

static uint64_t memory_total(const char *meminfo) {
        const char *line = meminfo ? strstr(meminfo, "MemTotal:") : NULL;
        unsigned long long kib;

        return line && sscanf(line, "MemTotal: %llu kB", &kib) == 1 ? kib << 10 : 0;
}

/* From CPUID and not from /proc/cpuinfo: before Linux 5.17 opening that file waits for the clock of every CPU. */
uint32_t host_address_bits(void) {
        unsigned eax, ebx, ecx, edx;

        return __get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) ? eax & 0xff : 36;
}

static bool has_tun(int root) {
        cleanup_close int fd = host_root_open_file(root, "/dev/net/tun", O_PATH);
        cleanup_free char *path = xasprintf("/proc/self/fd/%d", fd);

        return fd >= 0 && access(path, R_OK | W_OK) == 0;
}

static void collect_machine(int root, HostFacts *f) {
        cleanup_free char *online = host_root_read(root, "/sys/devices/system/cpu/online", 65536, NULL);
        cleanup_free char *meminfo = host_root_read(root, "/proc/meminfo", 65536, NULL);
        CgroupMode mode = host_cgroup_mode(root);

        f->cpus = online ? count_cpus(online) : 0;
        f->memory = memory_total(meminfo);
        f->address_bits = host_address_bits();
        f->tun = has_tun(root);
        f->cgroup_version = mode == CGROUP_V2 ? 2 : mode == CGROUP_NONE ? 0 : 1;
}

/* ---- cgroups ---- */

static long file_system(int root, const char *path) {
        cleanup_close int fd = host_root_open_file(root, path, O_PATH);
        struct statfs st;

        return fd >= 0 && fstatfs(fd, &st) == 0 ? (long)st.f_type : 0;
}

/* From the table of mounts, for hosts that keep their hierarchies somewhere else. */
static CgroupMode cgroup_mode_from_mounts(int root) {
        cleanup_free char *text = host_root_read(root, "/proc/mounts", MAX_PROC_FILE, NULL);
        bool v1 = false, v2 = false;
        char *rest = text;

        while (rest && *rest) {
                char *line = strsep(&rest, "\n"), type[32] = "";

                if (sscanf(line, "%*s %*s %31s", type) != 1)
                        continue;
                v1 = v1 || streq(type, "cgroup");
                v2 = v2 || streq(type, "cgroup2");
        }
        if (v1)
                return v2 ? CGROUP_HYBRID : CGROUP_V1;
        return v2 ? CGROUP_V2 : CGROUP_NONE;
}

CgroupMode host_cgroup_mode(int root) {
        static const char *const v1_hierarchies[] = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu",
                                                      "/sys/fs/cgroup/devices", "/sys/fs/cgroup/systemd" };

        /* The kind of file system says it at once. What looks like a hierarchy may be a plain folder that somebody
         * made in the tmpfs. */
        if (file_system(root, "/sys/fs/cgroup") == CGROUP2_SUPER_MAGIC)
                return CGROUP_V2;
        for (size_t i = 0; i < ELEMENTS_OF(v1_hierarchies); i++)
                if (file_system(root, v1_hierarchies[i]) == CGROUP_SUPER_MAGIC)
                        return file_system(root, "/sys/fs/cgroup/unified") == CGROUP2_SUPER_MAGIC
                                       ? CGROUP_HYBRID
                                       : CGROUP_V1;
        return cgroup_mode_from_mounts(root);
}

const char *cgroup_mode_name(CgroupMode mode) {
        static const char *const names[] = {
                [CGROUP_NONE] = "none", [CGROUP_V1] = "v1", [CGROUP_HYBRID] = "hybrid", [CGROUP_V2] = "v2"
        };

        return mode >= 0 && mode < _CGROUP_MODE_MAX ? names[mode] : NULL;
}

/* ---- programs and images ---- */

/* Beside the QEMU that is used ("/opt/qemu/bin/qemu-system-x86_64" → "/opt/qemu/share/qemu"), else where
 * distributions put it. */
static char *find_qboot(int root, const char *qemu) {
        static const char *const places[] = { "/usr/share/qemu/qboot.rom", "/usr/share/qemu/bios-microvm.bin",
                                              "/usr/share/qemu-kvm/qboot.rom", "/usr/share/qboot/bios.bin" };

        if (qemu) {
                const char *slash = strrchr(qemu, '/');
                cleanup_free char *beside =
                        xasprintf("%.*s/../share/qemu/qboot.rom", slash ? (int)(slash - qemu) : 0, qemu);
                cleanup_free char *clean = path_normalize(beside);

                if (host_root_has_file(root, clean))
                        return TAKE_PTR(clean);
        }
        for (size_t i = 0; i < ELEMENTS_OF(places); i++)
                if (host_root_has_file(root, places[i]))
                        return xstrdup(places[i]);
        return NULL;
}

static char *find_image(int root, const char *configured, const char *name) {
        cleanup_free char *path = configured ? xstrdup(configured) : path_join(CARREL_DATA_DIR, name);

        return host_root_has_file(root, path) ? TAKE_PTR(path) : NULL;
}

/* One that only starts kernels (firmware-config/) goes before what QEMU's descriptors name. */
static void take_own_ovmf(int root, const RuntimeConfig *config, HostFacts *f) {
        char *path = find_image(root, config->ovmf, "ovmf.fd");

        if (!path)
                return;
        f->firmware = xreallocarray(f->firmware, f->n_firmware + 1, sizeof(*f->firmware));
        memmove(f->firmware + 1, f->firmware, f->n_firmware * sizeof(*f->firmware));
        f->n_firmware++;
        f->firmware[0] = (FirmwareFact){
                .descriptor = xstrdup(config->ovmf ? "carrel's configuration" : "carrel's data folder"),
                .executable = path,
                .device = xstrdup("flash"),
        };
}

static char *find_configured(int root, const char *configured, const char *search) {
        return host_root_find_program(root, (const char *const[]){ configured, NULL }, search);
}

/* For the bundle that the configuration names, or for devices that are to have one. */
static void collect_drivers(const RuntimeConfig *config, HostFacts *facts) {
        if (!streq(config->driver, "none") && !facts->drivers)
                driver_bundles_list(config, &facts->drivers, &facts->n_drivers, &facts->driver_problems);
}

HostFacts *host_facts_collect(int root, const RuntimeConfig *config, const char *search) {
        static const char *const qemu_names[] = { "qemu-system-x86_64", "qemu-kvm", NULL };
        cleanup_free char *where = xasprintf("%s:%s", search ? search : "", SEARCH_ALWAYS);
        HostFacts *f = xnew(HostFacts, 1);

        collect_machine(root, f);
        f->qemu = config->qemu ? find_configured(root, config->qemu, where)
                               : host_root_find_program(root, qemu_names, where);
        f->qboot = find_qboot(root, f->qemu);
        f->virtiofsd = config->virtiofsd ? find_configured(root, config->virtiofsd, where)
                                         : descriptors_find_virtiofsd(root, where);
        f->virtiofsd_rust = f->virtiofsd && virtiofsd_is_rust(root, f->virtiofsd);
        descriptors_collect_firmware(root, &f->firmware, &f->n_firmware, NULL);
        take_own_ovmf(root, config, f);
        f->vmlinux = find_image(root, config->vmlinux, "vmlinux");
        f->vmlinuz = find_image(root, config->vmlinuz, "vmlinuz");
        f->initrd = find_image(root, config->initrd, "initrd");
        if (!streq(config->driver, "auto"))
                collect_drivers(config, f);
        return f;
}

int host_facts_check_configured(const RuntimeConfig *config, const HostFacts *facts, Error *err) {
        const char *ovmf = facts->n_firmware > 0 ? facts->firmware[0].executable : NULL;
        const struct {
                const char *key, *configured, *found;
        } named[] = {
                { "qemu", config->qemu, facts->qemu },
                { "virtiofsd", config->virtiofsd, facts->virtiofsd },
                { "vmlinux", config->vmlinux, facts->vmlinux },
                { "vmlinuz", config->vmlinuz, facts->vmlinuz },
                { "initrd", config->initrd, facts->initrd },
                { "ovmf", config->ovmf, streq(ovmf, config->ovmf) ? ovmf : NULL },
        };

        for (size_t i = 0; i < ELEMENTS_OF(named); i++)
                if (named[i].configured && !named[i].found)
                        return error_set(err, ENOENT, "configuration: %s: %s: no such %s", named[i].key,
                                         named[i].configured, i < 2 ? "program" : "file");
        return 0;
}

/* ---- all of it ---- */

static int probe_accelerator(const RuntimeConfig *config, HostFacts *f, Error *err) {
        cleanup_accelerator_report AcceleratorReport report = { 0 };

        if (streq(config->accelerator, "tcg")) {
                f->kvm_problem = xstrdup("the configuration says accelerator tcg");
                return 0;
        }
        if (accelerator_probe(&report, err) < 0)
                return -err->code;
        f->kvm = report.state == KVM_STATE_USABLE;
        f->kvm_problem = TAKE_PTR(report.problem);
        return 0;
}

int host_facts_gather(const RuntimeConfig *config, const Caller *caller, HostFacts **ret, Error *err) {
        cleanup(host_facts_freep) HostFacts *f = NULL;
        cleanup_close int root = host_root_open("/", err);
        ClockSample clock = host_clock_sample(); /* early: it must be 2 ms old when it is used */
        QemuUser user = { 0 };

        if (root < 0)
                return -err->code;
        f = host_facts_collect(root, config, getenv("PATH"));
        if (host_facts_check_configured(config, f, err) < 0)
                return -err->code;
        f->rootless = caller->rootless;
        f->own_uid = caller->uid;
        f->own_gid = caller->gid;
        /* there is no other user than one's own in there */
        if (!f->rootless && qemu_user_find(root, config->qemu_user, &user, err) < 0)
                return error_prefix(err, "configuration: qemuUser");
        f->qemu_uid = user.uid;
        f->qemu_gid = user.gid;
        if (probe_accelerator(config, f, err) < 0)
                return -err->code;
        if (f->kvm) {
                f->kvm_problem = qemu_user_kvm_obstacle(root, &user, &f->kvm_gid);
                f->kvm = !f->kvm_problem;
        }
        if (!f->kvm)
                f->tsc_khz = host_tsc_khz(root, clock);
        *ret = TAKE_PTR(f);
        return 0;
}

int host_facts_gather_gpu(const RuntimeConfig *config, HostFacts *facts, Error *err) {
        cleanup_close int root = host_root_open("/", err);

        if (root < 0)
                return -err->code;
        gpu_facts_free(facts->gpu);
        facts->gpu = gpu_facts_collect(root);
        collect_drivers(config, facts);
        return 0;
}

int host_facts_read_file(const char *path, HostFacts **ret, Error *err) {
        cleanup(host_facts_freep) HostFacts *f = xnew(HostFacts, 1);
        cleanup_free char *text = NULL;
        size_t length;

        if (file_read(AT_FDCWD, path, MAX_FACTS_FILE, &text, &length, err) < 0)
                return -err->code;
        if (json_read_text(text, length, NULL, host_facts_fields, f, err) < 0)
                return error_prefix(err, "%s", path);
        if (f->gpu && gpu_facts_complete(f->gpu, err) < 0)
                return error_prefix(err, "%s: gpu", path);
        *ret = TAKE_PTR(f);
        return 0;
}

HostFacts *host_facts_free(HostFacts *facts) {
        if (facts)
                json_clear(host_facts_fields, facts);
        free(facts);
        return NULL;
}
