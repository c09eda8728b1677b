/* SPDX-License-Identifier: Apache-2.0 */

/* The way back: see gpu-lease.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/host/gpu-lease-file.h"
#include "runtime/host/gpu-lease-private.h"
#include "runtime/host/gpu-lease.h"
#include "runtime/host/host-root.h"

/* How many times as long as one step the lock of a function is waited for: so many steps a way back has. */
#define STEPS 4

int gpu_quarantine(const LeaseFolder *folder, const GpuLease *lease, const char *reason, Error *err) {
        cleanup_free char *words = xstrdup(reason), *since = lease_now();
        GpuLease copy = *lease;

        copy.id = copy.root = NULL;
        copy.quarantine = words;
        copy.since = since;
        return lease_write(folder, &copy, err);
}

/* ---- one function ---- */

static bool is_there(const VfioHost *host, const char *address) {
        cleanup_free char *driver = NULL;
        cleanup_error Error ignored = { 0 };

        return vfio_driver(host, address, &driver, &ignored) >= 0;
}

/* One that no driver of the host has: awake, reset, and sane. */
static int bring_to_senses(const VfioHost *host, const char *address, bool guest_had_it, Error *err) {
        cleanup_free char *methods = NULL;
        int r = vfio_wake(host, address, err);

        if (r >= 0 && guest_had_it)
                r = vfio_reset(host, address, &methods, err);
        return r < 0 ? r : vfio_check_sane(host, address, err);
}

/* EBUSY: a process has it open, nothing was done. */
static int put_back(const VfioHost *host, const GpuLease *lease, Error *err) {
        cleanup_free char *driver = NULL, *now = NULL;
        const char *address = lease->address;
        bool ours;
        int r = vfio_driver(host, address, &driver, err);

        if (r < 0)
                return r;
        ours = streq(driver, VFIO_DRIVER);
        if (ours) {
                cleanup_free char *users = vfio_users(host, address);

                if (users)
                        return error_set(err, EBUSY, "it cannot be given back: %s", users);
        }
        if (ours || !*driver)
                r = bring_to_senses(host, address, ours, err);
        if (r >= 0)
                r = vfio_set_override(host, address, lease->driver_override, err);
        if (r >= 0 && ours && !streq(lease->driver, VFIO_DRIVER))
                r = vfio_unbind(host, address, VFIO_DRIVER, err);
        /* what was begun by one who died may have come to its end meanwhile */
        if (r >= 0)
                r = vfio_driver(host, address, &now, err);
        if (r >= 0 && !*now && lease->driver)
                r = vfio_bind(host, address, lease->driver, err);
        if (r >= 0 && lease->power)
                r = vfio_set_power(host, address, lease->power, err);
        return r;
}

static char *say_returned(const VfioHost *host, const GpuLease *lease) {
        cleanup_free char *driver = NULL;
        cleanup_error Error gone = { 0 };

        if (vfio_driver(host, lease->address, &driver, &gone) < 0)
                return xasprintf("gpu %s: the host has no such device any more", lease->address);
        if (!*driver)
                return xasprintf("gpu %s: given back, without a driver", lease->address);
        return xasprintf("gpu %s: given back to %s", lease->address, driver);
}

/* The function's lock is held, and nobody living has it. */
static int finish(const VfioHost *host, const LeaseFolder *folder, const GpuLease *lease, char **ret_note,
                  Error *err) {
        cleanup_error Error failed = { 0 };
        int r = put_back(host, lease, &failed);

        if (r == -EBUSY) {
                error_move(err, &failed);
                return error_prefix(err, "gpu %s", lease->address);
        }
        if (r < 0 && is_there(host, lease->address)) {
                r = gpu_quarantine(folder, lease, failed.message, err);
                if (r < 0)
                        return r;
                *ret_note = xasprintf(
                        "gpu %s: in quarantine: %s; look at it, then: carrel gpu release --force %s",
                        lease->address, failed.message, lease->address);
                return GPU_QUARANTINED;
        }
        r = lease_remove(folder, lease->address, err);
        if (r < 0)
                return r;
        *ret_note = say_returned(host, lease);
        return GPU_RETURNED;
}

