/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/cgroup-devices.h"
#include "agent/cgroup-private.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define FREEZE_TIMEOUT_MS 2000
#define MAX_DEPTH         32U /* of cgroups that the container has made */

/* ---- the cgroup itself ---- */

/* All at once, which is quicker. If that fails one by one: a controller that cannot be had must not keep
 * away the others; whoever needs it is told when its files are missing. */
static int enable_controllers(int root, Error *err) {
        cleanup_free char *line = NULL;
        cleanup_strv char **names = NULL;
        cleanup_strbuf StrBuf all = { 0 };
        cleanup_error Error ignored = { 0 };

        if (file_read_line(root, "cgroup.controllers", &line, err) < 0)
                return -err->code;
        names = strv_split(line, " ");
        STRV_FOR_EACH (name, names)
                strbuf_printf(&all, "+%s ", *name);
        if (!names || file_write(root, "cgroup.subtree_control", all.data, &ignored) >= 0)
                return 0;
        STRV_FOR_EACH (name, names) {
                cleanup_free char *word = xasprintf("+%s", *name);

                file_write(root, "cgroup.subtree_control", word, &ignored);
        }
        return 0;
}

int cgroup_new(const char *root, const char *name, Cgroup **ret, Error *err) {
        cleanup(cgroup_freep) Cgroup *cgroup = xnew(Cgroup, 1);

        cgroup->path = path_join(root, name);
        cgroup->fd = cgroup->devices = -1;
        cgroup->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (cgroup->root < 0)
                return error_errno(err, "%s", root);
        if (enable_controllers(cgroup->root, err) < 0)
                return error_prefix(err, "%s", root);
        if (mkdirat(cgroup->root, name, 0755) < 0 && errno != EEXIST)
                return error_errno(err, "making %s", cgroup->path);
        cgroup->fd = openat(cgroup->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (cgroup->fd < 0)
                return error_errno(err, "%s", cgroup->path);
        *ret = TAKE_PTR(cgroup);
        return 0;
}

Cgroup *cgroup_free(Cgroup *cgroup) {
        if (!cgroup)
                return NULL;
        close_descriptor(&cgroup->root);
        close_descriptor(&cgroup->fd);
        close_descriptor(&cgroup->devices);
        free(cgroup->path);
        free(cgroup);
        return NULL;
}

const char *cgroup_path(const Cgroup *cgroup) {
        return cgroup->path;
}

int cgroup_fd(const Cgroup *cgroup) {
        return cgroup->fd;
}

int cgroup_root_fd(const Cgroup *cgroup) {
        return cgroup->root;
}

/* "0::/carrel/init.scope" */
static int open_cgroup_of(const Cgroup *cgroup, pid_t pid, Error *err) {
        cleanup_free char *file = xasprintf("/proc/%d/cgroup", (int)pid);
        cleanup_free char *line = NULL;
        const char *path;
        int fd;

        if (file_read_line(AT_FDCWD, file, &line, err) < 0)
                return -err->code;
        path = str_after(line, "0::/");
        if (!path)
                return error_set(err, EIO, "%s: unexpected text \"%s\"", file, line);
        fd = openat(cgroup->root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_errno(err, "cgroup /%s", path) : fd;
}

int cgroup_open_for(const Cgroup *cgroup, pid_t init, int *ret, Error *err) {
        cleanup_free char *delegated = NULL;
        int fd;

        if (file_read_line(cgroup->fd, "cgroup.subtree_control", &delegated, err) < 0)
                return error_prefix(err, "%s", cgroup->path);
        if (!*delegated) {
                fd = fcntl(cgroup->fd, F_DUPFD_CLOEXEC, 0);
                if (fd < 0)
                        return error_errno(err, "%s", cgroup->path);
        } else {
                fd = open_cgroup_of(cgroup, init, err);
                if (fd < 0)
                        return fd;
        }
        *ret = fd;
        return 0;
}

int cgroup_open_below(const Cgroup *cgroup, const char *path, int *ret, Error *err) {
        int fd = path_open_in_root(cgroup->fd, path, O_RDONLY | O_DIRECTORY, 0, err);

        if (fd < 0)
                return error_prefix(err, "cgroup");
        *ret = fd;
        return 0;
}

/* The kernel says which files those are. */
int cgroup_delegate(const Cgroup *cgroup, uid_t uid, Error *err) {
        cleanup_free char *text = NULL;
        cleanup_strv char **names = NULL;

        if (file_read(AT_FDCWD, "/sys/kernel/cgroup/delegate", 65536, &text, NULL, err) < 0)
                return -err->code;
        names = strv_split(text, "\n");
        if (fchown(cgroup->fd, uid, (gid_t)-1) < 0)
                return error_errno(err, "owner of %s", cgroup->path);
        STRV_FOR_EACH (name, names)
                if (fchownat(cgroup->fd, *name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
                        return error_errno(err, "owner of %s/%s", cgroup->path, *name);
        return 0;
}

/* ---- its processes ---- */

int cgroup_kill(const Cgroup *cgroup, Error *err) {
        if (file_write(cgroup->fd, "cgroup.kill", "1", err) < 0)
                return error_prefix(err, "%s", cgroup->path);
        return 0;
}

/* Value of "KEY VALUE" on a line of its own; false: there is none. */
bool cgroup_find_value(const char *text, const char *key, uint64_t *ret) {
        for (const char *line = text; line && *line;) {
                const char *rest = str_after(line, key);
                size_t length = strcspn(line, "\n");

                if (rest && *rest == ' ') {
                        cleanup_free char *number = xstrndup(rest + 1, (size_t)(line + length - rest - 1));

                        return str_to_u64(number, 10, UINT64_MAX, ret);
                }
                line += length + (line[length] == '\n');
        }
        return false;
}

static uint64_t now_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int cgroup_freeze(const Cgroup *cgroup, bool frozen, Error *err) {
        cleanup_close int events = openat(cgroup->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        uint64_t deadline = now_ms() + FREEZE_TIMEOUT_MS;

        if (events < 0)
                return error_errno(err, "%s/cgroup.events", cgroup->path);
        if (file_write(cgroup->fd, "cgroup.freeze", frozen ? "1" : "0", err) < 0)
                return error_prefix(err, "%s", cgroup->path);
        for (;;) {
                struct pollfd p = { .fd = events, .events = POLLPRI };
                cleanup_free char *text = NULL;
                uint64_t state, now;

                if (lseek(events, 0, SEEK_SET) < 0 || fd_read(events, 4096, &text, NULL, err) < 0)
                        return error_prefix(err, "%s/cgroup.events", cgroup->path);
                if (cgroup_find_value(text, "frozen", &state) && (state != 0) == frozen)
                        return 0;
                now = now_ms();
                if (now >= deadline)
                        return error_set(err, ETIMEDOUT, "%s: the processes could not be %s within %d ms",
                                         cgroup->path, frozen ? "frozen" : "thawed", FREEZE_TIMEOUT_MS);
                poll(&p, 1, (int)(deadline - now));
        }
}

typedef struct PidList {
        pid_t *pids;
        size_t n;
} PidList;

static int add_pids(int folder, PidList *list, Error *err) {
        cleanup_free char *text = NULL;
        cleanup_strv char **lines = NULL;
        int r = file_read(folder, "cgroup.procs", 16U << 20, &text, NULL, err);

        /* Threaded cgroups have none: their processes are listed further up. A cgroup may go meanwhile. */
        if (r == -EOPNOTSUPP || r == -ENODEV || r == -ENOENT) {
                error_clear(err);
                return 0;
        }
        if (r < 0)
                return r;
        lines = strv_split(text, "\n");
        list->pids = xreallocarray(list->pids, list->n + strv_length(lines) + 1, sizeof(pid_t));
        STRV_FOR_EACH (line, lines) {
                uint64_t pid;

                /* 0 is a process that the caller's namespace does not show. */
                if (str_to_u64(*line, 10, INT32_MAX, &pid) && pid > 0)
                        list->pids[list->n++] = (pid_t)pid;
        }
        return 0;
}

static int walk(int folder, unsigned depth, PidList *list, Error *err) {
        int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = own >= 0 ? fdopendir(own) : NULL;
        struct dirent *entry;
        int r;

        if (!d)
                return error_errno(err, "reading a cgroup");
        r = add_pids(folder, list, err);
        while (r >= 0 && depth < MAX_DEPTH && (entry = readdir(d))) {
                cleanup_close int child = -1;

                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                child = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (child >= 0)
                        r = walk(child, depth + 1, list, err);
        }
        closedir(d);
        return r;
}

int cgroup_pids(const Cgroup *cgroup, pid_t **ret, size_t *ret_n, Error *err) {
        PidList list = { 0 };

        if (walk(cgroup->fd, 0, &list, err) < 0) {
                free(list.pids);
                return error_prefix(err, "%s", cgroup->path);
        }
        *ret = list.pids;
        *ret_n = list.n;
        return 0;
}

int cgroup_oom_kills(const Cgroup *cgroup, uint64_t *ret, Error *err) {
        cleanup_free char *text = NULL;
        uint64_t kills = 0;

        if (file_read(cgroup->fd, "memory.events", 4096, &text, NULL, err) < 0)
                return error_prefix(err, "%s", cgroup->path);
        cgroup_find_value(text, "oom_kill", &kills);
        *ret = kills;
        return 0;
}

int cgroup_open_memory_events(const Cgroup *cgroup, int *ret, Error *err) {
        int fd = openat(cgroup->fd, "memory.events", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return error_errno(err, "%s/memory.events", cgroup->path);
        *ret = fd;
        return 0;
}
