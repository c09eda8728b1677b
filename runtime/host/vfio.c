/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/gpu/diagnose.h"
#include "runtime/host/host-root.h"
#include "runtime/host/modules.h"
#include "runtime/host/pci.h"
#include "runtime/host/watched.h"

#define DRIVERS    "/sys/bus/pci/drivers"
#define STEP_USEC  20000
#define SETTLE_MS  5000 /* for what follows a finished write: links, nodes of devtmpfs, processes that end */
#define LINE_BYTES 4096U
#define LINK_BYTES 512U

static char *path_of(const char *address, const char *name) {
        return xasprintf(PCI_DEVICES "/%s/%s", address, name);
}

static bool exists(const VfioHost *host, const char *path) {
        cleanup_close int fd = host_root_open_file(host->root, path, O_PATH);

        return fd >= 0;
}

/* Files that no lock of the device is in front of. */
static char *read_line(const VfioHost *host, const char *address, const char *name) {
        cleanup_free char *path = path_of(address, name);
        char *text = host_root_read(host->root, path, LINE_BYTES, NULL);

        if (text)
                text[strcspn(text, "\n")] = '\0';
        return text;
}

/* ---- waiting ---- */

typedef struct Wait {
        uint64_t end;
} Wait;

static Wait wait_begin(int timeout_ms) {
        return (Wait){ now_usec() + (uint64_t)timeout_ms * 1000 };
}

/* False: the time is over. */
static bool wait_on(const Wait *wait) {
        const struct timespec step = { .tv_nsec = STEP_USEC * 1000 };

        if (now_usec() >= wait->end)
                return false;
        nanosleep(&step, NULL);
        return true;
}

static int settle_ms(const VfioHost *host) {
        return host->timeout_ms < SETTLE_MS ? host->timeout_ms : SETTLE_MS;
}

/* ---- what it is like ---- */

