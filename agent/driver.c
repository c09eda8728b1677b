/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/path-pattern.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define DISK_WAIT_USEC 2000000U
#define FIRMWARE_PATH  "/sys/module/firmware_class/parameters/path"

#define WORDS_LINES 4U   /* of the kernel's log, in an error */
#define WORDS_MAX   600U /* bytes of them */

/* ---- the kernel's log ---- */

/* A reader of what the kernel says from now on; -1: there is none. */
static int open_kernel_log(void) {
        int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd >= 0)
                lseek(fd, 0, SEEK_END);
        return fd;
}

/* "priority,number,time,flags;text\n more\n": the text. Owned by the caller. */
static char *text_of_record(const char *record, size_t length) {
        const char *text = memchr(record, ';', length), *end;

        if (!text)
                return NULL;
        text++;
        end = memchr(text, '\n', length - (size_t)(text - record));
        return str_printable(text, end ? (size_t)(end - text) : length - (size_t)(text - record), WORDS_MAX);
}

/* In the first seconds of a machine the kernel measures its clock, whatever else happens, and says so in four lines. */
static bool is_of_the_clock(const char *text) {
        return str_after(text, "tsc: ") || str_after(text, "clocksource: ");
}

/* Puts the last of what the kernel said since LOG was opened behind the error. */
static void add_kernel_words(int log, Error *err) {
        cleanup_strv char **lines = NULL;
        cleanup_free char *joined = NULL, *cut = NULL, *message = NULL;
        char record[8192];
        ssize_t n;

        /* EPIPE: records were overwritten before they were read; the next read goes on behind them */
        while (log >= 0 && ((n = read(log, record, sizeof(record))) > 0 || (n < 0 && errno == EPIPE))) {
                char *text = n > 0 ? text_of_record(record, (size_t)n) : NULL;

                if (text && !is_of_the_clock(text))
                        strv_take(&lines, text);
                else
                        free(text);
        }
        n = (ssize_t)strv_length(lines);
        joined = strv_join(lines + (n > (ssize_t)WORDS_LINES ? n - (ssize_t)WORDS_LINES : 0), " | ");
        if (n == 0)
                return;
        cut = str_printable(joined, strlen(joined), WORDS_MAX);
        message = xasprintf("%s; the guest's kernel: %s", err->message, cut);
        error_set(err, err->code, "%s", message);
}

/* ---- disk ---- */

/* "/dev/vda", owned by the caller; NULL: not there. */
static char *find_disk(void) {
        cleanup_strv char **serials = path_pattern_expand("/sys/block/*/serial");

        STRV_FOR_EACH (path, serials) {
                cleanup_error Error ignored = { 0 };
                cleanup_free char *serial = NULL;
                const char *name = *path + strlen("/sys/block/");

                if (file_read_line(AT_FDCWD, *path, &serial, &ignored) >= 0 && streq(serial, DRIVER_SERIAL))
                        return xasprintf("/dev/%.*s", (int)strcspn(name, "/"), name);
        }
        return NULL;
}

static int mount_bundle(Error *err) {
        uint64_t deadline = now_usec() + DISK_WAIT_USEC;
        cleanup_free char *disk = NULL;

        while (!(disk = find_disk())) {
                if (now_usec() > deadline)
                        return error_set(err, ENODEV, "its disk is not there");
                poll(NULL, 0, 1);
        }
        if (path_make_directories(AT_FDCWD, DRIVER_GUEST, 0755, err) < 0)
                return -err->code;
        if (mount(disk, DRIVER_GUEST, "erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
                return error_errno(err, "mounting %s", disk);
        return 0;
}

/* ---- modules ---- */

static int load_module(int root, const DriverModule *module, int log, Error *err) {
        cleanup_close int fd = path_open_in_root(root, module->file, O_RDONLY, 0, err);

        if (fd < 0)
                return fd;
        if (syscall(SYS_finit_module, fd, module->parameters ? module->parameters : "", 0) >= 0 ||
            errno == EEXIST)
                return 0;
        error_errno(err, "module %s cannot be loaded", module->file);
        add_kernel_words(log, err);
        return -err->code;
}

static int load_modules(const DriverManifest *m, int log, Error *err) {
        cleanup_close int root = open(DRIVER_GUEST, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (root < 0)
                return error_errno(err, DRIVER_GUEST);
        if (m->firmware) {
                cleanup_free char *folder = path_join(DRIVER_GUEST, m->firmware);

                if (file_write(AT_FDCWD, FIRMWARE_PATH, folder, err) < 0)
                        return -err->code;
        }
        for (size_t i = 0; i < m->n_modules; i++)
                if (load_module(root, &m->modules[i], log, err) < 0)
                        return -err->code;
        return 0;
}

/* ---- the device ---- */

static bool has_match(const char *pattern) {
        cleanup_strv char **found = path_pattern_expand(pattern);

        return found != NULL;
}

static uint32_t read_number(const char *device, const char *name) {
        cleanup_free char *path = path_join(device, name), *text = NULL;
        cleanup_error Error ignored = { 0 };
        uint64_t n = 0;

        if (file_read_line(AT_FDCWD, path, &text, &ignored) >= 0)
                str_to_u64(text, 0, UINT32_MAX, &n);
        return (uint32_t)n;
}

static bool has_device(const char *pattern) {
        cleanup_strv char **devices = path_pattern_expand("/sys/bus/pci/devices/*");

        STRV_FOR_EACH (device, devices)
                if (driver_pattern_match(pattern, read_number(*device, "vendor"),
                                         read_number(*device, "device"), read_number(*device, "class")) > 0)
                        return true;
        return false;
}

static int wait_for(const DriverWait *wait, int log, Error *err) {
        uint32_t timeout = wait->timeout_ms ? wait->timeout_ms : DRIVER_WAIT_MS;
        uint64_t deadline = now_usec() + timeout * 1000ULL;

        if (wait->device && !has_device(wait->device))
                return 0;
        STRV_FOR_EACH (path, wait->paths)
                while (!has_match(*path)) {
                        if (now_usec() <= deadline) {
                                poll(NULL, 0, 2);
                                continue;
                        }
                        error_set(
                                err, ETIMEDOUT,
                                "the device did not appear within %u ms (%s): is it in the virtual machine, "
                                "and is the driver made for it?",
                                timeout, *path);
                        add_kernel_words(log, err);
                        return -err->code;
                }
        return 0;
}

/* ---- the whole ---- */

int driver_load(DriverManifest *manifest, Driver **ret, Error *err) {
        cleanup(driver_freep) Driver *driver = xnew(Driver, 1);
        cleanup_close int log = open_kernel_log();
        int r;

        driver->manifest = manifest;
        r = driver_manifest_check(manifest, true, err);
        if (r < 0)
                return error_prefix(err, "driver bundle");
        r = mount_bundle(err);
        if (r >= 0)
                r = load_modules(manifest, log, err);
        for (size_t i = 0; r >= 0 && i < manifest->n_wait; i++)
                r = wait_for(&manifest->wait[i], log, err);
        if (r >= 0)
                r = driver_find_devices(driver, err);
        if (r < 0)
                return error_prefix(err, "driver bundle \"%s\"", manifest->name);
        *ret = TAKE_PTR(driver);
        return 0;
}

Driver *driver_free(Driver *driver) {
        if (!driver)
                return NULL;
        for (size_t i = 0; i < driver->n_devices; i++)
                free(driver->devices[i].path);
        free(driver->devices);
        driver_manifest_free(driver->manifest);
        free(driver);
        return NULL;
}
