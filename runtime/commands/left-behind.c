/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/left-behind.h"

#include "runtime/commands/container.h"
#include "runtime/commands/gpu-lease.h"
#include "runtime/host/caller.h"

typedef int (*FolderFn)(StoreEntry *entry, char ***lines, Error *err);

static int name_folder(StoreEntry *entry, char ***lines, Error *err) {
        (void)err;
        strv_printf(lines, "container %s: an interrupted create left %s", entry->id, entry->path);
        return 0;
}

static int sweep_folder(StoreEntry *entry, char ***lines, Error *err) {
        entry_kill_shim(entry);
        if (entry_sweep(entry, err) < 0)
                return error_prefix(err, "container %s", entry->id);
        strv_printf(lines, "container %s: what an interrupted create left is removed", entry->id);
        return 0;
}

static int each_folder(const char *root, FolderFn fn, char ***lines, Error *err) {
        cleanup_strv char **ids = NULL;

        /* looking whether a folder is in use takes a lock in it */
        if (caller_act_for_owner(root, err) < 0 || store_list(root, &ids, err) < 0)
                return -err->code;
        STRV_FOR_EACH (id, ids) {
                cleanup(store_entry_freep) StoreEntry *entry = NULL;
                cleanup_error Error failed = { 0 };
                int r = store_take_stale(root, *id, &entry, &failed);

                if (r == STORE_STALE)
                        r = fn(entry, lines, &failed);
                if (r < 0 && !err->code)
                        error_move(err, &failed);
        }
        return -err->code;
}

void left_find(const Globals *globals, char ***lines) {
        cleanup_gpu_host VfioHost host = GPU_HOST_NONE;
        cleanup_strv char **addresses = NULL;
        cleanup_error Error ignored = { 0 };

        each_folder(globals->root, name_folder, lines, &ignored);
        error_clear(&ignored);
        if (gpu_host_open(&host, &ignored) >= 0)
                gpu_find_left(&host, gpu_holder_lives, NULL, &addresses, lines, &ignored);
}

int left_repair(const Globals *globals, char ***lines, Error *err) {
        cleanup_gpu_host VfioHost host = GPU_HOST_NONE;
        cleanup_error Error failed = { 0 };

        each_folder(globals->root, sweep_folder, lines, err);
        if (gpu_host_open(&host, &failed) >= 0)
                gpu_reclaim(&host, gpu_holder_lives, NULL, lines, &failed);
        if (failed.code && !err->code)
                error_move(err, &failed);
        return -err->code;
}
