/* SPDX-License-Identifier: Apache-2.0 */

/* What stands in the way of passing any device of this host. */

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/diagnose.h"

#define MIB              (UINT64_C(1) << 20)
#define SMALL_PAGES_SLOW (8192 * MIB) /* bytes; below that nobody notices */

/* A word of the kernel's command line, the last of its kind counts: "off" for "iommu=off"; NULL: it is not there. */
static char *option_of(const GpuFacts *facts, const char *name) {
        cleanup_strv char **words = strv_split(facts->command_line ? facts->command_line : "", " \n");
        char *value = NULL;

        STRV_FOR_EACH (word, words) {
                const char *rest = str_after(*word, name);

                if (!rest || *rest != '=')
                        continue;
                free(value);
                value = xstrdup(rest + 1);
        }
        return value;
}

static bool is_off(const char *value) {
        return value && (streq(value, "off") || str_after(value, "off,"));
}

/* "iommu=off" counts wherever it stands; a later "iommu=pt" does not take it back. */
static bool says(const GpuFacts *facts, const char *wanted) {
        cleanup_strv char **words = strv_split(facts->command_line ? facts->command_line : "", " \n");

        return strv_contains(words, wanted);
}

static void find_iommu(const GpuFacts *facts, GpuFindings *f) {
        bool intel = streq(facts->cpu_vendor, "GenuineIntel"), amd = streq(facts->cpu_vendor, "AuthenticAMD");
        cleanup_free char *own = option_of(facts, intel ? "intel_iommu" : "amd_iommu");
        const char *fix = NULL;

        if (facts->iommu) {
                gpu_findings_add(f, GPU_OK, "iommu", NULL, "the IOMMU is on");
                return;
        }
        if (!facts->iommu_tables) {
                gpu_findings_add(
                        f, GPU_BLOCKED, "iommu-firmware",
                        facts->virtual_machine
                                ? "this host is itself a virtual machine: give it an IOMMU with interrupt "
                                  "remapping (QEMU: -device intel-iommu,intremap=on), or use a physical host"
                        : intel ? "turn on VT-d (Intel Virtualization Technology for Directed I/O) in the "
                                  "firmware's setup"
                        : amd   ? "turn on IOMMU (AMD-Vi) in the firmware's setup"
                                : "turn on the IOMMU (VT-d, AMD-Vi) in the firmware's setup",
                        "there is no IOMMU: the firmware describes none (ACPI table %s)",
                        intel ? "DMAR"
                        : amd ? "IVRS"
                              : "DMAR or IVRS");
                return;
        }
        if (says(facts, "iommu=off"))
                fix = "take iommu=off from the command line of the host's kernel";
        else if (is_off(own))
                fix = intel ? "write intel_iommu=on instead of intel_iommu=off on the command line of the "
                              "host's kernel"
                            : "take amd_iommu=off from the command line of the host's kernel";
        else if (intel && !own)
                fix = "add intel_iommu=on to the command line of the host's kernel (GRUB_CMDLINE_LINUX, "
                      "update-grub)";
        else
                fix = "see why in: dmesg | grep -i -e DMAR -e AMD-Vi";
        gpu_findings_add(f, GPU_BLOCKED, "iommu-kernel", fix,
                         "the firmware has an IOMMU, but the host's kernel does not use it: there are no "
                         "IOMMU groups");
}

static void find_interrupts(const GpuFacts *facts, GpuFindings *f) {
        if (!facts->iommu)
                return;
        if (facts->interrupt_remapping)
                gpu_findings_add(f, GPU_OK, "interrupt-remapping", NULL, "interrupts are remapped");
        else if (facts->unsafe_interrupts)
                gpu_findings_add(
                        f, GPU_WARN, "interrupt-remapping",
                        "turn on interrupt remapping (x2APIC, in the firmware's setup) and unset "
                        "vfio_iommu_type1.allow_unsafe_interrupts",
                        "interrupts are not remapped, which vfio was told to put up with: a guest can send "
                        "any interrupt to the host");
        else
                gpu_findings_add(
                        f, GPU_BLOCKED, "interrupt-remapping",
                        "turn on interrupt remapping (x2APIC, in the firmware's setup; no intremap=off and "
                        "no "
                        "nointremap on the kernel's command line); for a host that trusts its guests: "
                        "vfio_iommu_type1.allow_unsafe_interrupts=1",
                        "interrupts of devices are not remapped, and vfio refuses to do without");
}

char *gpu_fix_of_access(const char *node, const char *problem) {
        if (streq(problem, "Operation not permitted"))
                return xasprintf(
                        "a device cgroup forbids it: if carrel runs in a container, start that with --device "
                        "%s; if in a service, allow it there (DeviceAllow=%s rw)",
                        node, node);
        if (streq(problem, "Permission denied"))
                return xstrdup("run carrel as root, or give its user the node (chmod, udev rule)");
        if (streq(problem, "No such file or directory"))
                return xasprintf("let udev or devtmpfs make it; if carrel runs in a container: --device %s",
                                 node);
        return xstrdup("see dmesg | grep -i vfio");
}

