/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/launch.h"

#define SYS_BLOCK "/sys/block"

static bool has_line(int dir, const char *disk, const char *name, const char *wanted) {
        cleanup_free char *path = xasprintf("%s/%s", disk, name), *line = NULL;
        cleanup_error Error ignored = { 0 };

        return file_read_line(dir, path, &line, &ignored) >= 0 && streq(line, wanted);
}

static int read_number(int dir, const char *disk, int64_t *ret_major, int64_t *ret_minor, Error *err) {
        cleanup_free char *path = xasprintf("%s/dev", disk), *line = NULL;
        unsigned major, minor;

        if (file_read_line(dir, path, &line, err) < 0)
                return -err->code;
        if (sscanf(line, "%u:%u", &major, &minor) != 2)
                return error_set(err, EPROTO, SYS_BLOCK "/%s: not the number of a device", path);
        *ret_major = major;
        *ret_minor = minor;
        return 0;
}

/* The disk with the host's device of that number. */
static int find_disk(const OciDevice *device, int64_t *ret_major, int64_t *ret_minor, Error *err) {
        cleanup_free char *serial = xasprintf(DISK_SERIAL, (unsigned)device->major, (unsigned)device->minor);
        DIR *folder = opendir(SYS_BLOCK);
        const struct dirent *entry;
        int r = error_set(err, ENODEV, "the virtual machine has no disk for it");

        while (folder && r < 0 && (entry = readdir(folder))) {
                if (!has_line(dirfd(folder), entry->d_name, "serial", serial))
                        continue;
                error_clear(err);
                r = read_number(dirfd(folder), entry->d_name, ret_major, ret_minor, err);
                if (r < 0)
                        break;
        }
        if (folder)
                closedir(folder);
        return r;
}

int disks_resolve(OciSpec *spec, Error *err) {
        OciLinux *linux_ = spec->linux_;
        OciResources *resources = linux_ ? linux_->resources : NULL;
        cleanup_free bool *done = NULL;

        done = xnew(bool, resources ? resources->n_devices + 1 : 1);
        for (size_t i = 0; linux_ && i < linux_->n_devices; i++) {
                OciDevice *device = &linux_->devices[i];
                int64_t major = 0, minor = 0;

                if (!streq(device->type, "b"))
                        continue;
                if (find_disk(device, &major, &minor, err) < 0)
                        return error_prefix(err, "linux.devices[%zu] (%s)", i, device->path);
                for (size_t j = 0; resources && j < resources->n_devices; j++) {
                        OciDeviceRule *rule = &resources->devices[j];

                        /* one that was changed already may look like one about the next device */
                        if (done[j] || !streq(rule->type, "b") || !rule->major.set || !rule->minor.set ||
                            rule->major.value != device->major || rule->minor.value != device->minor)
                                continue;
                        rule->major.value = major;
                        rule->minor.value = minor;
                        done[j] = true;
                }
                device->major = major;
                device->minor = minor;
        }
        return 0;
}
