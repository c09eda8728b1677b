/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/kernel-config-check.h"

#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define MACHINE   KERNEL_USE_MACHINE
#define CONTAINER KERNEL_USE_CONTAINER
#define DIRECT    KERNEL_USE_DIRECT
#define UEFI      KERNEL_USE_UEFI
#define GPU       KERNEL_USE_GPU

#define NEEDED(name_, uses_, why_)                                                                           \
        { .name = (name_), .uses = (uses_), .required = true, .why = (why_) }
#define BETTER(name_, uses_, why_)                                                                           \
        { .name = (name_), .uses = (uses_), .why = (why_) }

/* clang-format off: one option, one entry */
const KernelOption kernel_options[] = {
        /* to come up at all */
        NEEDED("64BIT", MACHINE, "the machine is x86-64"),
        NEEDED("BLK_DEV_INITRD", MACHINE, "the agent comes in the initrd: without it the guest has no init"),
        NEEDED("BINFMT_ELF", MACHINE, "no program can be started, the agent neither"),
        NEEDED("ACPI", MACHINE | UEFI | GPU,
               "CPUs, interrupts of PCI devices and hot-plug are found through ACPI: one CPU, dead devices"),
        NEEDED("SMP", MACHINE | GPU, "only one CPU comes up, whatever the VM has"),
        NEEDED("PCI", MACHINE | GPU, "every device of the VM is a PCI device: no disk, no network, no agent"),
        NEEDED("PCI_MSI", MACHINE | GPU,
               "devices send their interrupts as messages; GPU drivers refuse to work without"),
        NEEDED("PCI_MMCONFIG", GPU,
               "PCI Express configuration space beyond 256 bytes: GPUs keep their capabilities there"),
        BETTER("PCI_MMCONFIG", MACHINE, "configuration of PCI devices goes through slow ports"),
        { .name = "CMDLINE_OVERRIDE",
          .uses = MACHINE,
          .required = true,
          .unwanted = true,
          .why = "the kernel ignores the command line carrel gives it" },
        BETTER("HOTPLUG_CPU", MACHINE, "CPUs cannot be added while the VM runs"),
        BETTER("MEMORY_HOTPLUG", MACHINE, "memory cannot be added while the VM runs"),

        /* UEFI: the origin of this check */
        NEEDED("EFI", UEFI,
               "the kernel takes OVMF for a BIOS, finds no ACPI tables, starts one CPU (\"SMP disabled\") "
               "and no GPU works"),
        BETTER("EFI_STUB", UEFI,
               "OVMF cannot start the image as a program: a slower detour, where firmware allows it"),
        BETTER("PVH", DIRECT,
               "vmlinux cannot be started directly: the bzImage has to be unpacked at every start"),

        /* the host's side of the devices */
        NEEDED("VIRTIO_PCI", MACHINE, "no paravirtual device is found"),
        NEEDED("VIRTIO_CONSOLE", MACHINE, "the agent's channel to the host: the guest would never answer"),
        NEEDED("NET", MACHINE, "no sockets, the loopback neither"),
        NEEDED("INET", CONTAINER, "no IPv4"),
        NEEDED("UNIX", CONTAINER, "no UNIX sockets, which many programs need"),
        BETTER("IPV6", CONTAINER, "no IPv6"),
        BETTER("PACKET", CONTAINER, "DHCP clients and tcpdump do not work"),
        NEEDED("VIRTIO_NET", CONTAINER, "containers have no network"),
        BETTER("VIRTIO_BLK", CONTAINER, "no disks can be given to a VM"),
        BETTER("EXT4_FS", CONTAINER, "disks with the most common file system cannot be mounted"),
        NEEDED("FUSE_FS", CONTAINER, "the container's files come through virtio-fs, which builds on it"),
        NEEDED("VIRTIO_FS", CONTAINER, "the container's files come through it"),
        BETTER("NET_9P_VIRTIO", CONTAINER, "hosts without virtiofsd cannot share files (9p)"),
        BETTER("9P_FS", CONTAINER, "hosts without virtiofsd cannot share files (9p)"),
        BETTER("HW_RANDOM_VIRTIO", MACHINE, "the guest may wait for random numbers at its start"),
        BETTER("VIRTIO_BALLOON", MACHINE, "memory cannot be given back to the host"),
        BETTER("PARAVIRT", MACHINE, "clock and spin locks are those of a real machine: slower under KVM"),
        BETTER("KVM_GUEST", MACHINE, "clock and spin locks are those of a real machine: slower under KVM"),
        BETTER("PRINTK", MACHINE, "a guest that fails says nothing"),
        BETTER("SERIAL_8250_CONSOLE", MACHINE, "a guest that fails leaves an empty console log"),

        /* what the agent is written with */
        NEEDED("EPOLL", MACHINE, "the agent cannot run"),
        NEEDED("SIGNALFD", MACHINE, "the agent cannot run"),
        NEEDED("TIMERFD", MACHINE, "the agent cannot run"),
        NEEDED("EVENTFD", MACHINE, "the agent cannot run"),
        NEEDED("FUTEX", MACHINE, "programs with threads cannot run"),
        NEEDED("MULTIUSER", CONTAINER, "processes cannot run as another user than root"),
        NEEDED("PROC_FS", MACHINE, "no /proc"),
        NEEDED("SYSFS", MACHINE, "no /sys"),
        NEEDED("TMPFS", MACHINE, "no tmpfs: /dev, /dev/shm and /run of containers"),
        NEEDED("SHMEM", CONTAINER, "no shared memory in memory file systems"),
        NEEDED("DEVTMPFS", MACHINE, "the agent finds no device nodes"),
        NEEDED("UNIX98_PTYS", CONTAINER, "no terminals: docker run -t, exec -t"),

        /* containers, as the OCI specification describes them */
        NEEDED("NAMESPACES", CONTAINER, "no namespaces"),
        NEEDED("UTS_NS", CONTAINER, "no hostname of the container's own"),
        NEEDED("IPC_NS", CONTAINER, "no IPC namespace"),
        NEEDED("PID_NS", CONTAINER, "no process namespace"),
        NEEDED("NET_NS", CONTAINER, "no network namespace"),
        BETTER("USER_NS", CONTAINER, "no user namespaces"),
        BETTER("TIME_NS", CONTAINER, "no time namespaces"),
        NEEDED("CGROUPS", CONTAINER, "no limits"),
        NEEDED("MEMCG", CONTAINER, "no limits of memory"),
        NEEDED("CGROUP_PIDS", CONTAINER, "no limit of the number of processes"),
        NEEDED("CGROUP_BPF", CONTAINER, "no rules for devices (cgroup 2 does them with BPF)"),
        NEEDED("BPF_SYSCALL", CONTAINER, "no rules for devices (cgroup 2 does them with BPF)"),
        BETTER("CPUSETS", CONTAINER, "no choice of CPUs"),
        BETTER("CFS_BANDWIDTH", CONTAINER, "no limit of CPU time"),
        BETTER("BLK_CGROUP", CONTAINER, "no weights and limits of block devices"),
        BETTER("CGROUP_HUGETLB", CONTAINER, "no limits of huge pages"),
        NEEDED("SECCOMP", CONTAINER, "no filter of system calls: engines ask for one for every container"),
        NEEDED("SECCOMP_FILTER", CONTAINER,
               "no filter of system calls: engines ask for one for every container"),
        NEEDED("SYSVIPC", CONTAINER, "no System V shared memory (databases, MPI)"),
        NEEDED("POSIX_MQUEUE", CONTAINER, "engines mount /dev/mqueue in every container"),
        BETTER("OVERLAY_FS", CONTAINER, "no overlay mounts, which engines inside a container need"),
        BETTER("INOTIFY_USER", CONTAINER, "programs that watch files do not work"),
        BETTER("FHANDLE", CONTAINER, "systemd in a container does not work"),
        BETTER("KEYS", CONTAINER, "no kernel key rings"),
        BETTER("AIO", CONTAINER, "programs with asynchronous I/O (databases) do not work"),
        BETTER("IA32_EMULATION", CONTAINER, "32-bit programs do not run"),
        BETTER("NFS_FS", CONTAINER, "NFS exports cannot be mounted inside the VM"),
        BETTER("HIGH_RES_TIMERS", CONTAINER, "short sleeps take as long as a clock tick"),

        /* a GPU and its driver, which comes as a bundle of modules */
        NEEDED("MODULES", GPU, "the GPU's driver is a module"),
        NEEDED("EROFS_FS", GPU, "driver bundles are EROFS images"),
        NEEDED("FW_LOADER", GPU, "the driver loads the GPU's firmware through it"),
        NEEDED("PCIEPORTBUS", GPU, "the ports GPUs sit on get no driver: no errors reported, no hot-plug"),
        NEEDED("X86_PAT", GPU, "GPU memory cannot be mapped write-combining; drivers refuse to load"),
        { .name = "TRIM_UNUSED_KSYMS",
          .uses = GPU,
          .required = true,
          .unwanted = true,
          .why = "what GPU drivers call was removed from the kernel" },
        { .name = "MODULE_SIG_FORCE",
          .uses = GPU,
          .unwanted = true,
          .why = "only drivers signed with the kernel's own key can be loaded" },
        BETTER("MODULE_UNLOAD", GPU, "a driver cannot be taken out again"),
        BETTER("PCIEASPM", GPU,
               "the kernel asks ACPI for no native PCI Express control: no error reports, no hot-plug"),
        BETTER("PCIEAER", GPU, "errors on the way to the GPU are not seen"),
        BETTER("HOTPLUG_PCI_PCIE", GPU, "a GPU cannot be added to a running VM"),
        BETTER("MMU_NOTIFIER", GPU, "drivers cannot follow changes of a program's memory: no unified memory"),
        BETTER("ZONE_DEVICE", GPU, "no device memory as pages: unified memory, transfers between GPUs"),
        BETTER("DEVICE_PRIVATE", GPU, "no heterogeneous memory (HMM)"),
        BETTER("PCI_P2PDMA", GPU, "no transfers between devices without a copy"),
        BETTER("SYNC_FILE", GPU, "drivers cannot exchange fences"),
        BETTER("NUMA", GPU, "memory cannot be kept near the GPU"),
        {},
};
/* clang-format on */