static void find_vfio(const GpuFacts *facts, GpuFindings *f) {
        if (facts->vfio_pci)
                gpu_findings_add(f, GPU_OK, "vfio", NULL, "vfio-pci is there");
        else if (facts->vfio_pci_module)
                gpu_findings_add(f, GPU_OK, "vfio", NULL,
                                 "vfio-pci is there as a module, to be loaded when it is needed");
        else
                gpu_findings_add(
                        f, GPU_BLOCKED, "vfio",
                        "install the modules of the running kernel (Debian: linux-image-amd64; Ubuntu: "
                        "linux-modules-extra-$(uname -r)), or restart into the installed one",
                        "the driver vfio-pci is not there for kernel %s",
                        facts->kernel_release ? facts->kernel_release : "(unknown)");
        if (facts->vfio_problem) {
                cleanup_free char *fix = gpu_fix_of_access("/dev/vfio/vfio", facts->vfio_problem);

                gpu_findings_add(f, GPU_BLOCKED, "vfio-access", fix, "/dev/vfio/vfio cannot be opened: %s",
                                 facts->vfio_problem);
        }
        if (facts->no_iommu)
                gpu_findings_add(f, GPU_WARN, "no-iommu-mode", "unset vfio.enable_unsafe_noiommu_mode",
                                 "vfio may be used without an IOMMU on this host; carrel does not do that");
}

/* ---- memory, all of which is pinned ---- */

static void find_memory(const GpuFacts *facts, const GpuNeeds *needs, GpuFindings *f) {
        uint64_t whole = needs->host_memory > needs->memory ? needs->host_memory : needs->memory;
        bool short_ = !needs->huge_pages && facts->memory_available > 0 && facts->memory_available < whole;
        bool limited = facts->cgroup_memory > 0 && facts->cgroup_memory < whole;

        if (needs->memory == 0)
                return;
        if (short_)
                gpu_findings_add(f, GPU_BLOCKED, "memory",
                                 "free some, or give the container less (its memory limit, or memoryMiB)",
                                 "a VM with a passed device pins all its memory, %" PRIu64
                                 " MiB with what surrounds it; the host has %" PRIu64 " MiB available",
                                 whole / MIB, facts->memory_available / MIB);
        if (limited)
                gpu_findings_add(f, GPU_BLOCKED, "memory-cgroup",
                                 "raise that limit, or give the container less",
                                 "cgroup %s allows %" PRIu64 " MiB; the VM pins %" PRIu64 " MiB",
                                 facts->cgroup_memory_path ? facts->cgroup_memory_path : "above",
                                 facts->cgroup_memory / MIB, whole / MIB);
        if (!short_ && !limited)
                gpu_findings_add(f, GPU_OK, "memory", NULL, "%" PRIu64 " MiB can be pinned", whole / MIB);
        if (facts->memlock < needs->memory)
                gpu_findings_add(
                        f, GPU_BLOCKED, "memlock",
                        "raise it (LimitMEMLOCK=infinity in the engine's service, ulimit -l), or give carrel "
                        "CAP_SYS_RESOURCE",
                        "%" PRIu64 " MiB may be locked into memory (RLIMIT_MEMLOCK); the guest needs %" PRIu64
                        " MiB",
                        facts->memlock / MIB, needs->memory / MIB);
}

/* Guest memory is shared (a memfd), for which shmem_enabled alone decides; QEMU asks for huge pages (MADV_HUGEPAGE), so
 * that "advise" is enough. "deny" and "never" are the kernel's words for no. */
static void find_small_pages(const GpuFacts *facts, const GpuNeeds *needs, uint64_t free_bytes,
                             GpuFindings *f) {
        cleanup_free char *fix = NULL;

        if (needs->huge_pages || needs->memory < SMALL_PAGES_SLOW || free_bytes >= needs->memory ||
            (!streq(facts->shmem_huge, "never") && !streq(facts->shmem_huge, "deny")))
                return;
        fix = xasprintf("echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled, or raise "
                        "vm.nr_hugepages (sysctl) by %" PRIu64,
                        (needs->memory - free_bytes + 2 * MIB - 1) / (2 * MIB));
        gpu_findings_add(f, GPU_WARN, "small-pages", fix,
                         "the guest's memory, %" PRIu64
                         " MiB, comes in pages of 4 KiB: too few huge pages are "
                         "free, and transparent ones are off for shared memory (shmem_enabled: %s); each "
                         "start takes longer",
                         needs->memory / MIB, facts->shmem_huge);
}

static void find_huge_pages(const GpuFacts *facts, const GpuNeeds *needs, GpuFindings *f) {
        uint64_t free_bytes = 0, wanted = (needs->memory + 2 * MIB - 1) / (2 * MIB);

        for (size_t i = 0; i < facts->n_nodes; i++)
                free_bytes += facts->nodes[i].huge_2m * 2 * MIB;
        find_small_pages(facts, needs, free_bytes, f);
        if (!needs->huge_pages || needs->memory == 0)
                return;
        if (free_bytes >= needs->memory) {
                gpu_findings_add(f, GPU_OK, "huge-pages", NULL, "%" PRIu64 " MiB of huge pages are free",
                                 free_bytes / MIB);
                return;
        }
        gpu_findings_add(
                f, GPU_BLOCKED, "huge-pages",
                "raise vm.nr_hugepages (sysctl), best at boot; or set hugePages to \"auto\" or \"never\"",
                "the guest's memory is %" PRIu64 " huge pages of 2 MiB; %" PRIu64 " are free", wanted,
                free_bytes / (2 * MIB));
}

void gpu_diagnose_host(const GpuFacts *facts, const GpuNeeds *needs, GpuFindings *findings) {
        find_iommu(facts, findings);
        find_interrupts(facts, findings);
        find_vfio(facts, findings);
        find_memory(facts, needs, findings);
        find_huge_pages(facts, needs, findings);
}
