/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu-host.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/gpu/pci.h"
#include "runtime/host/host-root.h"
#include "golden.h"
#include "unit.h"

#define CONFIG_SIZE 64 /* bytes of configuration space that anybody may read */

/* linux/ioport.h, as the third column of `resource` shows it */
#define RESOURCE_IO       0x00040101U
#define RESOURCE_MEMORY   0x00040200U
#define RESOURCE_PREFETCH 0x00002008U
#define RESOURCE_WIDE     0x00100004U
#define RESOURCE_UNSET    0x20000000U

/* ---- files ---- */

static void make_folder_of(const char *path) {
        cleanup_free char *folder = xstrdup(path);
        cleanup_error Error e = { 0 };

        *strrchr(folder, '/') = '\0';
        must(path_make_directories(AT_FDCWD, folder, 0755, &e), &e);
}

static void write_data(const FakeHost *h, const char *path, const void *data, size_t length) {
        cleanup_free char *full = path_join(h->path, path);
        cleanup_error Error e = { 0 };
        cleanup_close int fd = -1;

        make_folder_of(full);
        fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0)
                fail_msg("%s: cannot be made", full);
        must(fd_write_all(fd, data, length, &e), &e);
}

static void __attribute__((format(printf, 3, 4)))
write_text(const FakeHost *h, const char *path, const char *format, ...) {
        cleanup_free char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = xvasprintf(format, ap);
        va_end(ap);
        write_data(h, path, text, strlen(text));
}

static void make_link(const FakeHost *h, const char *path, const char *target) {
        cleanup_free char *full = path_join(h->path, path);

        make_folder_of(full);
        if (symlink(target, full) < 0)
                fail_msg("%s: cannot be linked", full);
}

/* ---- a function ---- */

typedef struct Function {
        const FakeHost *host;
        const char *address;
        char *folder; /* below the host's root */
        uint32_t vendor, device, class_code;
        char **words; /* borrowed: the rest of the line */
} Function;

/* What stands behind "KEY="; NULL: nothing does. */
static const char *value_of(const Function *f, const char *key) {
        STRV_FOR_EACH (word, f->words) {
                const char *rest = str_after(*word, key);

                if (rest && *rest == '=')
                        return rest + 1;
        }
        return NULL;
}

static void put_line(const Function *f, const char *file, const char *key) {
        cleanup_free char *path = path_join(f->folder, file);
        const char *value = value_of(f, key);

        if (value)
                write_text(f->host, path, "%s\n", value);
}

static void put_hex(const Function *f, const char *name, int digits, uint32_t value) {
        cleanup_free char *path = path_join(f->folder, name);

        write_text(f->host, path, "0x%0*" PRIx32 "\n", digits, value);
}

static void put_identity(const Function *f) {
        const char *sub = value_of(f, "sub");
        cleanup_free char *path = path_join(f->folder, "modalias"), *upper = xstrdup(sub ? sub : "0000:0000");

        put_hex(f, "class", 6, f->class_code);
        put_hex(f, "vendor", 4, f->vendor);
        put_hex(f, "device", 4, f->device);
        put_hex(f, "subsystem_vendor", 4, (uint32_t)strtoul(upper, NULL, 16));
        put_hex(f, "subsystem_device", 4, (uint32_t)strtoul(upper + 5, NULL, 16));
        for (char *c = upper; *c; c++)
                *c = *c >= 'a' && *c <= 'f' ? (char)(*c - 'a' + 'A') : *c;
        write_text(f->host, path,
                   "pci:v%08" PRIX32 "d%08" PRIX32 "sv0000%.4ssd0000%.4sbc%02" PRIX32 "sc%02" PRIX32
                   "i%02" PRIX32 "\n",
                   f->vendor, f->device, upper, upper + 5, f->class_code >> 16, f->class_code >> 8 & 0xff,
                   f->class_code & 0xff);
}

static void put_links(const Function *f) {
        static const char *const kinds[][3] = {
                { "driver", "driver", "../../../bus/pci/drivers" },
                { "group", "iommu_group", "../../../kernel/iommu_groups" },
                { "physfn", "physfn", ".." },
        };

        for (size_t i = 0; i < ELEMENTS_OF(kinds); i++) {
                const char *value = value_of(f, kinds[i][0]);
                cleanup_free char *path = path_join(f->folder, kinds[i][1]), *target = NULL;

                if (!value)
                        continue;
                target = path_join(kinds[i][2], value);
                make_link(f->host, path, target);
        }
        if (value_of(f, "group")) {
                cleanup_free char *path = xasprintf("/sys/kernel/iommu_groups/%s/type", value_of(f, "group"));

                write_text(f->host, path, "DMA\n");
        }
}

