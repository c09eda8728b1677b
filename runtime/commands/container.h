/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A container that exists, as commands see it: its folder, its record, and what state it is in just now. */

#include "common/base/cleanup.h"
#include "common/oci/spec.h"
#include "common/oci/state.h"
#include "runtime/commands/command.h"
#include "runtime/store/record.h"
#include "runtime/store/store.h"

#define LOCK_TIMEOUT_MS 10000

typedef struct Container {
        StoreEntry *entry;
        Record *record;
        ShimStatus shim; /* what the shim last said; zero when nothing */
        OciStatus status;
} Container;

/* ENOENT "container does not exist". */
int container_open(const Globals *globals, const char *id, Container **ret, Error *err);
Container *container_free(Container *container);
DEFINE_CLEANUP(Container *, container_free);

/* Takes the lock, and looks again at what may have changed before. */
int container_lock(Container *container, Error *err);
/* An existing container for an operation that changes it: its state allows it, and it is locked. */
int container_open_locked(const Globals *globals, const char *id, OciOperation operation, Container **ret,
                          Error *err);
/* Looks again at record and status. */
int container_refresh(Container *container, Error *err);

/* The document of `state`; HOOK: as hooks get it (compact, without the fields that only runc has). Owned by the
 * caller. */
char *container_state_text(const Container *container, bool hook);

/* config.json as it was at create. */
int container_spec(const Container *container, OciSpec **ret, Error *err);
int container_spec_tree(const Container *container, Json **ret, Error *err);

/* R is the result of a request to the shim: one that has hung up means that the container has ended meanwhile. */
int container_check_answer(int r, Error *err);

/* A pidfd of the shim; ESRCH when it is gone. */
int container_open_shim(const Container *container, Error *err);

/* ---- ends ---- */

/* Sends a signal the way `kill` does; the state was checked. SIGKILL reaches also a container that does not react. */
int container_kill(Container *container, int signal_, bool all, Error *err);

/* Kills the shim, and with it everything, and waits for it. */
int container_kill_shim(Container *container, Error *err);

/* Removes everything of a container whose shim is gone: cgroups, state folder; then its poststop hooks run. The lock is
 * held. FORCE: goes on where something cannot be removed. */
int container_destroy(Container *container, bool force, Error *err);

/* Kills the shim that listens in the folder, when the record does not say which that is. */
void entry_kill_shim(StoreEntry *entry);

/* What an interrupted create left in its folder, without a container having come of it. The lock is held. */
int entry_sweep(StoreEntry *entry, Error *err);

/* Runs hooks of one kind (from the spec) on the host; NAMESPACES_OF as in hooks.h. */
int container_run_hooks(const Container *container, const char *name, const OciHook *hooks, size_t n_hooks,
                        int namespaces_of, Error *err);
