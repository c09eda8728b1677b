/* SPDX-License-Identifier: Apache-2.0 */

/* The doctor's look at the machine: CPU, KVM, memory, and what the host's kernel offers. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/doctor-checks.h"
#include "runtime/host/facts.h"
#include "runtime/host/host-root.h"

#define MAX_PROC (64U << 10)
#define MIB      (1ULL << 20)
/* As in runtime/config.h: 0 stands for this. */
#define DEFAULT_MEMORY 2048U
/* Less than this and not even the guest's kernel and the agent have room. */
#define LEAST_MEMORY 256U

static bool exists(int root, const char *path) {
        cleanup_close int fd = host_root_open_file(root, path, O_PATH);

        return fd >= 0;
}

/* ---- CPU and KVM ---- */

typedef struct CpuFlags {
        bool vmx, svm, hypervisor;
} CpuFlags;

/* The flags of the first CPU; only the begin of the file is read, it has hundreds of entries on some hosts. */
static CpuFlags read_cpu_flags(int root) {
        cleanup_close int fd = host_root_open_file(root, "/proc/cpuinfo", O_RDONLY);
        cleanup_free char *text = xcalloc(1, MAX_PROC + 1);
        cleanup_strv char **words = NULL;
        char *flags;
        ssize_t n = fd >= 0 ? read(fd, text, MAX_PROC) : -1;

        if (n <= 0 || !(flags = strstr(text, "\nflags")))
                return (CpuFlags){ 0 };
        flags++;
        flags[strcspn(flags, "\n")] = '\0';
        words = strv_split(flags, " \t:");
        return (CpuFlags){
                .vmx = strv_contains(words, "vmx"),
                .svm = strv_contains(words, "svm"),
                .hypervisor = strv_contains(words, "hypervisor"),
        };
}

/* The module that does the work; NULL: none is loaded. */
static const char *kvm_module(int root) {
        if (exists(root, "/sys/module/kvm_intel"))
                return "kvm_intel";
        if (exists(root, "/sys/module/kvm_amd"))
                return "kvm_amd";
        return exists(root, "/sys/module/kvm_pvm") ? "kvm_pvm" : NULL;
}

void doctor_check_cpu(Doctor *d) {
        CpuFlags flags = read_cpu_flags(d->root);
        const char *module = kvm_module(d->root);
        const char *name = flags.vmx ? "VT-x (vmx)" : flags.svm ? "AMD-V (svm)" : NULL;
        const char *where = flags.hypervisor ? "; this is itself a virtual machine" : "";

        if (name && module)
                doctor_add(d->report, DOCTOR_OK, "cpu", "CPU", NULL, "%s, module %s%s", name, module, where);
        else if (name)
                doctor_add(d->report, DOCTOR_WARN, "cpu", "CPU",
                           flags.vmx ? "modprobe kvm_intel" : "modprobe kvm_amd",
                           "%s, but no KVM module is loaded%s", name, where);
        else if (flags.hypervisor)
                doctor_add(d->report, DOCTOR_WARN, "cpu", "CPU",
                           "turn nested virtualisation on for this machine where it is hosted, or use a "
                           "physical one",
                           "no vmx or svm flag%s%s: this is itself a virtual machine, without nested "
                           "virtualisation",
                           module ? ", module " : "", module ? module : "");
        else
                doctor_add(d->report, DOCTOR_WARN, "cpu", "CPU",
                           "turn VT-x or AMD-V (SVM) on in the firmware's setup",
                           "no vmx or svm flag: no hardware virtualisation, or it is turned off");
}

static const char *kvm_fix(const Doctor *d) {
        switch (d->kvm->state) {
        case KVM_STATE_ABSENT:
                return kvm_module(d->root) ? "make the node: mknod /dev/kvm c 10 232" : "see CPU";
        case KVM_STATE_FORBIDDEN:
                return "run carrel as root, or as a member of the group of /dev/kvm; in a container, allow "
                       "the device";
        case KVM_STATE_SLOW:
                return "use a host with real (nested) virtualisation; on this one, VMs are emulated by QEMU "
                       "(TCG), which "
                       "is faster";
        case KVM_STATE_REFUSED:
                return "see the kernel's log (dmesg) for messages of kvm";
        case KVM_STATE_USABLE:
        case _KVM_STATE_MAX:
                break;
        }
        return NULL;
}

void doctor_check_kvm(Doctor *d) {
        const char *wanted = d->config->accelerator;
        DoctorStatus bad = streq(wanted, "kvm") ? DOCTOR_FAIL : DOCTOR_WARN;

        if (d->kvm->state == KVM_STATE_USABLE)
                doctor_add(d->report, DOCTOR_OK, "kvm", "KVM", NULL,
                           "/dev/kvm virtualises: a test VM ran %" PRIu64 " instructions in %" PRIu64 " us%s",
                           d->kvm->instructions, d->kvm->usec,
                           streq(wanted, "tcg") ? "; not used: the configuration says accelerator tcg" : "");
        else
                doctor_add(d->report, bad, "kvm", "KVM", kvm_fix(d), "%s", d->kvm->problem);
}

/* ---- memory ---- */

