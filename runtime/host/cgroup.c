/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "common/protocol/launch.h"

#define PROC_MAX         (4U << 20)
#define REMOVE_USEC      2000000
#define REMOVE_STEP_NSEC 10000000
#define MAKE_TRIES       5
#define DEPTH_MAX        32U

/* ---- where ---- */

typedef struct Hierarchy {
        char *folder;      /* mount point */
        char *root;        /* what of the hierarchy is mounted there */
        char *controllers; /* "cpu,cpuacct", "name=systemd"; "" is version 2 */
} Hierarchy;

static void hierarchy_done(Hierarchy *h) {
        free(h->folder);
        free(h->root);
        free(h->controllers);
}

/* Undoes the octal escapes of mountinfo, in place. */
static void unescape(char *s) {
        char *out = s;

        for (; *s; out++) {
                unsigned value;

                if (*s == '\\' && sscanf(s, "\\%3o", &value) == 1) {
                        *out = (char)value;
                        s += 4;
                } else {
                        *out = *s++;
                }
        }
        *out = '\0';
}

/* The controllers among the options of a version 1 hierarchy. */
static char *controllers_of(const char *options) {
        static const char *const others[] = {
                "rw",   "ro",           "xattr", "noprefix", "clone_children", "cpuset_v2_mode",
                "none", "favordynmods", NULL
        };
        cleanup_strv char **all = strv_split(options, ","), **kept = NULL;

        STRV_FOR_EACH (option, all)
                if (!strv_contains((char *const *)(const void *)others, *option) &&
                    !str_after(*option, "release_agent="))
                        strv_append(&kept, *option);
        return strv_join(kept, ",");
}

/* "36 35 98:0 /root /mount/point opts [tags] - type source superopts" */
static bool parse_mount(const char *line, Hierarchy *ret) {
        cleanup_strv char **fields = strv_split(line, " ");
        size_t n = strv_length(fields), dash = 6;
        bool v1;

        while (dash < n && !streq(fields[dash], "-"))
                dash++;
        if (dash + 3 >= n)
                return false;
        v1 = streq(fields[dash + 1], "cgroup");
        if (!v1 && !streq(fields[dash + 1], "cgroup2"))
                return false;
        *ret = (Hierarchy){
                .folder = xstrdup(fields[4]),
                .root = xstrdup(fields[3]),
                .controllers = v1 ? controllers_of(fields[dash + 3]) : xstrdup(""),
        };
        unescape(ret->folder);
        unescape(ret->root);
        return true;
}

