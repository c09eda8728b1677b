/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* The kernel's name for it; a bundle names only the node in the container. Owned by the caller. */
static char *find_name(const LaunchDisk *disk, Error *err) {
        cleanup_free char *path = xasprintf("/sys/dev/block/%u:%u/uevent", disk->major, disk->minor),
                          *text = NULL;
        cleanup_strv char **lines = NULL;

        if (file_read(AT_FDCWD, path, 65536, &text, NULL, err) < 0) {
                error_set(err, ENODEV, "this host has no such block device");
                return NULL;
        }
        lines = strv_split(text, "\n");
        STRV_FOR_EACH (line, lines) {
                const char *name = str_after(*line, "DEVNAME=");

                if (name)
                        return xasprintf("/dev/%s", name);
        }
        error_set(err, ENODEV, "%s: no DEVNAME", path);
        return NULL;
}

static int open_disk(const LaunchDisk *disk, Error *err) {
        cleanup_free char *name = find_name(disk, err);
        cleanup_close int fd = -1;
        struct stat st;

        if (!name)
                return -err->code;
        fd = open(name, (disk->read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, "%s", name);
        if (!S_ISBLK(st.st_mode) || st.st_rdev != makedev(disk->major, disk->minor))
                return error_set(err, ENODEV, "%s is another device", name);
        if (fd_set_nonblocking(fd, false, err) < 0)
                return -err->code;
        return TAKE_FD(fd);
}

int disks_open(const LaunchPlan *plan, int *fds, Error *err) {
        for (size_t i = 0; i < plan->n_disks; i++) {
                int fd = open_disk(&plan->disks[i], err);

                if (fd < 0)
                        return error_prefix(err, "linux.devices: block device %u:%u", plan->disks[i].major,
                                            plan->disks[i].minor);
                fds[i] = fd;
        }
        return 0;
}
