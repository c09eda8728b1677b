/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * What a device is used through are its nodes in /dev (found by the DEVNAME lines below its folder in sysfs, and for
 * NVIDIA's driver, which registers none, by its own table in /proc), its block devices (mounts, swap, device mapper) and
 * its network interfaces. Processes are told by the paths of what they have open: that is what a device node is
 * called in nearly every container, too.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/host-root.h"
#include "runtime/host/pci.h"

#define DEPTH_MAX 7U /* below a function's folder: .../usb1/1-1/1-1:1.0/input/input3/event3 */
#define NODES_MAX 512U
#define USERS_MAX 64U /* of a device that are kept */
#define LINK_MAX  256U
#define TEXT_MAX  (1U << 20)
#define DELETED   " (deleted)" /* what the kernel adds to the path of a node that is gone */

typedef struct Node {
        char *path;        /* "/dev/dri/card0", or "8:1" of a block device */
        PciDevice *device; /* borrowed */
} Node;

struct PciNodes {
        Node *items;
        size_t count;
        PciDevice *devices; /* borrowed */
        size_t n_devices;
};

PciNodes *pci_nodes_free(PciNodes *nodes) {
        if (!nodes)
                return NULL;
        for (size_t i = 0; i < nodes->count; i++)
                free(nodes->items[i].path);
        free(nodes->items);
        free(nodes);
        return NULL;
}

static void nodes_take(PciNodes *nodes, char *path, PciDevice *device) {
        if (nodes->count >= NODES_MAX) {
                free(path);
                return;
        }
        nodes->items = xreallocarray(nodes->items, nodes->count + 1, sizeof(*nodes->items));
        nodes->items[nodes->count++] = (Node){ path, device };
}

static PciDevice *nodes_find(const PciNodes *nodes, const char *path) {
        for (size_t i = 0; i < nodes->count; i++)
                if (streq(nodes->items[i].path, path))
                        return nodes->items[i].device;
        return NULL;
}

static void add_user(PciDevice *device, int32_t pid, const char *name, const char *what,
                     const char *container) {
        for (size_t i = 0; i < device->n_users; i++)
                if (device->users[i].pid == pid && streq(device->users[i].name, name))
                        return;
        if (device->n_users >= USERS_MAX)
                return;
        device->users = xreallocarray(device->users, device->n_users + 1, sizeof(*device->users));
        device->users[device->n_users++] = (PciUser){
                .pid = pid,
                .name = xstrdup(name),
                .what = xstrdup(what),
                .container = container ? xstrdup(container) : NULL,
        };
}

/* ---- nodes of a device ---- */

typedef struct Walk {
        PciNodes *nodes;
        PciDevice *device;
} Walk;

static void add_uevent(const Walk *walk, int dir) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL;
        const char *name = NULL, *major = NULL, *minor = NULL, *type = NULL, *value;
        char *rest, *line;

        if (file_read(dir, "uevent", TEXT_MAX, &text, NULL, &ignored) < 0)
                return;
        rest = text;
        while ((line = strsep(&rest, "\n"))) {
                if ((value = str_after(line, "DEVNAME=")))
                        name = value;
                else if ((value = str_after(line, "MAJOR=")))
                        major = value;
                else if ((value = str_after(line, "MINOR=")))
                        minor = value;
                else if ((value = str_after(line, "DEVTYPE=")))
                        type = value;
        }
        if (name)
                nodes_take(walk->nodes, xasprintf("/dev/%s", *name == '/' ? name + 1 : name), walk->device);
        if (name && major && minor && (streq(type, "disk") || streq(type, "partition")))
                nodes_take(walk->nodes, xasprintf("%s:%s", major, minor), walk->device);
}

/* net/NAME/flags holds IFF_UP in bit 0. Below a network interface there are no nodes, but folders by the hundred. */
static void look_at_interface(const Walk *walk, int net, const char *name) {
        cleanup_free char *path = xasprintf("%s/flags", name), *flags = NULL;
        cleanup_error Error ignored = { 0 };

        if (file_read_line(net, path, &flags, &ignored) >= 0 && (strtoul(flags, NULL, 0) & 1))
                add_user(walk->device, 0, "interface", name, NULL);
}

