/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/gpu-lease.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/diagnose.h"
#include "runtime/host/gpu-lease-file.h"
#include "runtime/host/gpu-lease-private.h"
#include "runtime/host/pci.h"
#include "runtime/store/journal.h"

typedef struct Acquisition {
        const VfioHost *host;
        const GpuHolder *holder;
        LeaseFolder folder;
        GpuLease *leases;
        PciDevice *devices; /* what they were when we came */
        size_t count;
        size_t written; /* so many leases are in the folder */
        PciNodes *nodes;
} Acquisition;

static void acquisition_done(Acquisition *a) {
        for (size_t i = 0; i < a->count; i++) {
                lease_done(&a->leases[i]);
                json_clear(pci_device_fields, &a->devices[i]);
        }
        free(a->leases);
        free(a->devices);
        pci_nodes_free(a->nodes);
        lease_folder_done(&a->folder);
}

/* ---- whose it is ---- */

static int refuse_leased(const Acquisition *a, const char *address, Error *err) {
        cleanup_error Error none = { 0 };
        cleanup_lease GpuLease lease = { 0 };
        int r = lease_read(&a->folder, address, &lease, &none);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return error_move(err, &none);
        if (lease.quarantine)
                return error_set(err, EBUSY,
                                 "it is in quarantine: %s; look at it, then: carrel gpu release --force %s",
                                 lease.quarantine, address);
        return error_set(err, EBUSY,
                         "container %s has it; wait for that container to end, or ask for another device",
                         lease.id ? lease.id : "(unknown)");
}

static int look(const Acquisition *a, const char *address, GpuLease *lease, PciDevice *device, Error *err) {
        cleanup_free char *driver = NULL;
        int r = pci_read(a->host->root, address, device, err);

        if (r >= 0)
                r = vfio_driver(a->host, address, &driver, err);
        if (r >= 0)
                r = vfio_override(a->host, address, &lease->driver_override, err);
        if (r < 0)
                return r;
        lease->address = xstrdup(address);
        lease->id = xstrdup(a->holder->id);
        lease->root = xstrdup(a->holder->root);
        lease->driver = *driver ? TAKE_PTR(driver) : NULL;
        lease->power = vfio_power(a->host, address);
        lease->since = lease_now();
        return 0;
}

static int refuse_used(const Acquisition *a, Error *err) {
        pci_nodes_find_users(a->host->root, a->nodes);
        for (size_t i = 0; i < a->count; i++) {
                cleanup_free char *users = gpu_users_to_text(&a->devices[i]);

                if (users)
                        return error_set(err, EBUSY, "gpu %s: it is in use: %s; end that first",
                                         a->leases[i].address, users);
        }
        return 0;
}

static int note_step(const Acquisition *a, const GpuLease *lease, const char *step, Error *err) {
        Json *entry = json_new_object();

        json_set(entry, "address", json_new_string(lease->address));
        json_set(entry, "id", json_new_string(lease->id));
        json_set(entry, "root", json_new_string(lease->root));
        json_set(entry, "step", json_new_string(step));
        if (lease->driver)
                json_set(entry, "driver", json_new_string(lease->driver));
        if (lease->driver_override)
                json_set(entry, "driverOverride", json_new_string(lease->driver_override));
        if (lease->power)
                json_set(entry, "power", json_new_string(lease->power));
        return journal_add(a->holder->state_dir, GPU_JOURNAL, entry, err);
}

/* What a container of the same name had, which was not given back when that ended. */
static int return_own(const VfioHost *host, const GpuChoice *choice, const GpuHolder *holder, Error *err) {
        for (size_t i = 0; i < choice->n_slots; i++)
                for (size_t j = 0; j < choice->slots[i].n_functions; j++) {
                        cleanup_free char *note = NULL;
                        int r = gpu_return(host, choice->slots[i].functions[j]->address, holder, &note, err);

                        if (r < 0)
                                return r;
                }
        return 0;
}

static int reserve(Acquisition *a, const GpuChoice *choice, Error *err) {
        for (size_t i = 0; i < choice->n_slots; i++)
                for (size_t j = 0; j < choice->slots[i].n_functions; j++) {
                        const char *address = choice->slots[i].functions[j]->address;
                        size_t n = a->count++;

                        if (refuse_leased(a, address, err) < 0 ||
                            look(a, address, &a->leases[n], &a->devices[n], err) < 0)
                                return error_prefix(err, "gpu %s", address);
                }
        a->nodes = pci_nodes_collect(a->host->root, a->devices, a->count);
        if (refuse_used(a, err) < 0)
                return -err->code;
        for (; a->written < a->count; a->written++)
                if (note_step(a, &a->leases[a->written], "lease", err) < 0 ||
                    lease_write(&a->folder, &a->leases[a->written], err) < 0)
                        return -err->code;
        return 0;
}