/* ---- of a container ---- */

/* There is no lease: 1. */
static int open_lease(const VfioHost *host, const LeaseFolder *folder, const char *address, int *ret_lock,
                      GpuLease *ret, Error *err) {
        int r = lease_lock(folder, address, host->timeout_ms * STEPS, ret_lock, err);

        if (r < 0)
                return r;
        r = lease_read(folder, address, ret, err);
        if (r != -ENOENT)
                return r;
        error_clear(err);
        return 1;
}

int gpu_return(const VfioHost *host, const char *address, const GpuHolder *holder, char **ret_note,
               Error *err) {
        cleanup_lease_folder LeaseFolder folder = LEASE_FOLDER_NONE;
        cleanup_lease GpuLease lease = { 0 };
        cleanup_close int lock = -1;
        int r = lease_folder_open(host->root, &folder, err);

        if (r < 0)
                return r;
        lease_sweep(&folder);
        r = open_lease(host, &folder, address, &lock, &lease, err);
        if (r < 0)
                return r;
        if (r > 0 || !streq(lease.id, holder->id) || !streq(lease.root, holder->root))
                return GPU_NOT_LEASED;
        return finish(host, &folder, &lease, ret_note, err);
}

int gpu_release_entry(const VfioHost *host, const Json *entry, char **ret_note, Error *err) {
        const GpuHolder holder = { .id = json_string(json_get(entry, "id")),
                                   .root = json_string(json_get(entry, "root")),
                                   .state_dir = -1 };
        const char *address = json_string(json_get(entry, "address"));
        PciAddress parsed;

        if (!address || !holder.id || !holder.root || !pci_address_parse(address, &parsed))
                return GPU_NOT_LEASED;
        return gpu_return(host, address, &holder, ret_note, err);
}

/* ---- of dead containers ---- */

typedef struct Left {
        LeaseFolder folder;
        char **addresses; /* of all leases */
} Left;

static void left_done(Left *left) {
        lease_folder_done(&left->folder);
        strv_free(left->addresses);
}

static int left_open(const VfioHost *host, Left *ret, Error *err) {
        cleanup_close int there = host_root_open_file(host->root, GPU_LEASE_FOLDER, O_PATH | O_DIRECTORY);
        int r;

        if (there < 0)
                return 0;
        r = lease_folder_open(host->root, &ret->folder, err);
        return r < 0 ? r : lease_list(&ret->folder, &ret->addresses, err);
}

static bool is_left(const GpuLease *lease, GpuHolderLivesFn lives, void *user) {
        return !lease->quarantine && lease->id && lease->root && !lives(lease->root, lease->id, user);
}

static int reclaim_one(const VfioHost *host, const LeaseFolder *folder, const char *address,
                       const GpuRelease *how, char ***notes, Error *err) {
        cleanup_lease GpuLease lease = { 0 };
        cleanup_free char *note = NULL;
        cleanup_close int lock = -1;
        int r = open_lease(host, folder, address, &lock, &lease, err);

        if (r < 0)
                return r;
        if (r > 0 || !is_left(&lease, how->lives, how->user))
                return 0;
        r = finish(host, folder, &lease, &note, err);
        if (r < 0)
                return r;
        strv_printf(notes, "%s (container %s had it)", note, lease.id);
        return 0;
}

int gpu_reclaim(const VfioHost *host, GpuHolderLivesFn lives, void *user, char ***notes, Error *err) {
        const GpuRelease how = { .lives = lives, .user = user };
        cleanup(left_done) Left left = { LEASE_FOLDER_NONE, NULL };
        int r = left_open(host, &left, err);

        if (r < 0)
                return r;
        if (left.folder.dir >= 0)
                lease_sweep(&left.folder);
        STRV_FOR_EACH (address, left.addresses) {
                cleanup_error Error failed = { 0 };

                if (reclaim_one(host, &left.folder, *address, &how, notes, &failed) < 0 && !err->code)
                        error_move(err, &failed);
        }
        return -err->code;
}