/* ---- its memory ---- */

typedef struct Resource {
        uint64_t start, size;
        uint32_t flags, header; /* what the register in configuration space says */
        bool given_up, wide;
} Resource;

/* "128Gpw?" */
static void parse_bar(FakeHost *h, const char *text, Resource *ret) {
        char *end;
        uint64_t *next = &h->low;

        ret->size = strtoull(text, &end, 10);
        ret->size <<= *end == 'G' ? 30 : *end == 'M' ? 20 : *end == 'K' ? 10 : 0;
        ret->flags = strchr(end, 'i') ? RESOURCE_IO : RESOURCE_MEMORY;
        ret->header = strchr(end, 'i') ? 1 : 0;
        if (strchr(end, 'p')) {
                ret->flags |= RESOURCE_PREFETCH;
                ret->header |= 8;
        }
        ret->wide = strchr(end, 'w') != NULL;
        if (ret->wide) {
                ret->flags |= RESOURCE_WIDE;
                ret->header |= 4;
        }
        ret->given_up = strchr(end, '!') != NULL;
        if (ret->given_up || strchr(end, '?')) {
                ret->flags |= RESOURCE_UNSET;
                return;
        }
        if (strchr(end, 'i'))
                next = &h->ports;
        else if (ret->wide && strchr(end, 'p'))
                next = &h->high;
        *next = (*next + ret->size - 1) / ret->size * ret->size;
        ret->start = *next;
        *next += ret->size;
        ret->header |= (uint32_t)(ret->start & 0xfffffff0U);
}

static void put_memory(FakeHost *h, const Function *f) {
        cleanup_strv char **bars = strv_split(value_of(f, "bars") ? value_of(f, "bars") : "", ",");
        cleanup_free char *path = path_join(f->folder, "resource"),
                          *config_path = path_join(f->folder, "config");
        unsigned char config[CONFIG_SIZE] = { 0 };
        cleanup_strbuf StrBuf lines = { 0 };
        Resource resources[7] = { 0 };

        STRV_FOR_EACH (bar, bars) {
                Resource *r = &resources[**bar - '0'];

                parse_bar(h, *bar + 2, r);
                if (**bar < '6')
                        memcpy(config + 0x10 + 4 * (**bar - '0'), &r->header, 4);
        }
        for (size_t i = 0; i < ELEMENTS_OF(resources); i++) {
                const Resource *r = &resources[i];

                strbuf_printf(&lines, "0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016" PRIx64 "\n",
                              r->given_up ? 0 : r->start,
                              r->given_up || r->size == 0 ? 0 : r->start + r->size - 1,
                              r->given_up ? 0 : (uint64_t)r->flags);
        }
        write_text(h, path, "%s", lines.data);
        memcpy(config, &f->vendor, 2);
        memcpy(config + 2, &f->device, 2);
        config[0x0b] = (unsigned char)(f->class_code >> 16);
        config[0x0e] = strv_contains(f->words, "multi") ? 0x80 : 0;
        if (strv_contains(f->words, "dead"))
                memset(config, 0xff, sizeof(config));
        write_data(h, config_path, config, sizeof(config));
}

/* ---- what it is used through ---- */

static void put_node(const Function *f, const char *folder, const char *node, const char *type,
                     const char *numbers) {
        cleanup_free char *path = xasprintf("%s/%s/uevent", f->folder, folder);

        write_text(f->host, path, "%sDEVNAME=%s\n%s%s%s", numbers, node, type ? "DEVTYPE=" : "",
                   type ? type : "", type ? "\n" : "");
}

/* "card0:HDMI-A-1+:DP-1,renderD128" */
static void put_displays(const Function *f, const char *text) {
        cleanup_strv char **nodes = strv_split(text, ",");

        STRV_FOR_EACH (node, nodes) {
                cleanup_strv char **parts = strv_split(*node, ":");
                cleanup_free char *folder = xasprintf("drm/%s", parts[0]),
                                  *name = xasprintf("dri/%s", parts[0]);

                put_node(f, folder, name, "drm_minor", "MAJOR=226\nMINOR=0\n");
                for (size_t i = 1; i < strv_length(parts); i++) {
                        bool lit = str_ends_with(parts[i], "+");
                        cleanup_free char *path = NULL;

                        parts[i][strcspn(parts[i], "+")] = '\0';
                        path = xasprintf("%s/drm/%s/%s-%s/enabled", f->folder, parts[0], parts[0], parts[i]);
                        write_text(f->host, path, lit ? "enabled\n" : "disabled\n");
                }
        }
}

