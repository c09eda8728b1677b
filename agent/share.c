/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "common/protocol/message.h"

/* msize: the largest message QEMU's transport takes without a warning. cache=mmap: nothing but the content of files is
 * cached, so that programs can map and write them (cache=none refuses that). What the host adds to a file that the guest
 * has open, or mounted by itself, is then not seen, or reads as zeros: Linux 6.12 does not learn that the file has grown
 * (fs/netfs, zero_point). With virtiofs it does. */
#define OPTIONS_9P "trans=virtio,version=9p2000.L,msize=512000,cache=mmap"

int share_mount(const char *type, Error *err) {
        const char *options = NULL;

        if (streq(type, "9p"))
                options = OPTIONS_9P;
        else if (!streq(type, "virtiofs"))
                return error_set(err, EINVAL, "share type \"%s\" is not known", type);
        if (path_make_directories(AT_FDCWD, GUEST_SHARE, 0755, err) < 0)
                return -err->code;
        if (mount(SHARE_TAG, GUEST_SHARE, type, 0, options) < 0)
                return error_errno(err, "mounting the shared folder (%s)", type);
        return 0;
}

void share_sync(void) {
        cleanup_close int fd = open(GUEST_SHARE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0)
                syncfs(fd);
}

void share_forget(const char *rootfs) {
        cleanup_free char *folder = xasprintf("%s/..", rootfs), *real = NULL;

        share_sync();
        real = realpath(folder, NULL);
        if (real)
                umount2(real, MNT_DETACH);
}

void share_unmount(void) {
        share_sync();
        umount2(GUEST_SHARE, MNT_DETACH);
}