int gpu_find_left(const VfioHost *host, GpuHolderLivesFn lives, void *user, char ***addresses, char ***lines,
                  Error *err) {
        cleanup(left_done) Left left = { LEASE_FOLDER_NONE, NULL };
        int r = left_open(host, &left, err);

        if (r < 0)
                return r;
        STRV_FOR_EACH (address, left.addresses) {
                cleanup_lease GpuLease lease = { 0 };
                cleanup_error Error ignored = { 0 };

                if (lease_read(&left.folder, *address, &lease, &ignored) < 0 || !is_left(&lease, lives, user))
                        continue;
                strv_append(addresses, *address);
                if (lines)
                        strv_printf(lines, "gpu %s: container %s had it and has gone", *address, lease.id);
        }
        return 0;
}

void gpu_mark_left(const VfioHost *host, GpuHolderLivesFn lives, void *user, GpuFacts *facts) {
        cleanup_strv char **addresses = NULL;
        cleanup_error Error ignored = { 0 };

        if (gpu_find_left(host, lives, user, &addresses, NULL, &ignored) < 0)
                return;
        for (size_t i = 0; i < facts->n_devices; i++) {
                PciDevice *d = &facts->devices[i];

                if (d->holder && strv_contains(addresses, d->address))
                        d->left_by = TAKE_PTR(d->holder);
        }
}

/* ---- by hand ---- */

static int refuse_release(const GpuRelease *release, const GpuLease *lease, Error *err) {
        if (lease->id && lease->root && release->lives(lease->root, lease->id, release->user))
                return error_set(err, EBUSY,
                                 "container %s has it: end that container (carrel delete --force %s)",
                                 lease->id, lease->id);
        if (lease->quarantine && !release->force)
                return error_set(err, EBUSY,
                                 "it is in quarantine: %s; look at it, then: carrel gpu release --force %s",
                                 lease->quarantine, lease->address);
        return 0;
}

/* Once more; then off the bus and on again. What is sane and only lacks its driver is good enough. */
static int force(const VfioHost *host, const LeaseFolder *folder, const GpuLease *lease, char **ret_note,
                 Error *err) {
        cleanup_error Error sane = { 0 };
        int r = put_back(host, lease, err);

        if (r < 0 && r != -EBUSY && r != -ETIMEDOUT) {
                cleanup_free char *first = xstrdup(err->message);

                r = vfio_rescan(host, lease->address, err);
                if (r >= 0)
                        r = put_back(host, lease, err);
                if (r < 0)
                        error_prefix(err, "%s; after it was taken off the bus and found again", first);
        }
        if (r == -ENODEV &&
            (!is_there(host, lease->address) || vfio_check_sane(host, lease->address, &sane) >= 0)) {
                r = lease_remove(folder, lease->address, &sane);
                *ret_note = xasprintf("gpu %s: out of quarantine, but %s", lease->address, err->message);
                error_clear(err);
                return r < 0 ? error_move(err, &sane) : GPU_RETURNED;
        }
        if (r == -EBUSY)
                return r;
        if (r < 0) {
                gpu_quarantine(folder, lease, err->message, &sane);
                return error_prefix(err, "it stays in quarantine");
        }
        r = lease_remove(folder, lease->address, err);
        if (r >= 0)
                *ret_note = say_returned(host, lease);
        return r < 0 ? r : GPU_RETURNED;
}

int gpu_release(const VfioHost *host, const GpuRelease *release, char **ret_note, Error *err) {
        cleanup_lease_folder LeaseFolder folder = LEASE_FOLDER_NONE;
        cleanup_lease GpuLease lease = { 0 };
        cleanup_close int lock = -1;
        int r = lease_folder_open(host->root, &folder, err);

        if (r >= 0)
                r = open_lease(host, &folder, release->address, &lock, &lease, err);
        if (r > 0)
                r = error_set(err, ENOENT, "nobody has it: no container, and it is not in quarantine");
        if (r >= 0)
                r = refuse_release(release, &lease, err);
        if (r >= 0 && release->force)
                r = force(host, &folder, &lease, ret_note, err);
        if (r < 0)
                return error_prefix(err, "gpu %s", release->address);
        return release->force ? r : finish(host, &folder, &lease, ret_note, err);
}
