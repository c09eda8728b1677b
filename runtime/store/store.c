/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "common/oci/spec.h"
#include "common/oci/state.h"
#include "common/protocol/launch.h"
#include "runtime/store/record.h"

/* Lock of the root, held while folders are made and recognised. No id has this character. */
#define ROOT_LOCK "~lock"

#define LOCK_STEP_USEC 20000

StoreEntry *store_entry_free(StoreEntry *entry) {
        if (!entry)
                return NULL;
        if (entry->lock >= 0)
                close(entry->lock);
        if (entry->dir >= 0)
                close(entry->dir);
        free(entry->path);
        free(entry->id);
        free(entry);
        return NULL;
}

static StoreEntry *entry_new(const char *root, const char *id) {
        StoreEntry *entry = xnew(StoreEntry, 1);

        entry->id = xstrdup(id);
        entry->path = path_join(root, id);
        entry->dir = entry->lock = -1;
        return entry;
}

static int open_folder(StoreEntry *entry, Error *err) {
        entry->dir = open(entry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (entry->dir >= 0)
                return 0;
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG)
                return oci_error_not_found(err);
        return error_errno(err, "state folder %s", entry->path);
}

/* 0: locked; EAGAIN: somebody else holds it; ENOENT: the folder is being removed. Positive errno. */
static int try_lock(StoreEntry *entry) {
        cleanup_close int fd = -1;
        struct stat st;

        fd = openat(entry->dir, STATE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno;
        if (fstat(fd, &st) < 0 || st.st_nlink == 0)
                return ENOENT;
        entry->lock = TAKE_FD(fd);
        return 0;
}

int store_lock(StoreEntry *entry, int timeout_ms, Error *err) {
        const struct timespec step = { .tv_nsec = LOCK_STEP_USEC * 1000 };
        uint64_t end = now_usec() + (uint64_t)timeout_ms * 1000;

        if (entry->lock >= 0)
                return 0;
        for (;;) {
                int r = try_lock(entry);

                if (r == 0)
                        return 0;
                if (r == ENOENT)
                        return oci_error_not_found(err);
                if (r != EAGAIN)
                        return error_set(err, r, "lock of container %s: %s", entry->id, strerror(r));
                if (now_usec() >= end)
                        return error_set(err, ETIMEDOUT, "container %s is busy: another command works on it",
                                         entry->id);
                nanosleep(&step, NULL);
        }
}

void store_unlock(StoreEntry *entry) {
        if (entry->lock >= 0)
                close(TAKE_FD(entry->lock));
}

static int lock_root(const char *root, int *ret, Error *err) {
        cleanup_close int fd = -1;
        cleanup_free char *path = path_join(root, ROOT_LOCK);

        if (path_make_directories(AT_FDCWD, root, 0700, err) < 0)
                return -err->code;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_errno(err, "state root %s", root);
        while (flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return error_errno(err, "lock of %s", root);
        *ret = TAKE_FD(fd);
        return 0;
}

static int take_existing(StoreEntry *entry, Error *err) {
        if (open_folder(entry, err) < 0)
                return -err->code;
        if (try_lock(entry) != 0 || record_is_whole(entry->dir))
                return oci_error_exists(err);
        return STORE_STALE;
}

int store_create(const char *root, const char *id, StoreEntry **ret, Error *err) {
        cleanup(store_entry_freep) StoreEntry *entry = entry_new(root, id);
        cleanup_close int root_lock = -1;
        int r;

        r = lock_root(root, &root_lock, err);
        if (r < 0)
                return r;
        if (mkdir(entry->path, 0711) == 0) {
                r = open_folder(entry, err);
                if (r < 0)
                        return r;
                r = try_lock(entry);
                if (r != 0)
                        return error_set(err, r, "lock of container %s: %s", id, strerror(r));
                r = STORE_OK;
        } else if (errno == EEXIST) {
                r = take_existing(entry, err);
                if (r < 0)
                        return r;
        } else {
                return error_errno(err, "state folder %s", entry->path);
        }
        *ret = TAKE_PTR(entry);
        return r;
}

int store_take_stale(const char *root, const char *id, StoreEntry **ret, Error *err) {
        cleanup(store_entry_freep) StoreEntry *entry = entry_new(root, id);
        cleanup_error Error none = { 0 };
        cleanup_close int root_lock = -1;
        int r;

        /* not of a folder that is just being made */
        r = lock_root(root, &root_lock, err);
        if (r < 0)
                return r;
        if (open_folder(entry, &none) < 0 || try_lock(entry) != 0 || record_is_whole(entry->dir))
                return STORE_OK;
        *ret = TAKE_PTR(entry);
        return STORE_STALE;
}

bool store_is_busy(const char *root, const char *id) {
        cleanup(store_entry_freep) StoreEntry *entry = entry_new(root, id);
        cleanup_error Error none = { 0 };
        cleanup_close int root_lock = -1;

        /* whoever makes a folder is not to find it locked by us */
        if (open_folder(entry, &none) < 0 || lock_root(root, &root_lock, &none) < 0)
                return false;
        return try_lock(entry) == EAGAIN;
}

int store_open(const char *root, const char *id, StoreEntry **ret, Error *err) {
        cleanup(store_entry_freep) StoreEntry *entry = NULL;
        int r;

        r = oci_check_id(id, err);
        if (r < 0)
                return r;
        entry = entry_new(root, id);
        r = open_folder(entry, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(entry);
        return 0;
}

int store_remove(StoreEntry *entry, Error *err) {
        return path_remove_tree(AT_FDCWD, entry->path, err);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int store_list(const char *root, char ***ret, Error *err) {
        cleanup_strv char **ids = NULL;
        struct dirent *item;
        DIR *dir = opendir(root);

        if (!dir && errno == ENOENT) {
                *ret = NULL;
                return 0;
        }
        if (!dir)
                return error_errno(err, "state root %s", root);
        while ((item = readdir(dir))) {
                cleanup_error Error bad = { 0 };

                if ((item->d_type == DT_DIR || item->d_type == DT_UNKNOWN) &&
                    oci_check_id(item->d_name, &bad) >= 0)
                        strv_append(&ids, item->d_name);
        }
        closedir(dir);
        if (ids)
                qsort(ids, strv_length(ids), sizeof(*ids), compare_names);
        *ret = TAKE_PTR(ids);
        return 0;
}