/* Which decompressor the kernel needs for the initrd. */
static const struct {
        PackFormat format;
        KernelOption option;
} initrd_options[] = {
        { PACK_GZIP, NEEDED("RD_GZIP", MACHINE, "the initrd is packed with gzip") },
        { PACK_XZ, NEEDED("RD_XZ", MACHINE, "the initrd is packed with xz") },
        { PACK_LZMA, NEEDED("RD_LZMA", MACHINE, "the initrd is packed with lzma") },
        { PACK_ZSTD, NEEDED("RD_ZSTD", MACHINE, "the initrd is packed with zstd") },
        { PACK_LZ4, NEEDED("RD_LZ4", MACHINE, "the initrd is packed with lz4") },
        { PACK_BZIP2, NEEDED("RD_BZIP2", MACHINE, "the initrd is packed with bzip2") },
        { PACK_LZO, NEEDED("RD_LZO", MACHINE, "the initrd is packed with lzo") },
};

const char *kernel_config_get(const char *config, const char *name, size_t *ret_length) {
        cleanup_free char *key = xasprintf("CONFIG_%s=", name);
        size_t length = strlen(key);

        for (const char *at = config; (at = strstr(at, key)); at += length) {
                if (at != config && at[-1] != '\n')
                        continue;
                *ret_length = strcspn(at + length, "\r\n");
                return at + length;
        }
        return NULL;
}

