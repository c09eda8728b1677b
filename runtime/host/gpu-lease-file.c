/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/gpu-lease-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "common/oci/state.h"

#define FOLDER_LOCK    "lock"
#define SUFFIX         ".json"
#define LEASE_BYTES    (64U << 10)
#define LOCK_STEP_USEC 20000

int lease_folder_open(int root, LeaseFolder *ret, Error *err) {
        int dir = path_make_in_root(root, GPU_LEASE_FOLDER, false, 0755, err);

        if (dir < 0)
                return error_prefix(err, GPU_LEASE_FOLDER);
        *ret = (LeaseFolder){ .dir = dir, .lock = -1 };
        return 0;
}

void lease_folder_done(LeaseFolder *folder) {
        lease_folder_unlock(folder);
        close_descriptor(&folder->dir);
        folder->dir = -1;
}

static int take_lock(int dir, const char *name, int timeout_ms, int *ret, Error *err) {
        const struct timespec step = { .tv_nsec = LOCK_STEP_USEC * 1000 };
        uint64_t end = now_usec() + (uint64_t)timeout_ms * 1000;
        cleanup_close int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return error_errno(err, GPU_LEASE_FOLDER "/%s", name);
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return error_errno(err, GPU_LEASE_FOLDER "/%s", name);
                if (now_usec() >= end)
                        return error_set(err, ETIMEDOUT,
                                         GPU_LEASE_FOLDER "/%s: another carrel has held it for %d s", name,
                                         (timeout_ms + 999) / 1000);
                nanosleep(&step, NULL);
        }
        *ret = TAKE_FD(fd);
        return 0;
}

int lease_folder_lock(LeaseFolder *folder, int timeout_ms, Error *err) {
        return take_lock(folder->dir, FOLDER_LOCK, timeout_ms, &folder->lock, err);
}

void lease_folder_unlock(LeaseFolder *folder) {
        close_descriptor(&folder->lock);
        folder->lock = -1;
}

int lease_lock(const LeaseFolder *folder, const char *address, int timeout_ms, int *ret, Error *err) {
        cleanup_free char *name = xasprintf("%s.lock", address);

        return take_lock(folder->dir, name, timeout_ms, ret, err);
}

int lease_read(const LeaseFolder *folder, const char *address, GpuLease *ret, Error *err) {
        cleanup_free char *name = xasprintf("%s" SUFFIX, address), *text = NULL;
        size_t length;
        int r;

        *ret = (GpuLease){ 0 };
        r = file_read(folder->dir, name, LEASE_BYTES, &text, &length, err);
        if (r >= 0)
                r = json_read_text(text, length, NULL, gpu_lease_fields, ret, err);
        return r < 0 ? error_prefix(err, GPU_LEASE_FOLDER "/%s", name) : 0;
}

int lease_write(const LeaseFolder *folder, const GpuLease *lease, Error *err) {
        cleanup_free char *name = xasprintf("%s" SUFFIX, lease->address);
        cleanup_free char *text = json_to_text(gpu_lease_fields, lease, true);

        return file_write_atomic(folder->dir, name, text, strlen(text), 0644, err) < 0
                       ? error_prefix(err, GPU_LEASE_FOLDER)
                       : 0;
}

int lease_remove(const LeaseFolder *folder, const char *address, Error *err) {
        cleanup_free char *name = xasprintf("%s" SUFFIX, address);

        if (unlinkat(folder->dir, name, 0) < 0 && errno != ENOENT)
                return error_errno(err, GPU_LEASE_FOLDER "/%s", name);
        return 0;
}

/* "ADDRESS.json.PID.tmp" (file_write_atomic()), and there is no such process. */
static bool is_remains(const char *name) {
        cleanup_free char *stem = NULL;
        char *pid, *suffix;
        PciAddress parsed;
        uint64_t number;

        if (!str_ends_with(name, ".tmp"))
                return false;
        stem = xstrndup(name, strlen(name) - strlen(".tmp"));
        pid = strrchr(stem, '.');
        if (!pid || !str_to_u64(pid + 1, 10, INT32_MAX, &number) || number == 0)
                return false;
        *pid = '\0';
        if (!str_ends_with(stem, SUFFIX))
                return false;
        suffix = stem + strlen(stem) - strlen(SUFFIX);
        *suffix = '\0';
        return pci_address_parse(stem, &parsed) && kill((pid_t)number, 0) < 0 && errno == ESRCH;
}

void lease_sweep(const LeaseFolder *folder) {
        int fd = openat(folder->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;

        if (!dir) {
                close_descriptor(&fd);
                return;
        }
        while ((entry = readdir(dir)))
                if (is_remains(entry->d_name))
                        unlinkat(folder->dir, entry->d_name, 0);
        closedir(dir);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int lease_list(const LeaseFolder *folder, char ***ret, Error *err) {
        int fd = openat(folder->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        char **found = NULL;

        if (!dir) {
                error_errno(err, GPU_LEASE_FOLDER);
                close_descriptor(&fd);
                return -err->code;
        }
        while ((entry = readdir(dir))) {
                cleanup_free char *address = NULL;
                PciAddress parsed;

                if (!str_ends_with(entry->d_name, SUFFIX))
                        continue;
                address = xstrndup(entry->d_name, strlen(entry->d_name) - strlen(SUFFIX));
                if (pci_address_parse(address, &parsed))
                        strv_append(&found, address);
        }
        closedir(dir);
        if (found)
                qsort(found, strv_length(found), sizeof(*found), compare_names);
        *ret = found;
        return 0;
}

char *lease_now(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return oci_format_time(&now);
}