/* Where no nodes are, but a folder for each CPU or interrupt on some hosts. */
static bool is_dull(const char *name) {
        static const char *const names[] = { "power",     "msi_irqs", "queue", "mq",
                                             "integrity", "slaves",   "hwmon" };

        for (size_t i = 0; i < ELEMENTS_OF(names); i++)
                if (streq(name, names[i]))
                        return true;
        return false;
}

static void walk_named(const Walk *walk, int parent, const char *name, unsigned depth);

/* NAME: of the folder that holds the entry. holders/ of a block device has links to what is built on it. */
static void look_inside(const Walk *walk, int fd, const char *name, const struct dirent *entry,
                        unsigned depth) {
        if (*entry->d_name == '.')
                return;
        if (entry->d_type == DT_LNK && streq(name, "holders"))
                add_user(walk->device, 0, "device", entry->d_name, NULL);
        if (entry->d_type != DT_DIR || is_dull(entry->d_name))
                return;
        if (streq(name, "net"))
                look_at_interface(walk, fd, entry->d_name);
        else if (depth < DEPTH_MAX)
                walk_named(walk, fd, entry->d_name, depth + 1);
}

static void walk_named(const Walk *walk, int parent, const char *name, unsigned depth) {
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        const struct dirent *entry;
        DIR *folder;

        if (fd < 0)
                return;
        folder = fdopendir(fd);
        if (!folder) {
                close(fd);
                return;
        }
        if (depth > 0)
                add_uevent(walk, fd);
        while ((entry = readdir(folder)))
                look_inside(walk, fd, name, entry, depth);
        closedir(folder);
}

/* "Device Minor: \t 0" in /proc/driver/nvidia/gpus/BDF/information */
static void add_nvidia(int root, const Walk *walk) {
        cleanup_free char *path = xasprintf("/proc/driver/nvidia/gpus/%s/information", walk->device->address);
        cleanup_free char *text = host_root_read(root, path, TEXT_MAX, NULL);
        const char *line = text ? strstr(text, "Device Minor:") : NULL;
        unsigned minor;

        if (line && sscanf(line, "Device Minor: %u", &minor) == 1)
                nodes_take(walk->nodes, xasprintf("/dev/nvidia%u", minor), walk->device);
}

static void collect_nodes(int root, PciDevice *device, PciNodes *nodes) {
        cleanup_free char *folder = xasprintf(PCI_DEVICES "/%s", device->address);
        const Walk walk = { nodes, device };
        cleanup_close int dir = host_root_open_file(root, folder, O_PATH | O_DIRECTORY);

        if (dir >= 0)
                walk_named(&walk, dir, ".", 0);
        if (streq(device->driver, "nvidia"))
                add_nvidia(root, &walk);
        if (streq(device->driver, "vfio-pci") && device->group >= 0)
                nodes_take(nodes, xasprintf("/dev/vfio/%" PRId32, device->group), device);
}

/* ---- processes ---- */

/* The id in a line like "0::/system.slice/docker-<64 hex digits>.scope". */
static char *container_of(int proc, const char *pid) {
        cleanup_free char *path = xasprintf("%s/cgroup", pid), *text = NULL;
        cleanup_error Error ignored = { 0 };

        if (file_read(proc, path, TEXT_MAX, &text, NULL, &ignored) < 0)
                return NULL;
        for (const char *p = text; *p;) {
                size_t n = strspn(p, "0123456789abcdef");

                if (n == 64)
                        return xstrndup(p, 64);
                p += n > 0 ? n : 1;
        }
        return NULL;
}

/* udev looks at what has just appeared, and lets go of it by itself. Its name alone could be anybody's. */
static bool is_udev(int proc, const char *pid, const char *comm) {
        struct stat all, one;

        return (streq(comm, "(udev-worker)") || streq(comm, "systemd-udevd")) && fstat(proc, &all) == 0 &&
               fstatat(proc, pid, &one, 0) == 0 && one.st_uid == all.st_uid;
}

static void found_open(int proc, const char *pid, PciDevice *device, const char *path) {
        cleanup_free char *comm_path = xasprintf("%s/comm", pid), *comm = NULL;
        cleanup_free char *container = container_of(proc, pid), *name = NULL;
        cleanup_error Error ignored = { 0 };

        if (file_read_line(proc, comm_path, &comm, &ignored) < 0)
                comm = xstrdup("?");
        if (is_udev(proc, pid, comm))
                return;
        name = str_printable(comm, strlen(comm), 32);
        add_user(device, (int32_t)strtol(pid, NULL, 10), name, path, container);
}