static char state_of(const char *config, const char *name) {
        size_t length;
        const char *value = kernel_config_get(config, name, &length);

        if (!value || (length == 1 && *value == 'n'))
                return 'n';
        return length == 1 && *value == 'm' ? 'm' : 'y';
}

static bool is_lacking(const KernelOption *option, char state) {
        if (option->unwanted)
                return state != 'n';
        return state == 'n' || (state == 'm' && !option->module_ok);
}

typedef struct Lacks {
        KernelLack *lacks;
        size_t n;
} Lacks;

static void compare_option(const char *config, const KernelOption *option, Lacks *l) {
        char state = state_of(config, option->name);

        if (!is_lacking(option, state))
                return;
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->lacks[i].option->name, option->name))
                        return; /* already, for a graver reason */
        l->lacks = xreallocarray(l->lacks, l->n + 1, sizeof(*l->lacks));
        l->lacks[l->n++] = (KernelLack){ .option = option, .found = state };
}

size_t kernel_config_check(const char *config, unsigned uses, PackFormat initrd, KernelLack **ret) {
        Lacks l = { 0 };

        for (unsigned required = 2; required-- > 0;) {
                for (const KernelOption *o = kernel_options; o->name; o++)
                        if ((o->uses & uses) != 0 && o->required == (required == 1))
                                compare_option(config, o, &l);
                for (size_t i = 0; required && i < ELEMENTS_OF(initrd_options); i++)
                        if (initrd_options[i].format == initrd && (uses & KERNEL_USE_MACHINE) != 0)
                                compare_option(config, &initrd_options[i].option, &l);
        }
        *ret = l.lacks;
        return l.n;
}

const char *kernel_use_words(unsigned uses) {
        if (uses & KERNEL_USE_MACHINE)
                return "every VM";
        if (uses & KERNEL_USE_CONTAINER)
                return "containers";
        if (uses & KERNEL_USE_UEFI)
                return "OVMF";
        if (uses & KERNEL_USE_DIRECT)
                return "direct boot";
        return uses & KERNEL_USE_GPU ? "GPUs" : "nothing";
}
