/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/gpu-facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/gpu/lease.h"
#include "runtime/host/host-root.h"
#include "runtime/host/pci.h"
#include "runtime/plan/sizing.h"

#define TEXT_MAX     (16U << 20)
#define LEASE_MAX    (64U << 10)
#define INTERRUPTS   64U /* whose kind is looked at */
#define NUMA_MAX     1024U
#define UNLIMITED_V1 (UINT64_C(1) << 60) /* cgroup v1 says "no limit" with a number above this */

static char *read_text(int root, const char *path) {
        return host_root_read(root, path, TEXT_MAX, NULL);
}

static char *read_line(int root, const char *path) {
        char *text = read_text(root, path);

        if (text)
                text[strcspn(text, "\n")] = '\0';
        return text;
}

static uint64_t read_number(int root, const char *path) {
        cleanup_free char *text = read_line(root, path);
        uint64_t value;

        return text && str_to_u64(text, 10, UINT64_MAX, &value) ? value : 0;
}

static bool exists(int root, const char *path) {
        cleanup_close int fd = host_root_open_file(root, path, O_PATH);

        return fd >= 0;
}

static bool is_set(int root, const char *parameter) {
        cleanup_free char *text = read_line(root, parameter);

        return text && (*text == 'Y' || *text == '1');
}

static bool folder_has_entries(int root, const char *path) {
        int fd = host_root_open_file(root, path, O_RDONLY | O_DIRECTORY);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        bool found = false;

        while (folder && !found && (entry = readdir(folder)))
                found = *entry->d_name != '.';
        if (folder)
                closedir(folder);
        return found;
}

/* ---- IOMMU ---- */

/* Chips of remapped interrupts are called "IR-IO-APIC", "IR-PCI-MSI": /sys/kernel/irq/N/chip_name, or the third column
 * of /proc/interrupts, which is long, on kernels without that. */
static bool interrupts_are_remapped(int root) {
        cleanup_free char *text = NULL;

        for (unsigned i = 0; i < INTERRUPTS; i++) {
                char path[64];
                cleanup_free char *chip = NULL;

                snprintf(path, sizeof(path), "/sys/kernel/irq/%u/chip_name", i);
                chip = read_line(root, path);
                if (chip && str_after(chip, "IR-"))
                        return true;
        }
        if (exists(root, "/sys/kernel/irq"))
                return false;
        text = read_text(root, "/proc/interrupts");
        return text && strstr(text, " IR-");
}

/* Only for a message about an IOMMU that is off: before Linux 5.17 opening /proc/cpuinfo waits for every CPU. */
static void look_at_cpu(int root, GpuFacts *f) {
        cleanup_free char *text = read_text(root, "/proc/cpuinfo");
        char *flags = text ? strstr(text, "\nflags") : NULL;
        char *line = text ? strstr(text, "vendor_id") : NULL;

        if (flags) {
                flags[1 + strcspn(flags + 1, "\n")] = '\0';
                f->virtual_machine = strstr(flags, " hypervisor") != NULL;
        }
        line = line ? strchr(line, ':') : NULL;
        if (!line)
                return;
        line += strspn(line, ": \t");
        f->cpu_vendor = xstrndup(line, strcspn(line, "\n"));
}

