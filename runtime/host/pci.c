/* SPDX-License-Identifier: Apache-2.0 */

/* Files and formats: the kernel's Documentation/ABI/testing/sysfs-bus-pci and Documentation/PCI/sysfs-pci.rst. */

#include "runtime/host/pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/host-root.h"

#define FUNCTIONS_MAX 4096U /* of a host that are looked at */
#define TEXT_MAX      8192U /* bytes of a file in sysfs */
#define LINK_MAX      512U
#define BARS_MAX      7U /* with the ROM */
/* Configuration space: offsets of the header's type (bit 7: more functions in the slot) and of the first BAR. */
#define HEADER_TYPE 0x0eU
#define HEADER_BARS 0x10U
#define HEADER_SIZE 0x40U /* what anybody may read */
/* Bits of a BAR's register. */
#define BAR_IO       0x1U
#define BAR_WIDE     0x4U
#define BAR_PREFETCH 0x8U

/* linux/ioport.h: the flags of the third column of `resource`. */
#define RESOURCE_IO       0x00000100U
#define RESOURCE_MEMORY   0x00000200U
#define RESOURCE_PREFETCH 0x00002000U
#define RESOURCE_WIDE     0x00100000U

/* First line of a file of the function; NULL: it is not there, or empty. */
static char *read_line(int dir, const char *name) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL;

        if (file_read(dir, name, TEXT_MAX, &text, NULL, &ignored) < 0)
                return NULL;
        text[strcspn(text, "\n")] = '\0';
        return *text ? TAKE_PTR(text) : NULL;
}

static int64_t read_number(int dir, const char *name, int64_t otherwise) {
        cleanup_free char *text = read_line(dir, name);
        char *end;
        long long value = text ? strtoll(text, &end, 0) : 0;

        return text && !*end ? value : otherwise;
}

/* Last part of the target of a link. */
static char *read_link_name(int dir, const char *name) {
        char target[LINK_MAX], *slash;
        ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

        if (n <= 0)
                return NULL;
        target[n] = '\0';
        slash = strrchr(target, '/');
        return xstrdup(slash ? slash + 1 : target);
}

/* ---- parts ---- */

/*
 * Files with one value each, and not uevent, which has them all: kernels read that, like driver_override, only when the
 * driver has come to an end with the device, and a driver that does not let go of it comes to none.
 */
static void read_identity(int dir, PciDevice *d) {
        d->class_code = (uint32_t)read_number(dir, "class", 0) & 0xffffffU;
        d->vendor = (uint32_t)read_number(dir, "vendor", 0) & 0xffffU;
        d->device = (uint32_t)read_number(dir, "device", 0) & 0xffffU;
        d->driver = read_link_name(dir, "driver");
        d->modalias = read_line(dir, "modalias");
        if (pci_is_bridge(d))
                return;
        d->subsystem_vendor = (uint32_t)read_number(dir, "subsystem_vendor", 0) & 0xffffU;
        d->subsystem_device = (uint32_t)read_number(dir, "subsystem_device", 0) & 0xffffU;
}

/* Lines of start, end, flags; the first six are BARs, the seventh is the ROM. A wide BAR takes two lines. */
static void read_bars(int dir, PciDevice *d) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL;
        char *rest, *line;

        d->bars = xnew(PciBar, BARS_MAX);
        if (file_read(dir, "resource", TEXT_MAX, &text, NULL, &ignored) < 0)
                return;
        rest = text;
        for (uint32_t i = 0; i < BARS_MAX && (line = strsep(&rest, "\n")); i++) {
                uint64_t start, end, flags;

                if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3 ||
                    !(flags & (RESOURCE_IO | RESOURCE_MEMORY)) || end < start)
                        continue;
                d->bars[d->n_bars++] = (PciBar){
                        .index = i,
                        .address = start,
                        .size = end - start + 1,
                        .io = (flags & RESOURCE_IO) != 0,
                        .wide = (flags & RESOURCE_WIDE) != 0,
                        .prefetchable = (flags & RESOURCE_PREFETCH) != 0,
                };
        }
}

static bool has_bar(const PciDevice *d, uint32_t index) {
        for (size_t i = 0; i < d->n_bars; i++)
                if (d->bars[i].index == index)
                        return true;
        return false;
}

/*
 * A BAR that the host found no room for disappears from `resource` on most kernels (reset_resource() in drivers/pci):
 * what is left are the fixed bits of its register. Those of virtual functions are zero, always.
 */
static void find_lost_bars(const unsigned char *header, PciDevice *d) {
        for (uint32_t i = 0; i < 6; i++) {
                uint32_t value;

                memcpy(&value, header + HEADER_BARS + 4 * (size_t)i, sizeof(value));
                if (value != 0 && !(value & BAR_IO) && !has_bar(d, i) && d->n_bars < BARS_MAX)
                        d->bars[d->n_bars++] = (PciBar){
                                .index = i,
                                .wide = (value & BAR_WIDE) != 0,
                                .prefetchable = (value & BAR_PREFETCH) != 0,
                        };
                i += (value & (BAR_IO | BAR_WIDE)) == BAR_WIDE;
        }
}

