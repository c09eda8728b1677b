/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/share.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"

static int make_target(const char *path, bool folder, Error *err) {
        int fd;

        if (folder)
                return mkdir(path, 0755) < 0 && errno != EEXIST ? error_errno(err, "making %s", path) : 0;
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_errno(err, "making %s", path);
        close(fd);
        return 0;
}

static int bind_share(const char *tree, const LaunchShare *share, Error *err) {
        cleanup_free char *target = path_join(tree, share->target);
        unsigned long recursive = share->recursive ? MS_REC : 0;
        struct stat st;
        int r;

        if (!path_is_normalized(target))
                return error_set(err, EINVAL, "share target %s: not a plain path", share->target);
        if (stat(share->source, &st) < 0)
                return error_errno(err, "%s", share->source);
        r = make_target(target, S_ISDIR(st.st_mode), err);
        if (r < 0)
                return r;
        if (mount(share->source, target, NULL, MS_BIND | recursive, NULL) < 0)
                return error_errno(err, "sharing %s with the guest: bind mount", share->source);
        if (share->read_only && mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
                return error_errno(err, "sharing %s with the guest: read-only remount", share->source);
        return 0;
}

int share_assemble(const LaunchPlan *plan, Error *err) {
        cleanup_free char *private = path_join(plan->state_dir, STATE_PRIVATE);
        cleanup_free char *tree = path_join(private, PRIVATE_SHARE);
        cleanup_free char *mounts = path_join(tree, "mounts");
        int r;

        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return error_errno(err, "making the mount namespace a slave of the host's");
        if (mkdir(private, 0700) < 0 && errno != EEXIST)
                return error_errno(err, "making %s", private);
        if (mount("carrel", private, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=4m") < 0)
                return error_errno(err, "%s: mounting a tmpfs", private);
        r = make_target(tree, true, err);
        if (r >= 0)
                r = make_target(mounts, true, err);
        for (size_t i = 0; r >= 0 && i < plan->n_shares; i++)
                r = bind_share(tree, &plan->shares[i], err);
        return r;
}

int share_release(const LaunchPlan *plan, Error *err) {
        cleanup_free char *private = path_join(plan->state_dir, STATE_PRIVATE);

        return umount2(private, MNT_DETACH) < 0 ? error_errno(err, "%s: unmounting", private) : 0;
}