/* Where vfio may do without an IOMMU it makes groups of its own. */
static void collect_iommu(int root, GpuFacts *f) {
        f->no_iommu = is_set(root, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
        f->iommu = folder_has_entries(root, "/sys/kernel/iommu_groups") &&
                   (!f->no_iommu || folder_has_entries(root, "/sys/class/iommu"));
        f->iommu_tables = exists(root, "/sys/firmware/acpi/tables/DMAR") ||
                          exists(root, "/sys/firmware/acpi/tables/IVRS") || f->iommu;
        f->interrupt_remapping = f->iommu && interrupts_are_remapped(root);
        if (!f->iommu)
                look_at_cpu(root, f);
        f->unsafe_interrupts =
                is_set(root, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
}

/* ---- vfio ---- */

static bool has_module(int root, const char *release, const char *name) {
        static const char *const lists[] = { "modules.dep", "modules.builtin" };
        static const char *const folders[] = { "/lib/modules", "/usr/lib/modules" };

        for (size_t i = 0; release && i < ELEMENTS_OF(folders) * ELEMENTS_OF(lists); i++) {
                cleanup_free char *path = xasprintf("%s/%s/%s", folders[i / ELEMENTS_OF(lists)], release,
                                                    lists[i % ELEMENTS_OF(lists)]);
                cleanup_free char *text = read_text(root, path);

                if (text && strstr(text, name))
                        return true;
        }
        return false;
}

/* A group's node is not opened: while it is, nobody else can, and a QEMU that just starts would fail. */
static void look_for_nodes(int root, GpuFacts *f) {
        for (size_t i = 0; i < f->n_devices; i++) {
                PciDevice *d = &f->devices[i];
                char path[64];
                int r;

                if (d->group < 0 || !streq(d->driver, "vfio-pci"))
                        continue;
                snprintf(path, sizeof(path), "/dev/vfio/%" PRId32, d->group);
                d->node_missing = !exists(root, path);
                r = d->node_missing ? 0 : host_root_check_access(root, path, R_OK | W_OK);
                if (r < 0)
                        d->node_problem = xstrdup(strerror(-r));
        }
}

/* The node is there before the module is (devtmpfs); opening it is harmless. */
static void collect_vfio(int root, GpuFacts *f) {
        f->vfio_pci = exists(root, "/sys/bus/pci/drivers/vfio-pci");
        f->vfio_pci_module = !f->vfio_pci && has_module(root, f->kernel_release, "/vfio-pci.ko");
        if (f->vfio_pci && exists(root, "/sys/class/misc/vfio")) {
                cleanup_close int fd = host_root_open_file(root, "/dev/vfio/vfio", O_RDWR);

                if (fd < 0)
                        f->vfio_problem = xstrdup(strerror(errno));
        }
        if (!f->no_iommu)
                look_for_nodes(root, f);
}

/* ---- memory ---- */

static uint64_t field_of(const char *text, const char *name) {
        const char *line = text ? strstr(text, name) : NULL;
        unsigned long long value;

        return line && sscanf(line + strlen(name), " %llu", &value) == 1 ? value : 0;
}

/* PATH within one hierarchy, and its limit file; ancestors count too. */
static void look_at_limits(int root, GpuFacts *f, const char *mount, const char *path, const char *file) {
        cleanup_free char *folder = xstrdup(path);
        char *slash;

        do {
                cleanup_free char *name = xasprintf("%s%s/%s", mount, streq(folder, "/") ? "" : folder, file);
                uint64_t limit = read_number(root, name);

                if (limit > 0 && limit < UNLIMITED_V1 &&
                    (f->cgroup_memory == 0 || limit < f->cgroup_memory)) {
                        f->cgroup_memory = limit;
                        free(f->cgroup_memory_path);
                        f->cgroup_memory_path = xstrdup(folder);
                }
                slash = strrchr(folder, '/');
                if (slash)
                        *slash = '\0';
        } while (slash);
}

static void collect_cgroup(int root, GpuFacts *f) {
        cleanup_free char *text = read_text(root, "/proc/self/cgroup");
        char *rest = text, *line;

        while (rest && (line = strsep(&rest, "\n"))) {
                char *controllers = strchr(line, ':'),
                     *path = controllers ? strchr(controllers + 1, ':') : NULL;

                if (!path || path[1] != '/')
                        continue;
                *path++ = '\0';
                if (streq(controllers, ":"))
                        look_at_limits(root, f, "/sys/fs/cgroup", path, "memory.max");
                else if (strstr(controllers, "memory"))
                        look_at_limits(root, f, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
        }
}

/* The hard limit is what QEMU's can be raised to; who has CAP_SYS_RESOURCE raises it further. */
static uint64_t memlock(int root) {
        cleanup_free char *status = read_text(root, "/proc/self/status"),
                          *limits = read_text(root, "/proc/self/limits");
        const char *caps = status ? strstr(status, "CapEff:") : NULL;
        const char *line = limits ? strstr(limits, "Max locked memory") : NULL;
        unsigned long long effective = 0, hard;

        if (caps && sscanf(caps, "CapEff: %llx", &effective) == 1 && (effective >> CAP_SYS_RESOURCE) & 1)
                return UINT64_MAX;
        return line && sscanf(line, "Max locked memory %*s %llu", &hard) == 1 ? hard : UINT64_MAX;
}

/* The word in brackets: "always within_size advise [never] deny force". */
static char *chosen_word(int root, const char *path) {
        cleanup_free char *text = read_line(root, path);
        const char *begin = text ? strchr(text, '[') : NULL;

        return begin ? xstrndup(begin + 1, strcspn(begin + 1, "]")) : NULL;
}

static void collect_memory(int root, GpuFacts *f) {
        cleanup_free char *meminfo = read_text(root, "/proc/meminfo");

        f->memory_available = field_of(meminfo, "MemAvailable:") << 10;
        f->memlock = memlock(root);
        f->shmem_huge = chosen_word(root, "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
        collect_cgroup(root, f);
}

static void collect_nodes(int root, GpuFacts *f) {
        for (uint32_t i = 0; i < NUMA_MAX; i++) {
                cleanup_free char *folder = xasprintf("/sys/devices/system/node/node%" PRIu32, i);
                cleanup_free char *cpus = path_join(folder, "cpulist"),
                                  *meminfo = path_join(folder, "meminfo");
                cleanup_free char *huge_2m = path_join(folder, "hugepages/hugepages-2048kB/free_hugepages");
                cleanup_free char *huge_1g =
                        path_join(folder, "hugepages/hugepages-1048576kB/free_hugepages");
                cleanup_free char *text = NULL;

                if (!exists(root, folder))
                        break; /* nodes of hosts with GPUs are numbered without gaps */
                text = read_text(root, meminfo);
                f->nodes = xreallocarray(f->nodes, f->n_nodes + 1, sizeof(*f->nodes));
                f->nodes[f->n_nodes++] = (NumaNode){
                        .id = i,
                        .cpus = read_line(root, cpus),
                        .memory = field_of(text, "MemTotal:") << 10,
                        .huge_2m = read_number(root, huge_2m),
                        .huge_1g = read_number(root, huge_1g),
                };
        }
}

/* ---- leases ---- */

static void apply_lease(GpuFacts *f, const GpuLease *lease) {
        PciAddress address;

        if (!pci_address_parse(lease->address, &address))
                return;
        for (size_t i = 0; i < f->n_devices; i++) {
                PciDevice *d = &f->devices[i];

                if (pci_address_compare(&d->at, &address) != 0)
                        continue;
                d->holder = lease->id ? xstrdup(lease->id) : NULL;
                d->quarantine = lease->quarantine ? xstrdup(lease->quarantine) : NULL;
        }
}

static void collect_leases(int root, GpuFacts *f) {
        for (size_t i = 0; i < f->n_devices; i++) {
                cleanup_free char *path = xasprintf(GPU_LEASE_FOLDER "/%s.json", f->devices[i].address);
                cleanup_error Error ignored = { 0 };
                cleanup_free char *text = NULL;
                GpuLease lease = { 0 };
                size_t length;

                if (pci_is_bridge(&f->devices[i]))
                        continue;
                text = host_root_read(root, path, LEASE_MAX, &length);
                if (!text || json_read_text(text, length, NULL, gpu_lease_fields, &lease, &ignored) < 0)
                        continue;
                apply_lease(f, &lease);
                json_clear(gpu_lease_fields, &lease);
        }
}

/* ---- all of it ---- */

GpuFacts *gpu_facts_collect(int root) {
        GpuFacts *f = xnew(GpuFacts, 1);

        f->command_line = read_line(root, "/proc/cmdline");
        f->kernel_release = read_line(root, "/proc/sys/kernel/osrelease");
        pci_collect(root, &f->devices, &f->n_devices);
        pci_find_users(root, f->devices, f->n_devices);
        collect_iommu(root, f);
        collect_vfio(root, f);
        collect_memory(root, f);
        collect_nodes(root, f);
        if (exists(root, GPU_LEASE_FOLDER))
                collect_leases(root, f);
        return f;
}

void gpu_needs_from_config(const RuntimeConfig *config, uint32_t address_bits, GpuNeeds *ret) {
        uint64_t mib = config->memory_mib ? config->memory_mib : GUEST_MEMORY_DEFAULT_MIB;

        *ret = (GpuNeeds){
                .memory = mib * MIB,
                .host_memory = mib * MIB + sizing_host_overhead(mib * MIB, ACCELERATOR_KVM),
                .address_bits = address_bits,
                .huge_pages = streq(config->huge_pages, "always"),
                .allow_boot_display = config->gpu_boot_display,
                .allowed = config->gpu_devices,
        };
}

GpuFacts *gpu_facts_free(GpuFacts *facts) {
        if (facts)
                json_clear(gpu_facts_fields, facts);
        free(facts);
        return NULL;
}