/* Reading configuration space would wake a sleeping device up. */
static void read_header(int dir, PciDevice *d) {
        unsigned char header[HEADER_SIZE];
        cleanup_close int fd = -1;

        if (d->power_state && str_after(d->power_state, "D3"))
                return;
        fd = openat(dir, "config", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
                return;
        /* of a virtual function the identity alone reads as all ones */
        d->dead = header[0] == 0xff && header[1] == 0xff && header[HEADER_TYPE] == 0xff;
        d->multifunction = !d->dead && (header[HEADER_TYPE] & 0x80) != 0;
        if (!d->dead && !d->physical)
                find_lost_bars(header, d);
}

/* A connector that is "enabled" is lit by somebody: BDF/drm/card0/card0-HDMI-A-1/enabled. */
static bool connector_is_lit(int card) {
        DIR *folder = fdopendir(card);
        const struct dirent *entry;
        bool lit = false;

        while (folder && !lit && (entry = readdir(folder))) {
                cleanup_free char *path = xasprintf("%s/enabled", entry->d_name), *text = NULL;

                if (!str_after(entry->d_name, "card"))
                        continue;
                text = read_line(card, path);
                lit = text && strcmp(text, "enabled") == 0; /* not streq(): gcc 12 then warns of free() */
        }
        if (folder)
                closedir(folder);
        else
                close(card);
        return lit;
}

static bool display_is_active(int dir) {
        cleanup_close int drm = openat(dir, "drm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int copy = drm >= 0 ? dup(drm) : -1;
        DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
        const struct dirent *entry;
        bool active = false;

        while (folder && !active && (entry = readdir(folder))) {
                int card = str_after(entry->d_name, "card")
                                   ? openat(drm, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                   : -1;

                active = card >= 0 && connector_is_lit(card);
        }
        if (folder)
                closedir(folder);
        else if (copy >= 0)
                close(copy);
        return active;
}

/* /sys/bus/pci/devices/X leads to .../0000:00:01.0/0000:01:00.0: the part before the last is the bridge. */
static char *read_parent(int devices, const char *name) {
        char target[LINK_MAX];
        ssize_t n = readlinkat(devices, name, target, sizeof(target) - 1);
        PciAddress address;
        char *slash;

        if (n <= 0)
                return NULL;
        target[n] = '\0';
        slash = strrchr(target, '/');
        if (!slash)
                return NULL;
        *slash = '\0';
        slash = strrchr(target, '/');
        return slash && pci_address_parse(slash + 1, &address) ? xstrdup(slash + 1) : NULL;
}

/* Both files are only there for a function that can be reset; `reset_method` since Linux 5.15. */
static void read_reset_methods(int dir, PciDevice *d) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL;

        if (file_read(dir, "reset_method", TEXT_MAX, &text, NULL, &ignored) < 0 &&
            faccessat(dir, "reset", F_OK, 0) == 0)
                return;
        d->reset_methods = strv_split(text ? text : "", " \n");
        d->no_reset = strv_length(d->reset_methods) == 0;
        if (d->no_reset)
                d->reset_methods = strv_free(d->reset_methods);
}

/* Since Linux 6.6, of a device bound to vfio-pci: BDF/vfio-dev/vfio3 (Documentation/ABI/testing/sysfs-driver-vfio). */
static char *read_vfio_device(int dir) {
        int fd = openat(dir, "vfio-dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        char *found = NULL;

        while (folder && !found && (entry = readdir(folder)))
                if (str_after(entry->d_name, "vfio"))
                        found = xstrdup(entry->d_name);
        if (folder)
                closedir(folder);
        return found;
}

static void read_details(int dir, PciDevice *d) {
        d->vfio_device = d->driver ? read_vfio_device(dir) : NULL;
        d->numa_node = (int32_t)read_number(dir, "numa_node", -1);
        d->boot_vga = read_number(dir, "boot_vga", 0) == 1;
        d->virtuals = (uint32_t)read_number(dir, "sriov_numvfs", 0);
        d->physical = read_link_name(dir, "physfn");
        d->power_state = read_line(dir, "power_state");
        read_reset_methods(dir, d);
        read_bars(dir, d);
        read_header(dir, d);
        d->display_active = pci_base_class(d) == PCI_BASE_DISPLAY && display_is_active(dir);
}

static bool read_device(int devices, const char *name, PciDevice *ret) {
        cleanup_close int dir = -1;
        cleanup_free char *group = NULL;
        PciDevice d = { .numa_node = -1, .group = -1 };
        uint64_t number;

        if (!pci_address_parse(name, &d.at))
                return false;
        dir = openat(devices, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return false; /* it has gone meanwhile */
        d.address = xstrdup(name);
        read_identity(dir, &d);
        group = read_link_name(dir, "iommu_group");
        if (group && str_to_u64(group, 10, INT32_MAX, &number))
                d.group = (int32_t)number;
        d.parent = read_parent(devices, name);
        if (!pci_is_bridge(&d))
                read_details(dir, &d);
        *ret = d;
        return true;
}

int pci_read(int root, const char *address, PciDevice *ret, Error *err) {
        cleanup_close int devices = host_root_open_file(root, PCI_DEVICES, O_RDONLY | O_DIRECTORY);

        if (devices >= 0 && read_device(devices, address, ret))
                return 0;
        return error_set(err, ENODEV, "the host has no such device");
}

static int by_address(const void *a, const void *b) {
        return pci_address_compare(&((const PciDevice *)a)->at, &((const PciDevice *)b)->at);
}

void pci_collect(int root, PciDevice **ret, size_t *ret_count) {
        int fd = host_root_open_file(root, PCI_DEVICES, O_RDONLY | O_DIRECTORY);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        PciDevice *devices = NULL;
        size_t count = 0;

        while (folder && count < FUNCTIONS_MAX && (entry = readdir(folder))) {
                PciDevice d;

                if (!read_device(fd, entry->d_name, &d))
                        continue;
                devices = xreallocarray(devices, count + 1, sizeof(*devices));
                devices[count++] = d;
        }
        if (folder)
                closedir(folder);
        if (count > 1)
                qsort(devices, count, sizeof(*devices), by_address);
        *ret = devices;
        *ret_count = count;
}
