/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/gpu-lease.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "runtime/host/client.h"
#include "runtime/host/host-root.h"
#include "runtime/store/process.h"
#include "runtime/store/record.h"
#include "runtime/store/store.h"

#define PATH_BYTES 4096U

int gpu_host_open(VfioHost *ret, Error *err) {
        int root = host_root_open("/", err);

        if (root < 0)
                return root;
        *ret = (VfioHost){ .root = root, .timeout_ms = VFIO_TIMEOUT_MS };
        return 0;
}

void gpu_host_done(VfioHost *host) {
        close_descriptor(&host->root);
        host->root = -1;
}

/* ---- who lives ---- */

static bool shim_lives(const StoreEntry *entry) {
        cleanup(record_freep) Record *record = NULL;
        cleanup(client_freep) Client *client = NULL;
        cleanup_error Error ignored = { 0 };

        if (record_read(entry->dir, &record, &ignored) >= 0 && record->pid > 0)
                return process_is_alive((pid_t)record->pid, record->pid_start);
        /* one that was started and not written down */
        return client_connect(entry->dir, &client, &ignored) >= 0;
}

bool gpu_holder_lives(const char *root, const char *id, void *user) {
        cleanup(store_entry_freep) StoreEntry *entry = NULL;
        cleanup_error Error gone = { 0 };

        (void)user;
        if (store_open(root, id, &entry, &gone) < 0)
                return gone.code != ENOENT;
        /* in this order: a create writes the process down before it lets go of the lock */
        return shim_lives(entry) || store_is_busy(root, id) || shim_lives(entry);
}

/* ---- for create and delete ---- */

int gpu_take(const GpuChoice *choice, const char *root, const char *id, int state_dir, Error *err) {
        const GpuHolder holder = { .id = id, .root = root, .state_dir = state_dir };
        cleanup_gpu_host VfioHost host = GPU_HOST_NONE;
        int r = gpu_host_open(&host, err);

        return r < 0 ? r : gpu_acquire(&host, choice, &holder, err);
}

int gpu_release_journal(const Json *entry, Error *err) {
        cleanup_gpu_host VfioHost host = GPU_HOST_NONE;
        cleanup_free char *note = NULL;
        int r = gpu_host_open(&host, err);

        if (r >= 0)
                r = gpu_release_entry(&host, entry, &note, err);
        if (r < 0)
                return r;
        if (r == GPU_QUARANTINED)
                log_warning("%s", note);
        return 0;
}

void gpu_reclaim_left(void) {
        cleanup_gpu_host VfioHost host = GPU_HOST_NONE;
        cleanup_strv char **notes = NULL;
        cleanup_error Error failed = { 0 };

        if (gpu_host_open(&host, &failed) < 0 ||
            gpu_reclaim(&host, gpu_holder_lives, NULL, &notes, &failed) < 0)
                log_warning("%s", failed.message);
        STRV_FOR_EACH (note, notes)
                log_info("%s", *note);
}

/* ---- by hand, and by the shim ---- */

char **gpu_last_act(const GpuChoice *choice) {
        char self[PATH_BYTES];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char **argv = NULL;

        if (n <= 0)
                return NULL;
        self[n] = '\0';
        strv_append(&argv, self);
        strv_append(&argv, "gpu");
        strv_append(&argv, "release");
        for (size_t i = 0; i < choice->n_slots; i++)
                for (size_t j = 0; j < choice->slots[i].n_functions; j++)
                        strv_append(&argv, choice->slots[i].functions[j]->address);
        return argv;
}

static int release_one(const VfioHost *host, const char *name, bool force, Error *err) {
        cleanup_free char *shown = str_printable(name, strlen(name), 64), *note = NULL;
        char address[PCI_ADDRESS_SIZE];
        GpuRelease release = { .address = address, .force = force, .lives = gpu_holder_lives };
        PciAddress parsed;
        int r;

        if (!pci_address_parse(name, &parsed))
                return error_set(err, EINVAL,
                                 "gpu release: expected a PCI address (0000:65:00.0), found \"%s\"", shown);
        pci_address_format(&parsed, address);
        r = gpu_release(host, &release, &note, err);
        if (r == GPU_QUARANTINED)
                return error_set(err, EIO, "%s", note);
        if (r >= 0)
                printf("%s\n", note);
        return r < 0 ? r : 0;
}

int gpu_release_command(char *const *args, bool force, Error *err) {
        cleanup_gpu_host VfioHost host = GPU_HOST_NONE;
        int r = gpu_host_open(&host, err);

        if (r < 0)
                return r;
        if (!args || !*args)
                return error_set(err, EINVAL,
                                 "gpu release: expected PCI addresses (carrel gpu list shows them)");
        STRV_FOR_EACH (name, args) {
                cleanup_error Error failed = { 0 };

                if (release_one(&host, *name, force, &failed) >= 0)
                        continue;
                if (err->code)
                        log_error("%s", err->message);
                error_move(err, &failed);
        }
        return -err->code;
}
