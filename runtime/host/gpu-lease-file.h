/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * GPU_LEASE_FOLDER: ADDRESS.json, a lease (runtime/gpu/lease.h), readable to everybody, replaced as a whole. Its lock
 * decides who gets a function; the lock of one function keeps those apart who give it back, which may take a while.
 */

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "runtime/gpu/lease.h"

typedef struct LeaseFolder {
        int dir;
        int lock; /* -1: not held */
} LeaseFolder;

#define LEASE_FOLDER_NONE                                                                                    \
        { -1, -1 }

/* Makes the folder when it is not there. */
int lease_folder_open(int root, LeaseFolder *ret, Error *err);
void lease_folder_done(LeaseFolder *folder);
#define cleanup_lease_folder cleanup(lease_folder_done)

/* Waits at most TIMEOUT_MS (ETIMEDOUT). */
int lease_folder_lock(LeaseFolder *folder, int timeout_ms, Error *err);
void lease_folder_unlock(LeaseFolder *folder);

/* The lock of one function, held while the descriptor is open. */
int lease_lock(const LeaseFolder *folder, const char *address, int timeout_ms, int *ret, Error *err);

/* *RET is zeroed first, and to be cleared. ENOENT: there is none. */
int lease_read(const LeaseFolder *folder, const char *address, GpuLease *ret, Error *err);
int lease_write(const LeaseFolder *folder, const GpuLease *lease, Error *err);
/* One that is not there is no error. */
int lease_remove(const LeaseFolder *folder, const char *address, Error *err);

/* Removes what writers have left that were killed before they could put a lease into its place. */
void lease_sweep(const LeaseFolder *folder);

/* Addresses of all, sorted (Strv). */
int lease_list(const LeaseFolder *folder, char ***ret, Error *err);

/* The moment, as GpuLease.since. Owned by the caller. */
char *lease_now(void);

static inline void lease_done(GpuLease *lease) {
        json_clear(gpu_lease_fields, lease);
}
#define cleanup_lease cleanup(lease_done)