static void put_sound(const Function *f, const char *card) {
        static const char *const nodes[] = { "controlC%s", "pcmC%sD3p" };

        for (size_t i = 0; i < ELEMENTS_OF(nodes); i++) {
                cleanup_free char *name = NULL, *folder = NULL, *node = NULL;

                name = i == 0 ? xasprintf("controlC%s", card) : xasprintf("pcmC%sD3p", card);
                folder = xasprintf("sound/card%s/%s", card, name);
                node = xasprintf("snd/%s", name);
                put_node(f, folder, node, NULL, "MAJOR=116\nMINOR=2\n");
        }
}

/* "nvme0n1:259:0", below FOLDER */
static char *put_disk(const Function *f, const char *folder, const char *text, const char *type) {
        cleanup_strv char **parts = strv_split(text, ":");
        cleanup_free char *numbers = xasprintf("MAJOR=%s\nMINOR=%s\n", parts[1], parts[2]);
        char *path = xasprintf("%s/%s", folder, parts[0]);

        put_node(f, path, parts[0], type, numbers);
        return path;
}

static void put_disks(const Function *f) {
        const char *disk = value_of(f, "disk"), *part = value_of(f, "part"), *holder = value_of(f, "holder");
        cleanup_free char *folder = NULL, *inner = NULL, *link = NULL;

        if (!disk)
                return;
        folder = put_disk(f, "block", disk, "disk");
        inner = part ? put_disk(f, folder, part, "partition") : xstrdup(folder);
        if (!holder)
                return;
        link = xasprintf("%s/%s/holders/%s", f->folder, inner, holder);
        make_link(f->host, link, "../../../../../virtual/block/dm-0");
}

static void put_nodes(const Function *f) {
        const char *value;

        if ((value = value_of(f, "drm")))
                put_displays(f, value);
        if ((value = value_of(f, "snd")))
                put_sound(f, value);
        if ((value = value_of(f, "nvidia"))) {
                cleanup_free char *path = xasprintf("/proc/driver/nvidia/gpus/%s/information", f->address);

                write_text(f->host, path,
                           "Model: \t\t NVIDIA\nIRQ:   \t\t 10\nBus Type: \t PCIe\nDevice Minor: \t %s\n",
                           value);
        }
        if ((value = value_of(f, "net"))) {
                cleanup_free char *name = xstrndup(value, strcspn(value, "+"));
                cleanup_free char *path = xasprintf("%s/net/%s/flags", f->folder, name);

                write_text(f->host, path, value[strlen(name)] ? "0x1003\n" : "0x1002\n");
        }
        if ((value = value_of(f, "vfio"))) {
                cleanup_free char *folder = xasprintf("vfio-dev/%s", value),
                                  *node = xasprintf("vfio/devices/%s", value);

                put_node(f, folder, node, NULL, "MAJOR=242\nMINOR=0\n");
        }
        put_disks(f);
}

/* ---- all of a function ---- */

/* As the kernel does it: the folder lies in that of the bridge above, and a link leads there. */
static char *make_folder(const FakeHost *h, const char *address, const char *parent) {
        cleanup_free char *link = xasprintf("/sys/bus/pci/devices/%s", address), *target = NULL;
        char *folder = NULL;

        if (parent) {
                cleanup_free char *of_parent = xasprintf("%s/sys/bus/pci/devices/%s", h->path, parent);
                char above[512];
                ssize_t n = readlink(of_parent, above, sizeof(above) - 1);

                if (n < 0)
                        fail_msg("%s: its parent %s is not there; name it first", address, parent);
                above[n] = '\0';
                folder = xasprintf("/sys/%s/%s", above + strlen("../../../"), address);
        } else {
                folder = xasprintf("/sys/devices/pci%.*s/%s", (int)(strrchr(address, ':') - address), address,
                                   address);
        }
        target = xasprintf("../../../%s", folder + strlen("/sys/"));
        make_link(h, link, target);
        return folder;
}