int vfio_driver(const VfioHost *host, const char *address, char **ret, Error *err) {
        cleanup_free char *folder = path_of(address, "");
        cleanup_close int dir = host_root_open_file(host->root, folder, O_PATH | O_DIRECTORY);
        char target[LINK_BYTES];
        const char *slash;
        ssize_t n;

        if (dir < 0)
                return error_set(err, ENODEV, "the host has no such device (any more)");
        n = readlinkat(dir, "driver", target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        slash = strrchr(target, '/');
        *ret = xstrdup(slash ? slash + 1 : target);
        return 0;
}

int vfio_override(const VfioHost *host, const char *address, char **ret, Error *err) {
        cleanup_free char *path = path_of(address, "driver_override"), *text = NULL;
        int r = watched_read_line(host->root, path, host->timeout_ms, &text, err);

        if (r < 0)
                return r;
        *ret = *text && !streq(text, "(null)") ? TAKE_PTR(text) : NULL;
        return 0;
}

int vfio_set_override(const VfioHost *host, const char *address, const char *driver, Error *err) {
        cleanup_free char *path = path_of(address, "driver_override");
        cleanup_free char *line = xasprintf("%s\n", driver ? driver : "");

        return watched_write(host->root, path, line, host->timeout_ms, err);
}

/* ---- power ---- */

char *vfio_power(const VfioHost *host, const char *address) {
        cleanup_free char *control = read_line(host, address, "power/control");

        return streq(control, "auto") || streq(control, "on") ? TAKE_PTR(control) : NULL;
}

int vfio_set_power(const VfioHost *host, const char *address, const char *control, Error *err) {
        cleanup_free char *path = path_of(address, "power/control");

        return watched_write(host->root, path, control, host->timeout_ms, err);
}

int vfio_wake(const VfioHost *host, const char *address, Error *err) {
        cleanup_free char *control = vfio_power(host, address);
        const Wait wait = wait_begin(settle_ms(host));

        if (control && !streq(control, "on") && vfio_set_power(host, address, "on", err) < 0)
                return -err->code;
        do {
                cleanup_free char *state = read_line(host, address, "power_state");

                if (!streq(state, "D3cold"))
                        return 0;
        } while (wait_on(&wait));
        return error_set(err, EIO, "it is switched off (D3cold) and does not wake up");
}

/* ---- drivers ---- */

int vfio_load(const VfioHost *host, Error *err) {
        int r;

        if (exists(host, DRIVERS "/" VFIO_DRIVER))
                return 0;
        r = module_load(host->root, VFIO_DRIVER, err);
        if (r < 0)
                return r;
        /* a soft dependency of vfio, which may have been turned off */
        r = module_load(host->root, "vfio_iommu_type1", err);
        if (r < 0)
                return r;
        return exists(host, DRIVERS "/" VFIO_DRIVER)
                       ? 0
                       : error_set(err, ENODEV,
                                   "the module " VFIO_DRIVER " is loaded, but there is no such driver");
}

/* Waits for DRIVER ("": none) to be the function's. *RET_FOUND: what it is at the end. */
static int wait_driver(const VfioHost *host, const char *address, const char *driver, int timeout_ms,
                       char **ret_found, Error *err) {
        const Wait wait = wait_begin(timeout_ms);

        for (;;) {
                cleanup_free char *found = NULL;
                int r = vfio_driver(host, address, &found, err);

                if (r < 0)
                        return r;
                if (streq(found, driver) || !wait_on(&wait)) {
                        *ret_found = TAKE_PTR(found);
                        return 0;
                }
        }
}

int vfio_unbind(const VfioHost *host, const char *address, const char *driver, Error *err) {
        cleanup_free char *path = xasprintf(DRIVERS "/%s/unbind", driver), *found = NULL;
        int r = vfio_driver(host, address, &found, err);

        if (r < 0 || !streq(found, driver))
                return r;
        r = watched_write(host->root, path, address, host->timeout_ms, err);
        if (r == -ETIMEDOUT)
                return error_set(err, ETIMEDOUT, "driver %s does not let go of it within %d s", driver,
                                 (host->timeout_ms + 999) / 1000);
        if (r < 0 && r != -ENODEV) /* which says that it has not got it (any more) */
                return error_prefix(err, "taking it from driver %s", driver);
        error_clear(err);
        free(TAKE_PTR(found));
        r = wait_driver(host, address, "", settle_ms(host), &found, err);
        if (r < 0 || !streq(found, driver))
                return r;
        return error_set(err, EBUSY, "driver %s has not let go of it", driver);
}

int vfio_probe(const VfioHost *host, const char *address, Error *err) {
        cleanup_free char *found = NULL;
        int r = watched_write(host->root, "/sys/bus/pci/drivers_probe", address, host->timeout_ms, err);

        if (r < 0)
                return error_prefix(err, "giving it to " VFIO_DRIVER);
        r = wait_driver(host, address, VFIO_DRIVER, settle_ms(host), &found, err);
        if (r < 0 || streq(found, VFIO_DRIVER))
                return r;
        if (*found)
                return error_set(err, EBUSY, "driver %s took it instead of " VFIO_DRIVER, found);
        return error_set(err, ENODEV, VFIO_DRIVER " did not take it: dmesg says why (no IOMMU group?)");
}

int vfio_bind(const VfioHost *host, const char *address, const char *driver, Error *err) {
        cleanup_free char *folder = xasprintf(DRIVERS "/%s", driver), *path = xasprintf("%s/bind", folder);
        cleanup_free char *found = NULL;
        int r;

        if (!exists(host, folder)) {
                cleanup_free char *alias = read_line(host, address, "modalias");
                cleanup_error Error ignored = { 0 };

                if (alias)
                        module_load(host->root, alias, &ignored);
                if (!exists(host, folder))
                        return error_set(err, ENODEV, "its driver %s is not loaded any more", driver);
        }
        r = watched_write(host->root, path, address, host->timeout_ms, err);
        /* ENODEV: another program, or the loading of the module, was quicker; or the driver does not know it */
        if (r < 0 && r != -ENODEV && r != -EBUSY && r != -EINVAL)
                return r == -ETIMEDOUT ? error_set(err, ETIMEDOUT,
                                                   "driver %s does not come to an end with it", driver)
                                       : error_set(err, ENODEV, "driver %s does not take it back: %s", driver,
                                                   strerror(-r));
        error_clear(err);
        r = wait_driver(host, address, driver, settle_ms(host), &found, err);
        if (r < 0 || streq(found, driver))
                return r;
        return error_set(err, ENODEV, "driver %s does not take it back%s%s", driver,
                         *found ? "; it has " : "", found);
}

/* ---- nodes ---- */

/* QEMU may no more than we: the device cgroups above us are above it, too. */
static int check_node(const VfioHost *host, const char *path, Error *err) {
        int r = host_root_check_access(host->root, path, R_OK | W_OK);
        cleanup_free char *fix = NULL;

        if (r >= 0)
                return 0;
        fix = gpu_fix_of_access(path, strerror(-r));
        return error_set(err, -r, "%s cannot be opened: %s; %s", path, strerror(-r), fix);
}

int vfio_wait_group(const VfioHost *host, int group, Error *err) {
        cleanup_free char *path = xasprintf("/dev/vfio/%d", group);
        const Wait wait = wait_begin(settle_ms(host));

        do
                if (exists(host, path))
                        return check_node(host, path, err);
        while (wait_on(&wait));
        return error_set(
                err, ENOENT,
                "%s has not appeared: is /dev the kernel's (devtmpfs) here? In a container it must be "
                "passed along",
                path);
}

char *vfio_users(const VfioHost *host, const char *address) {
        const Wait wait = wait_begin(settle_ms(host));
        char *words;

        do {
                cleanup_error Error ignored = { 0 };
                PciDevice device = { 0 };

                if (pci_read(host->root, address, &device, &ignored) < 0)
                        return NULL;
                pci_find_users(host->root, &device, 1);
                words = gpu_users_to_text(&device);
                json_clear(pci_device_fields, &device);
                if (!words)
                        return NULL;
                if (!wait_on(&wait))
                        return words;
                free(words);
        } while (true);
}

/* ---- back to its senses ---- */

int vfio_reset(const VfioHost *host, const char *address, char **ret_methods, Error *err) {
        cleanup_free char *path = path_of(address, "reset");
        cleanup_free char *methods = read_line(host, address, "reset_method");
        int r;

        if (!exists(host, path)) {
                *ret_methods = NULL;
                return 0;
        }
        r = watched_write(host->root, path, "1", host->timeout_ms, err);
        if (r == -ENOTTY) { /* "bus", while there are other functions on it */
                error_clear(err);
                *ret_methods = NULL;
                return 0;
        }
        if (r < 0)
                return error_prefix(err, "resetting it (%s)", methods ? methods : "method unknown");
        *ret_methods = methods ? TAKE_PTR(methods) : xstrdup("?");
        return 0;
}

/* Offsets and bits: PCI Local Bus Specification 3.0, 6.1 and 6.2. */
#define HEADER_BYTES     64U
#define HEADER_COMMAND   0x04U
#define HEADER_TYPE      0x0eU
#define HEADER_BARS      0x10U
#define COMMAND_RESERVED 0xf800U
#define BARS             6U

static uint32_t little(const unsigned char *p, unsigned bytes) {
        uint32_t value = 0;

        for (unsigned i = bytes; i > 0; i--)
                value = value << 8 | p[i - 1];
        return value;
}

static int check_bars(const PciDevice *device, const unsigned char *header, Error *err) {
        for (size_t i = 0; i < device->n_bars; i++) {
                const PciBar *bar = &device->bars[i];
                const unsigned char *at = header + HEADER_BARS + 4 * (size_t)bar->index;
                uint64_t found;

                /* without an address the kernel has not placed it */
                if (bar->index >= BARS || bar->address == 0)
                        continue;
                found = little(at, 4) & (bar->io ? ~UINT32_C(3) : ~UINT32_C(0xf));
                if (bar->wide && bar->index + 1 < BARS)
                        found |= (uint64_t)little(at + 4, 4) << 32;
                if (found != bar->address)
                        return error_set(err, EIO,
                                         "BAR %" PRIu32 " is at 0x%" PRIx64
                                         ", and the kernel put it at 0x%" PRIx64,
                                         bar->index, found, bar->address);
        }
        return 0;
}

static int check_header(const PciDevice *device, const unsigned char *header, Error *err) {
        uint32_t vendor = little(header, 2), model = little(header + 2, 2);
        uint32_t command = little(header + HEADER_COMMAND, 2);
        unsigned type = header[HEADER_TYPE] & 0x7fU;

        if (header[0] == 0xff && header[1] == 0xff && header[HEADER_TYPE] == 0xff)
                return error_set(err, EIO, "its configuration space reads as all ones: it does not answer");
        /* a virtual function says 0xffff, and has no BARs of its own (SR-IOV 1.1, 3.4.1) */
        if (!device->physical && (vendor != device->vendor || model != device->device))
                return error_set(err, EIO,
                                 "it says that it is %04" PRIx32 ":%04" PRIx32 ", and was %04" PRIx32
                                 ":%04" PRIx32,
                                 vendor, model, device->vendor, device->device);
        if (type != 0)
                return error_set(err, EIO, "the header of its configuration space is of type 0x%02x, not 0",
                                 type);
        if (command & COMMAND_RESERVED)
                return error_set(err, EIO, "reserved bits of its command register are set (0x%04" PRIx32 ")",
                                 command);
        return device->physical ? 0 : check_bars(device, header, err);
}

int vfio_check_sane(const VfioHost *host, const char *address, Error *err) {
        cleanup_free char *path = path_of(address, "config");
        unsigned char header[HEADER_BYTES];
        cleanup_close int fd = -1;
        PciDevice device = { 0 };
        int r = pci_read(host->root, address, &device, err);

        if (r < 0)
                return r;
        fd = host_root_open_file(host->root, path, O_RDONLY);
        if (fd < 0 || pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
                r = error_set(err, EIO, "its configuration space cannot be read");
        else
                r = check_header(&device, header, err);
        json_clear(pci_device_fields, &device);
        return r;
}

int vfio_rescan(const VfioHost *host, const char *address, Error *err) {
        cleanup_free char *folder = xasprintf(PCI_DEVICES "/%s", address), *path = path_of(address, "remove");
        Wait wait;
        int r = 0;

        if (exists(host, folder))
                r = watched_write(host->root, path, "1", host->timeout_ms, err);
        if (r < 0)
                return error_prefix(err, "taking it off the bus");
        wait = wait_begin(settle_ms(host));
        while (exists(host, folder) && wait_on(&wait))
                ;
        r = watched_write(host->root, "/sys/bus/pci/rescan", "1", host->timeout_ms, err);
        if (r < 0)
                return error_prefix(err, "having the bus looked at");
        wait = wait_begin(settle_ms(host));
        while (!exists(host, folder))
                if (!wait_on(&wait))
                        return error_set(err, ENODEV, "it was taken off the bus and not found again");
        return 0;
}
