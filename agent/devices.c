/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/mount-point.h"
#include "agent/mounts.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* A device node as it is to be. */
typedef struct Node {
        const char *path;
        mode_t mode; /* kind and permissions */
        unsigned major, minor;
        uid_t uid;
        gid_t gid;
} Node;

/* What every container has (runtime specification, "Default Devices"); /dev/ptmx is a link. */
static const Node default_nodes[] = {
        { "/dev/null", S_IFCHR | 0666, 1, 3, 0, 0 },    { "/dev/zero", S_IFCHR | 0666, 1, 5, 0, 0 },
        { "/dev/full", S_IFCHR | 0666, 1, 7, 0, 0 },    { "/dev/random", S_IFCHR | 0666, 1, 8, 0, 0 },
        { "/dev/urandom", S_IFCHR | 0666, 1, 9, 0, 0 }, { "/dev/tty", S_IFCHR | 0666, 5, 0, 0, 0 },
};

static const struct {
        const char *target, *name;
} dev_links[] = {
        { "/proc/self/fd", "fd" },       { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
        { "/proc/self/fd/2", "stderr" }, { "pts/ptmx", "ptmx" },
};

static Node to_node(const OciDevice *device) {
        mode_t permissions = device->file_mode.set ? device->file_mode.value & 07777U : 0666;
        mode_t kind = S_IFCHR; /* c and u */

        if (*device->type == 'b')
                kind = S_IFBLK;
        if (*device->type == 'p')
                kind = S_IFIFO;
        return (Node){
                .path = device->path,
                .mode = kind | permissions,
                .major = (unsigned)device->major,
                .minor = (unsigned)device->minor,
                .uid = device->uid.value,
                .gid = device->gid.value,
        };
}

static bool is_node(const struct stat *st, const Node *node) {
        return (st->st_mode & S_IFMT) == (node->mode & S_IFMT) &&
               (S_ISFIFO(st->st_mode) || st->st_rdev == makedev(node->major, node->minor));
}

/* ---- in the agent's /dev ---- */

static char *prepared_path(const Node *node) {
        return xasprintf("/dev/carrel-%o-%u-%u", node->mode & S_IFMT, node->major, node->minor);
}

/* What the id is outside the container's user namespace. */
static uint32_t outside_id(const OciIdMapping *mappings, size_t n, uint32_t id) {
        for (size_t i = 0; i < n; i++)
                if (id >= mappings[i].container_id && id - mappings[i].container_id < mappings[i].size)
                        return mappings[i].host_id + (id - mappings[i].container_id);
        return id;
}

int devices_prepare(const OciSpec *spec, Error *err) {
        const OciLinux *linux_ = spec->linux_;

        if (!oci_namespace(linux_, "user"))
                return 0;
        for (size_t i = 0; i < linux_->n_devices; i++) {
                Node node = to_node(&linux_->devices[i]);
                cleanup_free char *path = prepared_path(&node);
                uid_t uid = outside_id(linux_->uid_mappings, linux_->n_uid_mappings, node.uid);
                gid_t gid = outside_id(linux_->gid_mappings, linux_->n_gid_mappings, node.gid);

                if ((mknod(path, node.mode, makedev(node.major, node.minor)) < 0 && errno != EEXIST) ||
                    chown(path, uid, gid) < 0 || chmod(path, node.mode & 07777U) < 0)
                        return error_errno(err, "linux.devices[%zu] (%s)", i, node.path);
        }
        return 0;
}

/* ---- in the container's ---- */

/* The folder DEVICE is in, made if need be, and its name there. */
static int open_folder(int root, const char *path, const char **ret_name, Error *err) {
        cleanup_free char *folder = xstrdup(path);
        char *slash = strrchr(folder, '/');
        int fd;

        if (!slash || !slash[1])
                return error_set(err, EINVAL, "%s: not the path of a device", path);
        *slash = '\0';
        fd = mount_point_open(root, *folder ? folder : "/", false, err);
        if (fd >= 0)
                *ret_name = strrchr(path, '/') + 1;
        return fd;
}

static int bind_node(int folder, const char *name, const Node *node, Error *err) {
        cleanup_free char *prepared = prepared_path(node);
        cleanup_close int mount = -1, place = -1;
        const char *source = node->path;
        struct stat st;

        if (stat(prepared, &st) >= 0)
                source = prepared;
        if (stat(source, &st) < 0)
                return error_errno(err, "device %s of the guest", source);
        if (!is_node(&st, node))
                return error_set(err, ENODEV, "%s in the guest is another device", source);
        mount = mount_copy(AT_FDCWD, source, false, err);
        if (mount < 0)
                return error_prefix(err, "%s", source);
        if (mknodat(folder, name, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
                return error_errno(err, "%s", node->path);
        place = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (place < 0)
                return error_errno(err, "%s", node->path);
        return mount_attach(mount, place, err);
}

/* Whether NAME is that node already; what is something else there goes, since it is the image's, not the
 * device that was asked for. */
static int clear_place(int folder, const char *name, const Node *node, Error *err) {
        struct stat st;

        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_errno(err, "%s", node->path);
        if (is_node(&st, node))
                return 1;
        if (unlinkat(folder, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
                return error_errno(err, "replacing %s", node->path);
        return 0;
}

static int create_node(int folder, const char *name, const Node *node, Error *err) {
        struct stat st;
        int r = clear_place(folder, name, node, err);

        if (r < 0)
                return r;
        if (r == 0 && mknodat(folder, name, node->mode, makedev(node->major, node->minor)) < 0)
                return error_errno(err, "making %s", node->path);
        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return error_errno(err, "%s", node->path);
        if ((st.st_uid != node->uid || st.st_gid != node->gid) &&
            fchownat(folder, name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return error_errno(err, "owner of %s", node->path);
        if (st.st_mode != node->mode && fchmodat(folder, name, node->mode & 07777U, 0) < 0)
                return error_errno(err, "mode of %s", node->path);
        return 0;
}

static int make_node(const Node *node, int root, bool bind, Error *err) {
        const char *name = NULL;
        cleanup_close int folder = open_folder(root, node->path, &name, err);
        int r;

        if (folder < 0)
                return folder;
        if (bind)
                return bind_node(folder, name, node, err);
        r = create_node(folder, name, node, err);
        /* A root shared by the host may take no devices. */
        if (r == -EPERM || r == -EOPNOTSUPP) {
                error_clear(err);
                r = bind_node(folder, name, node, err);
        }
        return r;
}

static int make_links(int root, Error *err) {
        cleanup_close int dev = mount_point_open(root, "/dev", false, err);

        if (dev < 0)
                return dev;
        for (size_t i = 0; i < ELEMENTS_OF(dev_links); i++) {
                const char *name = dev_links[i].name;

                /* The terminals' own multiplexer is that of the devpts instance in the container. */
                if (streq(name, "ptmx"))
                        unlinkat(dev, name, 0);
                if (symlinkat(dev_links[i].target, dev, name) < 0 && errno != EEXIST)
                        return error_errno(err, "/dev/%s", name);
        }
        return 0;
}

int devices_make(const OciSpec *spec, int root, Error *err) {
        const OciLinux *linux_ = spec->linux_;
        bool bind = oci_namespace(linux_, "user");

        for (size_t i = 0; i < ELEMENTS_OF(default_nodes); i++)
                if (make_node(&default_nodes[i], root, bind, err) < 0)
                        return -err->code;
        for (size_t i = 0; linux_ && i < linux_->n_devices; i++) {
                Node node = to_node(&linux_->devices[i]);

                if (make_node(&node, root, bind, err) < 0)
                        return error_prefix(err, "linux.devices[%zu] (%s)", i, node.path);
        }
        return make_links(root, err);
}

int devices_mount_console(int root, Error *err) {
        cleanup_close int terminal = mount_copy(STDIN_FILENO, "", false, err), place = -1;

        if (terminal < 0)
                return error_prefix(err, "/dev/console");
        place = mount_point_open(root, "/dev/console", true, err);
        if (place < 0)
                return error_prefix(err, "/dev/console");
        return mount_attach(terminal, place, err);
}