static void put_function(FakeHost *h, const char *line) {
        cleanup_strv char **words = strv_split(line, " ");
        Function f = { .host = h, .address = words[0], .words = words + 3 };
        const char *reset = NULL;
        cleanup_free char *reset_path = NULL, *method_path = NULL, *boot_path = NULL;
        char *rest;

        assert_true(strv_length(words) >= 3);
        f.vendor = (uint32_t)strtoul(words[1], &rest, 16);
        f.device = (uint32_t)strtoul(rest + 1, NULL, 16);
        f.class_code = (uint32_t)strtoul(words[2], NULL, 16);
        f.folder = make_folder(h, f.address, value_of(&f, "parent"));
        put_identity(&f);
        put_links(&f);
        put_memory(h, &f);
        put_line(&f, "numa_node", "node");
        put_line(&f, "driver_override", "override");
        put_line(&f, "power_state", "power");
        put_line(&f, "sriov_numvfs", "vfs");
        boot_path = path_join(f.folder, "boot_vga");
        if (f.class_code >> 8 == PCI_CLASS_VGA)
                write_text(h, boot_path, strv_contains(f.words, "boot") ? "1\n" : "0\n");
        reset = value_of(&f, "reset");
        reset_path = path_join(f.folder, "reset");
        method_path = path_join(f.folder, "reset_method");
        if (!streq(reset, "none"))
                write_text(h, reset_path, "%s", "");
        if (reset && !streq(reset, "none")) {
                cleanup_strv char **methods = strv_split(reset, ",");
                cleanup_free char *text = strv_join(methods, " ");

                write_text(h, method_path, "%s\n", text);
        }
        put_nodes(&f);
        free(f.folder);
}

/* ---- the rest of the host ---- */

static void put_process(const FakeHost *h, const Json *process) {
        const Json *open_list = json_get(process, "open");
        const char *cgroup = json_string(json_get(process, "cgroup"));
        cleanup_free char *comm = NULL, *group = NULL;
        uint64_t pid = 0;

        assert_true(json_uint64(json_get(process, "pid"), &pid));
        comm = xasprintf("/proc/%" PRIu64 "/comm", pid);
        group = xasprintf("/proc/%" PRIu64 "/cgroup", pid);
        write_text(h, comm, "%s\n", json_string(json_get(process, "name")));
        write_text(h, group, "0::%s\n", cgroup ? cgroup : "/user.slice/user-1000.slice/session-2.scope");
        for (size_t i = 0; i < json_count(open_list); i++) {
                cleanup_free char *path = xasprintf("/proc/%" PRIu64 "/fd/%zu", pid, i);

                make_link(h, path, json_string(json_item(open_list, i)));
        }
}

static void put_lease(const FakeHost *h, const char *address, const Json *described) {
        cleanup_free char *path = xasprintf("/run/carrel-gpus/%s.json", address);
        cleanup_json Json *lease = json_copy(described);
        cleanup_free char *text = NULL;

        json_set(lease, "address", json_new_string(address));
        text = json_tree_to_text(lease, false);
        write_text(h, path, "%s", text);
}

void fake_host_add(FakeHost *host, const Json *d) {
        const Json *devices = json_get(d, "devices"), *leases = json_get(d, "leases"),
                   *processes = json_get(d, "processes");

        for (size_t i = 0; i < json_count(devices); i++)
                put_function(host, json_string(json_item(devices, i)));
        for (size_t i = 0; i < json_count(processes); i++)
                put_process(host, json_item(processes, i));
        for (size_t i = 0; i < json_count(leases); i++)
                put_lease(host, json_key(leases, i), json_item(leases, i));
}

static void put_description(FakeHost *h, const Json *d) {
        const Json *files = json_get(d, "files"), *remove_list = json_get(d, "remove");

        fake_host_add(h, d);
        for (size_t i = 0; i < json_count(files); i++)
                write_text(h, json_key(files, i), "%s", json_string(json_item(files, i)));
        for (size_t i = 0; i < json_count(remove_list); i++) {
                cleanup_free char *path = path_join(h->path, json_string(json_item(remove_list, i)));
                cleanup_error Error e = { 0 };

                must(path_remove_tree(AT_FDCWD, path, &e), &e);
        }
}

void fake_host_init(FakeHost *host, const char *path) {
        *host = (FakeHost){ .path = xstrdup(path),
                            .root = -1,
                            .low = 0xa0000000U,
                            .high = UINT64_C(0x380000000000),
                            .ports = 0x3000 };
}

void fake_host_make(FakeHost *host, const Json *const *descriptions, size_t count) {
        /* thousands of small files: not on a disk where that can be */
        char folder[64] = "/dev/shm/test-host-XXXXXX";
        cleanup_error Error e = { 0 };

        if (access("/dev/shm", W_OK) < 0)
                strcpy(folder, "/tmp/test-host-XXXXXX");
        assert_non_null(mkdtemp(folder));
        fake_host_init(host, folder);
        for (size_t i = 0; i < count; i++)
                put_description(host, descriptions[i]);
        host->root = host_root_open(folder, &e);
        must(host->root, &e);
}

void fake_host_done(FakeHost *host) {
        cleanup_error Error e = { 0 };

        close(host->root);
        must(path_remove_tree(AT_FDCWD, host->path, &e), &e);
        free(host->path);
}
