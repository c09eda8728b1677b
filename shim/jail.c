/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * QEMU parses what the guest's drivers write; should one of those parsers be broken into, the intruder is a process
 * with QEMU's rights. It runs as an unprivileged user without capabilities and cannot gain any; QEMU's own seccomp
 * filter denies it new programs; it sits in the container's pid, network, ipc and uts namespaces. What is left is
 * the file system, and here it is cut down: a private mount namespace in which /dev holds only null, zero, full,
 * random, urandom and the nodes the plan names (/dev/kvm, /dev/vfio/N), each openable by that user, and in which the folder with
 * the container's files, the sockets of virtiofsd among them, is not mounted (QEMU has its connection as a
 * descriptor). In a user namespace there is no other user to become; there QEMU has the user's id and no capability,
 * not even in that namespace. With the 9p share QEMU itself serves the files, so it must see them and stays root: one of the reasons
 * why 9p is only the fallback.
 */
#include "shim/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "common/protocol/launch.h"
#include "shim/sandbox.h"
#include "shim/signals.h"

static const struct {
        const char *name;
        unsigned minor;
} plain_devices[] = { { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 }, { "urandom", 9 } };

/* In a user namespace nobody can make a node; there the host's own is bound, with the rights that it has. */
static int bind_node(const char *path, const char *name, Error *err) {
        cleanup_free char *source = path_join("/dev", name);
        cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0 || mount(source, path, NULL, MS_BIND, NULL) < 0)
                return error_errno(err, "binding QEMU's /dev/%s", name);
        return 0;
}

static int make_node(const char *dev, const char *name, mode_t mode, dev_t device, Error *err) {
        cleanup_free char *path = path_join(dev, name);

        if (mknod(path, mode, device) < 0)
                return errno == EPERM ? bind_node(path, name, err)
                                      : error_errno(err, "making QEMU's /dev/%s", name);
        if (chmod(path, mode & 07777) < 0)
                return error_errno(err, "making QEMU's /dev/%s", name);
        return 0;
}

/* "kvm", "vfio/42": a name in /dev, or in a folder of it, which is made. */
static int make_device(const char *dev, const char *device, Error *err) {
        const char *name = str_after(device, "/dev/"), *slash = name ? strchr(name, '/') : NULL;
        struct stat st;

        if (!name || !path_is_normalized(device) || (slash && strchr(slash + 1, '/')))
                return error_set(err, EINVAL, "QEMU's device %s: not a node of /dev", device);
        if (stat(device, &st) < 0)
                return error_errno(err, "%s", device);
        if (!S_ISCHR(st.st_mode))
                return error_set(err, ENODEV, "%s: not a character device", device);
        if (slash) {
                cleanup_free char *folder = xasprintf("%s/%.*s", dev, (int)(slash - name), name);

                if (mkdir(folder, 0755) < 0 && errno != EEXIST)
                        return error_errno(err, "making %s", folder);
        }
        /* nobody else sees this folder, so the mode opens the device to QEMU's user alone */
        return make_node(dev, name, S_IFCHR | 0666, st.st_rdev, err);
}

/* Fills the folder DEV, a fresh tmpfs; only then is it moved over /dev, whose nodes are looked at meanwhile. */
static int fill_dev(const char *dev, char *const *devices, Error *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS_OF(plain_devices); i++)
                r = make_node(dev, plain_devices[i].name, S_IFCHR | 0666, makedev(1, plain_devices[i].minor),
                              err);
        STRV_FOR_EACH (device, devices)
                if (r >= 0)
                        r = make_device(dev, *device, err);
        return r;
}

/* Passed devices reach all of the guest's memory, so all of it is pinned, and counted against this. */
static int raise_memlock(uint64_t bytes, Error *err) {
        rlim_t wanted = bytes == UINT64_MAX ? RLIM_INFINITY : (rlim_t)bytes;
        struct rlimit limit;

        if (bytes == 0)
                return 0;
        if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
                return error_errno(err, "RLIMIT_MEMLOCK");
        if (limit.rlim_cur >= wanted)
                return 0;
        limit.rlim_cur = wanted;
        if (limit.rlim_max < wanted)
                limit.rlim_max = wanted;
        if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0) {
                cleanup_free char *words =
                        bytes == UINT64_MAX ? xstrdup("unlimited") : xasprintf("%" PRIu64 " bytes", bytes);

                return error_errno(err,
                                   "raising QEMU's limit of locked memory to %s (LimitMEMLOCK=infinity of "
                                   "the engine's service)",
                                   words);
        }
        return 0;
}

int jail_enter(void *user, Error *err) {
        const LaunchPlan *plan = user;
        cleanup_free char *private = path_join(plan->state_dir, STATE_PRIVATE);
        cleanup_free char *dev = path_join(private, "dev");
        cleanup_free char *hidden = NULL;
        cleanup_close int tree = -1;
        int r;

        signals_block();
        r = raise_memlock(plan->memlock, err);
        if (r < 0)
                return r;
        if (unshare(CLONE_NEWNS) < 0)
                return error_errno(err, "unshare");
        if (mkdir(dev, 0755) < 0 && errno != EEXIST)
                return error_errno(err, "making %s", dev);
        if (mount("dev", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") < 0)
                return error_errno(err, "mounting QEMU's /dev");
        r = fill_dev(dev, plan->qemu_devices, err);
        if (r < 0)
                return r;
        /* the state folder may be below /dev (/dev/shm), which is covered then */
        tree = open(private, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (tree < 0)
                return error_errno(err, "%s", private);
        hidden = xasprintf("/proc/self/fd/%d", tree);
        if (mount(dev, "/dev", NULL, MS_MOVE, NULL) < 0)
                return error_errno(err, "moving QEMU's /dev into place");
        if (plan->virtiofsd && umount2(hidden, MNT_DETACH) < 0)
                return error_errno(err, "hiding the shared tree from QEMU");
        return plan->rootless && plan->virtiofsd ? sandbox_drop_all(err) : 0;
}
