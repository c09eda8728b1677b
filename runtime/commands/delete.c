/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "runtime/commands/container.h"
#include "runtime/store/process.h"

#define KILLED_TIMEOUT_MS 10000

typedef struct Options {
        bool force;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, force, "force", 'f', OPTION_FLAG), NULL,
          "Kill it if it runs; a container that does not exist is no error" },
        {},
};

/* A folder without a record is one that create is filling (then it is locked), or died while filling. One with a record
 * that cannot be read is somebody's accident; whatever lives there is ended and removed all the same. */
static int delete_remains(const Globals *globals, const char *id, Error *err) {
        cleanup(store_entry_freep) StoreEntry *entry = NULL;
        int r;

        r = store_open(globals->root, id, &entry, err);
        if (r >= 0)
                r = store_lock(entry, LOCK_TIMEOUT_MS, err);
        if (r < 0)
                return r;
        entry_kill_shim(entry);
        return entry_sweep(entry, err);
}

/* The program has ended and the machine is being taken down: that is as good as stopped, in a moment. */
static int wait_for_last_moments(Container *container, Error *err) {
        cleanup_error Error gone = { 0 };
        cleanup_close int pidfd = -1;

        if (container->status == OCI_STOPPED || !streq(container->shim.status, "stopped"))
                return 0;
        pidfd = container_open_shim(container, &gone);
        if (pidfd >= 0)
                process_wait(pidfd, LOCK_TIMEOUT_MS);
        return container_refresh(container, err);
}

/* What the guest still has to write is lost when it is killed from outside (dirty pages of mapped files, of block devices). So its
 * program is killed first, and given as long to go as runc gives it. */
static void kill_program(Container *container) {
        cleanup_error Error ignored = { 0 };
        cleanup_close int pidfd = -1;

        if (container->status != OCI_RUNNING && container->status != OCI_PAUSED)
                return;
        pidfd = container_open_shim(container, &ignored);
        if (pidfd >= 0 && container_kill(container, SIGKILL, false, &ignored) >= 0)
                process_wait(pidfd, KILLED_TIMEOUT_MS);
}

static int delete_container(Container *container, bool force, Error *err) {
        OciOperation operation = force ? OCI_DELETE_FORCE : OCI_DELETE;
        int r;

        r = wait_for_last_moments(container, err);
        if (r >= 0)
                r = oci_check_operation(container->status, operation, container->entry->id, err);
        /* a create under way holds the lock until its shim is gone */
        if (r >= 0 && force) {
                kill_program(container);
                r = container_kill_shim(container, err);
        }
        if (r >= 0)
                r = container_lock(container, err);
        /* the state may have changed while we waited */
        if (r >= 0)
                r = oci_check_operation(container->status, operation, container->entry->id, err);
        if (r >= 0)
                r = container_kill_shim(container, err);
        return r < 0 ? r : container_destroy(container, force, err);
}

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup(container_freep) Container *container = NULL;
        int r;

        r = container_open(call->globals, call->args[0], &container, err);
        if (r >= 0) {
                r = delete_container(container, given->force, err);
        } else if (given->force) {
                error_clear(err);
                r = delete_remains(call->globals, call->args[0], err);
        }
        if (r == -ENOENT && given->force) {
                error_clear(err);
                return 0;
        }
        return r;
}

const Command command_delete = {
        .name = "delete",
        .args = "ID",
        .summary = "Remove a container that has stopped, and everything that is held for it",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