/* ---- to vfio-pci ---- */

/* The driver hangs: all that is asked of the function waits behind it, also the way back. */
static int give_up(const Acquisition *a, size_t n, Error *err) {
        cleanup_error Error failed = { 0 };
        cleanup_free char *users = NULL, *reason = NULL;

        pci_nodes_find_users(a->host->root, a->nodes);
        users = gpu_users_to_text(&a->devices[n]);
        reason = xasprintf("%s%s%s", err->message, users ? ": " : "", users ? users : "");
        if (gpu_quarantine(&a->folder, &a->leases[n], reason, &failed) < 0)
                return error_set(err, ETIMEDOUT, "%s; %s", reason, failed.message);
        return error_set(
                err, ETIMEDOUT,
                "%s%s; it is in quarantine now: when its driver has let go, carrel gpu release --force %s",
                reason, users ? "" : " (no process that has it open can be found; dmesg may say more)",
                a->leases[n].address);
}

static int bind_function(const Acquisition *a, size_t n, Error *err) {
        const GpuLease *lease = &a->leases[n];
        const VfioHost *host = a->host;
        bool bound = streq(lease->driver, VFIO_DRIVER);
        int r;

        r = note_step(a, lease, "power", err);
        if (r >= 0)
                r = vfio_wake(host, lease->address, err);
        if (r >= 0 && !bound)
                r = note_step(a, lease, "override", err);
        if (r >= 0 && !bound)
                r = vfio_set_override(host, lease->address, VFIO_DRIVER, err);
        if (r >= 0 && !bound && lease->driver) {
                r = note_step(a, lease, "unbind", err);
                if (r >= 0)
                        r = vfio_unbind(host, lease->address, lease->driver, err);
        }
        if (r >= 0 && !bound)
                r = note_step(a, lease, "probe", err);
        if (r >= 0 && !bound)
                r = vfio_probe(host, lease->address, err);
        if (r == -ETIMEDOUT)
                r = give_up(a, n, err);
        return r < 0 ? error_prefix(err, "gpu %s", lease->address) : 0;
}

static int bind_all(const Acquisition *a, Error *err) {
        for (size_t i = 0; i < a->count; i++)
                if (bind_function(a, i, err) < 0)
                        return -err->code;
        for (size_t i = 0; i < a->count; i++)
                if (vfio_wait_group(a->host, a->devices[i].group, err) < 0)
                        return error_prefix(err, "gpu %s", a->leases[i].address);
        return 0;
}

/* *err keeps saying why; what does not come back is added to it. */
static void put_all_back(const Acquisition *a, Error *err) {
        for (size_t i = a->written; i > 0; i--) {
                cleanup_error Error failed = { 0 };
                cleanup_free char *note = NULL;
                int r = gpu_return(a->host, a->leases[i - 1].address, a->holder, &note, &failed);

                if (r < 0)
                        error_set(err, err->code, "%s; %s", err->message, failed.message);
                else if (r == GPU_QUARANTINED)
                        error_set(err, err->code, "%s; %s", err->message, note);
        }
}

int gpu_acquire(const VfioHost *host, const GpuChoice *choice, const GpuHolder *holder, Error *err) {
        cleanup(acquisition_done)
                Acquisition a = { .host = host, .holder = holder, .folder = LEASE_FOLDER_NONE };
        size_t n = 0;
        int r;

        for (size_t i = 0; i < choice->n_slots; i++)
                n += choice->slots[i].n_functions;
        a.leases = xnew(GpuLease, n + 1);
        a.devices = xnew(PciDevice, n + 1);
        r = vfio_load(host, err);
        if (r < 0)
                return error_prefix(err, "gpu");
        r = return_own(host, choice, holder, err);
        if (r >= 0)
                r = lease_folder_open(host->root, &a.folder, err);
        if (r >= 0)
                r = lease_folder_lock(&a.folder, host->timeout_ms, err);
        if (r >= 0)
                r = reserve(&a, choice, err);
        lease_folder_unlock(&a.folder);
        if (r >= 0)
                r = bind_all(&a, err);
        if (r < 0)
                put_all_back(&a, err);
        return r;
}