static uint64_t meminfo_get(const char *meminfo, const char *key) {
        const char *line = meminfo ? strstr(meminfo, key) : NULL;
        unsigned long long value;

        return line && sscanf(line + strlen(key), ": %llu", &value) == 1 ? value : 0;
}

void doctor_check_memory(Doctor *d) {
        cleanup_free char *meminfo = host_root_read(d->root, "/proc/meminfo", MAX_PROC, NULL);
        uint64_t available = meminfo_get(meminfo, "\nMemAvailable") >> 10;
        uint64_t vm = d->config->memory_mib ? d->config->memory_mib : DEFAULT_MEMORY;
        uint64_t total = d->facts->memory / MIB;

        if (available >= vm)
                doctor_add(d->report, DOCTOR_OK, "memory", "Memory", NULL,
                           "%" PRIu64 " of %" PRIu64 " MiB available; a VM has %" PRIu64
                           " unless told otherwise",
                           available, total, vm);
        else
                doctor_add(d->report, available < LEAST_MEMORY ? DOCTOR_FAIL : DOCTOR_WARN, "memory",
                           "Memory",
                           "give containers a limit (docker run --memory), set \"memoryMiB\" lower, or free "
                           "memory",
                           "only %" PRIu64 " of %" PRIu64 " MiB available, less than the %" PRIu64
                           " a VM has unless told otherwise",
                           available, total, vm);
}

void doctor_check_hugepages(Doctor *d) {
        cleanup_free char *meminfo = host_root_read(d->root, "/proc/meminfo", MAX_PROC, NULL);
        uint64_t total = meminfo_get(meminfo, "\nHugePages_Total"),
                 kib = meminfo_get(meminfo, "\nHugepagesize");

        if (total == 0)
                doctor_add(d->report, DOCTOR_OK, "hugepages", "Huge pages", NULL,
                           "none reserved; only VMs with a GPU gain from them");
        else
                doctor_add(d->report, DOCTOR_OK, "hugepages", "Huge pages", NULL,
                           "%" PRIu64 " of %" PRIu64 " pages of %" PRIu64 " MiB free",
                           meminfo_get(meminfo, "\nHugePages_Free"), total, kib >> 10);
}

/* ---- the host's kernel ---- */

void doctor_check_cgroup(Doctor *d) {
        switch (host_cgroup_mode(d->root)) {
        case CGROUP_V2:
                doctor_add(d->report, DOCTOR_OK, "cgroup", "cgroup", NULL, "version 2");
                break;
        case CGROUP_HYBRID:
                doctor_add(d->report, DOCTOR_OK, "cgroup", "cgroup", NULL,
                           "hybrid: controllers of version 1, version 2 beside them");
                break;
        case CGROUP_V1:
                doctor_add(d->report, DOCTOR_OK, "cgroup", "cgroup", NULL, "version 1");
                break;
        case CGROUP_NONE:
        case _CGROUP_MODE_MAX:
                doctor_add(d->report, DOCTOR_WARN, "cgroup", "cgroup",
                           "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
                           "none is mounted: no limits on the host's side, no figures for engines");
                break;
        }
}

void doctor_check_tun(Doctor *d) {
        cleanup_close int fd = host_root_open_file(d->root, "/dev/net/tun", O_RDWR | O_NONBLOCK);

        if (fd >= 0)
                doctor_add(d->report, DOCTOR_OK, "tun", "Network", NULL, "/dev/net/tun opens");
        else if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
                doctor_add(d->report, DOCTOR_WARN, "tun", "Network", "modprobe tun",
                           "no /dev/net/tun: VMs have no network");
        else
                doctor_add(d->report, DOCTOR_WARN, "tun", "Network",
                           "run carrel as root; in a container, allow the device",
                           "/dev/net/tun: %s: VMs have no network", strerror(errno));
}

void doctor_check_vhost(Doctor *d) {
        bool net = exists(d->root, "/dev/vhost-net"), vsock = exists(d->root, "/dev/vhost-vsock");

        doctor_add(d->report, DOCTOR_OK, "vhost-net", "vhost-net", NULL,
                   net ? "/dev/vhost-net is there: the kernel moves packets"
                       : "no /dev/vhost-net (modprobe vhost_net): QEMU moves packets, slower");
        doctor_add(d->report, DOCTOR_OK, "vhost-vsock", "vhost-vsock", NULL, "%s; carrel does not use it",
                   vsock ? "/dev/vhost-vsock is there" : "no /dev/vhost-vsock");
}

void doctor_check_seccomp(Doctor *d) {
        cleanup_free char *actions =
                host_root_read(d->root, "/proc/sys/kernel/seccomp/actions_avail", MAX_PROC, NULL);

        if (actions && strstr(actions, "errno"))
                doctor_add(d->report, DOCTOR_OK, "seccomp", "seccomp", NULL,
                           "filters of system calls for QEMU and virtiofsd");
        else
                doctor_add(d->report, DOCTOR_FAIL, "seccomp", "seccomp",
                           "use a host kernel with CONFIG_SECCOMP_FILTER",
                           "the kernel has no filters of system calls, which QEMU is confined by");
}