static void look_at_process(int proc, const char *pid, const PciNodes *nodes) {
        cleanup_free char *path = xasprintf("%s/fd", pid);
        int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;

        if (!folder) {
                if (fd >= 0)
                        close(fd);
                return;
        }
        while ((entry = readdir(folder))) {
                char target[LINK_MAX];
                ssize_t n = *entry->d_name == '.' ? -1
                                                  : readlinkat(fd, entry->d_name, target, sizeof(target) - 1);
                PciDevice *device;

                if (n <= 5 || memcmp(target, "/dev/", 5) != 0)
                        continue;
                target[n] = '\0';
                if (str_ends_with(target, DELETED))
                        target[n - (ssize_t)strlen(DELETED)] = '\0';
                device = nodes_find(nodes, target);
                if (device)
                        found_open(proc, pid, device, target);
        }
        closedir(folder);
}

static void look_at_processes(int root, const PciNodes *nodes) {
        int fd = host_root_open_file(root, "/proc", O_RDONLY | O_DIRECTORY);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;

        if (!folder) {
                if (fd >= 0)
                        close(fd);
                return;
        }
        while ((entry = readdir(folder)))
                if (*entry->d_name >= '1' && *entry->d_name <= '9')
                        look_at_process(fd, entry->d_name, nodes);
        closedir(folder);
}

/* ---- file systems ---- */

/* By the numbers of the device, or, for file systems with numbers of their own (btrfs), by its path behind " - TYPE ". */
static PciDevice *device_of_mount(const PciNodes *nodes, const char *line, char where[512]) {
        const char *behind = strstr(line, " - ");
        char device[512];
        PciDevice *found;

        if (sscanf(line, "%*s %*s %511s %*s %511s", device, where) != 2)
                return NULL;
        found = nodes_find(nodes, device);
        if (!found && behind && sscanf(behind, " - %*s %511s", device) == 1)
                found = nodes_find(nodes, device);
        return found;
}

static void look_at_mounts(int root, const PciNodes *nodes) {
        cleanup_free char *mounts = host_root_read(root, "/proc/self/mountinfo", TEXT_MAX * 16, NULL);
        cleanup_free char *swaps = host_root_read(root, "/proc/swaps", TEXT_MAX, NULL);
        char *rest = mounts, *line;

        while (rest && (line = strsep(&rest, "\n"))) {
                char where[512];
                PciDevice *found = device_of_mount(nodes, line, where);

                if (found)
                        add_user(found, 0, "mount", where, NULL);
        }
        rest = swaps;
        while (rest && (line = strsep(&rest, "\n"))) {
                PciDevice *found;

                line[strcspn(line, " \t")] = '\0';
                found = nodes_find(nodes, line);
                if (found)
                        add_user(found, 0, "swap", line, NULL);
        }
}

static int by_pid(const void *a, const void *b) {
        const PciUser *x = a, *y = b;

        return (x->pid > y->pid) - (x->pid < y->pid);
}

PciNodes *pci_nodes_collect(int root, PciDevice *devices, size_t count) {
        PciNodes *nodes = xnew(PciNodes, 1);

        nodes->devices = devices;
        nodes->n_devices = count;
        for (size_t i = 0; i < count; i++)
                if (devices[i].driver && !pci_is_bridge(&devices[i]))
                        collect_nodes(root, &devices[i], nodes);
        return nodes;
}

void pci_nodes_find_users(int root, const PciNodes *nodes) {
        if (nodes->count == 0)
                return;
        look_at_processes(root, nodes);
        look_at_mounts(root, nodes);
        for (size_t i = 0; i < nodes->n_devices; i++)
                if (nodes->devices[i].n_users > 1)
                        qsort(nodes->devices[i].users, nodes->devices[i].n_users, sizeof(PciUser), by_pid);
}

void pci_find_users(int root, PciDevice *devices, size_t count) {
        cleanup(pci_nodes_freep) PciNodes *nodes = pci_nodes_collect(root, devices, count);

        pci_nodes_find_users(root, nodes);
}