/* The cgroup this process is in, in that hierarchy ("/" if it is not said). Owned by the caller. */
static char *own_cgroup(const char *own, const char *controllers) {
        cleanup_strv char **lines = strv_split(own, "\n");

        STRV_FOR_EACH (line, lines) {
                char *names = strchr(*line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

                if (path && (size_t)(path - names - 1) == strlen(controllers) &&
                    strncmp(names + 1, controllers, strlen(controllers)) == 0)
                        return xstrdup(path + 1);
        }
        return xstrdup("/");
}

static char *folder_in(const Hierarchy *h, const char *own, const char *path) {
        cleanup_free char *base = NULL, *joined = NULL, *clean = NULL;

        if (*path == '/') {
                clean = path_normalize(path);
        } else {
                const char *inside;

                base = own_cgroup(own, h->controllers);
                inside = streq(h->root, "/") ? base : str_after(base, h->root);
                joined = path_join(inside ? inside : "/", path);
                clean = path_normalize(joined);
        }
        return path_join(h->folder, clean);
}

int cgroup_resolve(const char *mountinfo, const char *own, const char *path, char ***ret, Error *err) {
        cleanup_strv char **lines = strv_split(mountinfo, "\n"), **folders = NULL, **seen = NULL;

        if (streq(path, "/") || !*path)
                return error_set(err, EINVAL,
                                 "linux.cgroupsPath: expected a path below the root, found \"%s\"", path);
        STRV_FOR_EACH (line, lines) {
                Hierarchy h;

                if (!parse_mount(*line, &h))
                        continue;
                /* a hierarchy may be mounted twice: its first place counts */
                if (!strv_contains(seen, h.controllers)) {
                        strv_append(&seen, h.controllers);
                        strv_take(&folders, folder_in(&h, own, path));
                }
                hierarchy_done(&h);
        }
        *ret = TAKE_PTR(folders);
        return 0;
}

int cgroup_folders(const char *cgroups_path, const char *id, char ***ret, Error *err) {
        cleanup_free char *mountinfo = NULL, *own = NULL, *path = NULL;
        int r;

        path = cgroups_path && *cgroups_path ? xstrdup(cgroups_path) : path_join(CGROUP_DEFAULT_PARENT, id);
        r = file_read(AT_FDCWD, "/proc/self/mountinfo", PROC_MAX, &mountinfo, NULL, err);
        if (r >= 0)
                r = file_read(AT_FDCWD, "/proc/self/cgroup", PROC_MAX, &own, NULL, err);
        return r < 0 ? r : cgroup_resolve(mountinfo, own, path, ret, err);
}

/* ---- making ---- */

static bool has_file(const char *folder, const char *name) {
        cleanup_free char *path = path_join(folder, name);

        return access(path, F_OK) == 0;
}

static int write_file(const char *folder, const char *name, const char *text, Error *err) {
        cleanup_free char *path = path_join(folder, name);

        return file_write(AT_FDCWD, path, text, err);
}

static char *parent_of(const char *folder) {
        const char *slash = strrchr(folder, '/');

        return slash && slash > folder ? xstrndup(folder, (size_t)(slash - folder)) : xstrdup("/");
}

/* Version 1: an empty cpuset takes no process; it starts with what the one above has. */
static int fill_cpuset(const char *folder, const char *name, unsigned depth, Error *err) {
        cleanup_free char *path = path_join(folder, name), *value = NULL, *parent = parent_of(folder),
                          *above = NULL;

        if (depth == 0 || file_read_line(AT_FDCWD, path, &value, err) < 0)
                return depth == 0 ? error_set(err, ELOOP, "%s: too deep", folder) : -err->code;
        if (*value)
                return 0;
        if (fill_cpuset(parent, name, depth - 1, err) < 0)
                return -err->code;
        free(TAKE_PTR(path));
        path = path_join(parent, name);
        if (file_read_line(AT_FDCWD, path, &above, err) < 0)
                return -err->code;
        return write_file(folder, name, above, err);
}

/* Version 2: hands the controllers that engines read or we set down to the children of FOLDER. One that cannot be is
 * missed where it is needed. */
static void hand_down(const char *folder, unsigned depth) {
        static const char *const wanted[] = { "cpu", "cpuset", "io", "memory", "pids" };
        cleanup_free char *path = path_join(folder, "cgroup.controllers"), *line = NULL,
                          *parent = parent_of(folder);
        cleanup_strv char **controllers = NULL;
        cleanup_error Error error = { 0 };

        /* only the root has no type */
        if (depth > 0 && has_file(folder, "cgroup.type"))
                hand_down(parent, depth - 1);
        if (file_read_line(AT_FDCWD, path, &line, &error) < 0)
                return;
        controllers = strv_split(line, " ");
        for (size_t i = 0; i < ELEMENTS_OF(wanted); i++) {
                cleanup_free char *text = xasprintf("+%s", wanted[i]);
                cleanup_error Error ignored = { 0 };

                if (strv_contains(controllers, wanted[i]))
                        write_file(folder, "cgroup.subtree_control", text, &ignored);
        }
}

int cgroup_make(const char *folder, Error *err) {
        cleanup_free char *parent = parent_of(folder);
        int r;

        /* an empty parent may be removed by another container's delete just now */
        for (int i = 0; i < MAKE_TRIES; i++) {
                r = path_make_directories(AT_FDCWD, folder, 0755, err);
                if (r != -ENOENT)
                        break;
                error_clear(err);
        }
        if (r < 0)
                return error_prefix(err, "cgroup");
        if (has_file(folder, "cgroup.type"))
                hand_down(parent, DEPTH_MAX);
        if (has_file(folder, "cpuset.memory_migrate")) {
                r = fill_cpuset(folder, "cpuset.cpus", DEPTH_MAX, err);
                if (r >= 0)
                        r = fill_cpuset(folder, "cpuset.mems", DEPTH_MAX, err);
        }
        return r < 0 ? error_prefix(err, "cgroup") : 0;
}

const char *cgroup_unified(char *const *folders) {
        STRV_FOR_EACH (folder, folders)
                if (has_file(*folder, "cgroup.type"))
                        return *folder;
        return NULL;
}

/*
 * "0" is the writer, whatever its number in its pid namespace. To move a process the kernel stops all forks and exits,
 * and waits for a grace period of RCU first, 10 to 20 ms; for a thread that moves itself (version 1: "tasks") it does
 * not, since Linux 5.5 (cgroup_procs_write_start() in kernel/cgroup/cgroup.c).
 */
int cgroup_join(char *const *folders, bool born, Error *err) {
        STRV_FOR_EACH (folder, folders) {
                bool tasks = has_file(*folder, "tasks");

                if (!tasks && born)
                        continue;
                if (write_file(*folder, tasks ? "tasks" : "cgroup.procs", "0", err) < 0)
                        return error_prefix(err, "joining the cgroup");
        }
        return 0;
}

/* ---- limits ---- */

/* Writes to the first folder that has the file; 1 when there is one. */
static int set(char *const *folders, const char *name, const char *value, Error *err) {
        STRV_FOR_EACH (folder, folders)
                if (has_file(*folder, name))
                        return write_file(*folder, name, value, err) < 0 ? -err->code : 1;
        return 0;
}

static int set_number(char *const *folders, const char *name, long long value, Error *err) {
        cleanup_free char *text = xasprintf("%lld", value);

        return set(folders, name, text, err);
}

int cgroup_limit_memory(char *const *folders, uint64_t bytes, Error *err) {
        int r = 0;

        if (bytes > INT64_MAX) {
                r = set(folders, "memory.limit_in_bytes", "-1", err);
                if (r == 0)
                        r = set(folders, "memory.max", "max", err);
        } else if (bytes > 0) {
                r = set_number(folders, "memory.limit_in_bytes", (long long)bytes, err);
                if (r == 0)
                        r = set_number(folders, "memory.max", (long long)bytes, err);
        }
        return r < 0 ? r : 0;
}

/* 0: FOLDER has none. Version 1 writes a number that is as good as none. */
static uint64_t memory_limit_of(const char *folder) {
        static const char *const names[] = { "memory.limit_in_bytes", "memory.max" };
        uint64_t limit = 0;

        for (size_t i = 0; i < ELEMENTS_OF(names) && limit == 0; i++) {
                cleanup_free char *path = path_join(folder, names[i]), *text = NULL;
                cleanup_error Error ignored = { 0 };

                if (file_read_line(AT_FDCWD, path, &text, &ignored) < 0 ||
                    !str_to_u64(text, 10, UINT64_MAX, &limit) || limit >= INT64_MAX / 2)
                        limit = 0;
        }
        return limit;
}

uint64_t cgroup_memory_above(char *const *folders) {
        uint64_t least = 0;

        STRV_FOR_EACH (folder, folders) {
                char *above = parent_of(*folder);

                for (unsigned i = 0; i < DEPTH_MAX && !streq(above, "/"); i++) {
                        uint64_t limit = memory_limit_of(above);
                        char *next = parent_of(above);

                        if (limit > 0 && (least == 0 || limit < least))
                                least = limit;
                        free(above);
                        above = next;
                }
                free(above);
        }
        return least;
}

uint64_t cgroup_weight(uint64_t shares) {
        if (shares < 2)
                shares = 2;
        if (shares > 262144)
                shares = 262144;
        return 1 + (shares - 2) * 9999 / 262142;
}

static int limit_bandwidth(char *const *folders, const OciCpu *cpu, Error *err) {
        cleanup_free char *text = NULL;
        uint64_t period = cpu->period.set && cpu->period.value ? cpu->period.value : 100000;
        int r = 0;

        /* the period first: a quota is checked against it */
        if (cpu->period.set && cpu->period.value)
                r = set_number(folders, "cpu.cfs_period_us", (long long)cpu->period.value, err);
        if (r >= 0 && cpu->quota.set && cpu->quota.value)
                r = set_number(folders, "cpu.cfs_quota_us", cpu->quota.value, err);
        if (r != 0)
                return r;
        if (cpu->quota.set && cpu->quota.value > 0)
                text = xasprintf("%lld %llu", (long long)cpu->quota.value, (unsigned long long)period);
        else
                text = xasprintf("max %llu", (unsigned long long)period);
        return set(folders, "cpu.max", text, err);
}

static void missed(char ***warnings, const char *key, const char *controller) {
        strv_printf(warnings,
                    "linux.resources.cpu.%s: this host has no %s controller; it has no effect on the host",
                    key, controller);
}

static int limit_cpuset(char *const *folders, const char *name, const char *key, const char *list,
                        char ***warnings, Error *err) {
        int r = list && *list ? set(folders, name, list, err) : 1;

        if (r == 0)
                missed(warnings, key, "cpuset");
        return r < 0 ? r : 0;
}

int cgroup_limit_cpu(char *const *folders, const OciCpu *cpu, char ***warnings, Error *err) {
        int r;

        if (!cpu)
                return 0;
        if (cpu->shares.set && cpu->shares.value) {
                r = set_number(folders, "cpu.shares", (long long)cpu->shares.value, err);
                if (r == 0)
                        r = set_number(folders, "cpu.weight", (long long)cgroup_weight(cpu->shares.value),
                                       err);
                if (r < 0)
                        return r;
                if (r == 0)
                        missed(warnings, "shares", "cpu");
        }
        if ((cpu->quota.set && cpu->quota.value) || (cpu->period.set && cpu->period.value)) {
                r = limit_bandwidth(folders, cpu, err);
                if (r < 0)
                        return r;
                if (r == 0)
                        missed(warnings, "quota", "cpu");
        }
        r = limit_cpuset(folders, "cpuset.cpus", "cpus", cpu->cpus, warnings, err);
        return r < 0 ? r : limit_cpuset(folders, "cpuset.mems", "mems", cpu->mems, warnings, err);
}

/* ---- the end ---- */

void cgroup_thaw(char *const *folders) {
        STRV_FOR_EACH (folder, folders) {
                cleanup_error Error ignored = { 0 };

                if (has_file(*folder, "freezer.state"))
                        write_file(*folder, "freezer.state", "THAWED", &ignored);
                else if (has_file(*folder, "cgroup.freeze"))
                        write_file(*folder, "cgroup.freeze", "0", &ignored);
        }
}

int cgroup_pids(const char *folder, pid_t **ret, size_t *ret_n, Error *err) {
        cleanup_free char *path = path_join(folder, "cgroup.procs"), *text = NULL;
        cleanup_strv char **lines = NULL;
        pid_t *pids;
        size_t n = 0;

        if (file_read(AT_FDCWD, path, PROC_MAX, &text, NULL, err) < 0)
                return -err->code;
        lines = strv_split(text, "\n");
        pids = xnew(pid_t, strv_length(lines) + 1);
        STRV_FOR_EACH (line, lines) {
                uint64_t pid;

                /* 0 is a process that our pid namespace does not show */
                if (str_to_u64(*line, 10, INT32_MAX, &pid) && pid > 0)
                        pids[n++] = (pid_t)pid;
        }
        *ret = pids;
        *ret_n = n;
        return 0;
}

static void kill_listed(const char *folder) {
        cleanup_error Error ignored = { 0 };
        cleanup_free pid_t *pids = NULL;
        size_t n = 0;

        if (cgroup_pids(folder, &pids, &n, &ignored) < 0)
                return;
        for (size_t i = 0; i < n; i++)
                if (pids[i] > 1 && pids[i] != getpid())
                        kill(pids[i], SIGKILL);
}

void cgroup_kill(char *const *folders) {
        STRV_FOR_EACH (folder, folders) {
                cleanup_error Error ignored = { 0 };

                if (!has_file(*folder, "cgroup.kill") ||
                    write_file(*folder, "cgroup.kill", "1", &ignored) < 0)
                        kill_listed(*folder);
        }
}

/* rmdir, the folders below first; 0 or errno. */
static int remove_once(const char *folder, unsigned depth) {
        struct dirent *item;
        DIR *dir;

        if (rmdir(folder) == 0 || errno == ENOENT)
                return 0;
        dir = depth > 0 ? opendir(folder) : NULL;
        if (!dir)
                return errno;
        while ((item = readdir(dir))) {
                cleanup_free char *child = NULL;

                if (item->d_type != DT_DIR || streq(item->d_name, ".") || streq(item->d_name, ".."))
                        continue;
                child = path_join(folder, item->d_name);
                remove_once(child, depth - 1);
        }
        closedir(dir);
        return rmdir(folder) == 0 || errno == ENOENT ? 0 : errno;
}

int cgroup_remove(const char *folder, Error *err) {
        const struct timespec step = { .tv_nsec = REMOVE_STEP_NSEC };
        uint64_t end = now_usec() + REMOVE_USEC;
        cleanup_free char *parent = NULL;
        int r;

        while ((r = remove_once(folder, DEPTH_MAX)) == EBUSY && now_usec() < end)
                nanosleep(&step, NULL);
        if (r != 0)
                return error_set(err, r, "removing cgroup %s: %s", folder, strerror(r));
        /* the parent is ours when nobody named one; it goes with its last container */
        parent = parent_of(folder);
        if (str_ends_with(parent, CGROUP_DEFAULT_PARENT))
                rmdir(parent);
        return 0;
}
