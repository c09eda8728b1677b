/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * State on disk: <root>/<id>, one folder a container, which lives from `create` to `delete`. Making the folder is what
 * decides between two creates of one id; the lock in it (flock) keeps commands that change a container apart. A folder
 * is whole once its record says so; what an interrupted create left behind is recognised and handed out as stale.
 */

#include <stdbool.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

typedef struct StoreEntry {
        char *id;
        char *path; /* absolute */
        int dir;    /* the folder */
        int lock;   /* holds the lock while open; -1: not locked */
} StoreEntry;

StoreEntry *store_entry_free(StoreEntry *entry); /* releases the lock */
DEFINE_CLEANUP(StoreEntry *, store_entry_free);

typedef enum StoreResult {
        STORE_OK,
        STORE_STALE, /* entry of a create that did not get to its end; locked, to be cleaned and removed */
} StoreResult;

/* Makes the folder, mode 0711, and locks it. EEXIST "container with given ID already exists". */
int store_create(const char *root, const char *id, StoreEntry **ret, Error *err);

/* What an interrupted create left under that id: STORE_STALE, locked; STORE_OK: nothing of that kind, *ret is untouched. */
int store_take_stale(const char *root, const char *id, StoreEntry **ret, Error *err);

/* Whether a command works on that folder just now (it is locked). */
bool store_is_busy(const char *root, const char *id);

/* ENOENT "container does not exist". */
int store_open(const char *root, const char *id, StoreEntry **ret, Error *err);

/* Waits at most TIMEOUT_MS for the lock: ETIMEDOUT. ENOENT when the container was deleted meanwhile. */
int store_lock(StoreEntry *entry, int timeout_ms, Error *err);

void store_unlock(StoreEntry *entry);

/* Removes the folder with all that is in it. The lock is held. */
int store_remove(StoreEntry *entry, Error *err);

/* Ids of all folders, sorted (Strv); a root that does not exist is empty. */
int store_list(const char *root, char ***ret, Error *err);
