/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Devices and the containers that have them, as commands see it: runtime/host/gpu-lease.h with the state folders. */

#include "runtime/host/gpu-lease.h"

/* This host. To be closed with gpu_host_done(). */
int gpu_host_open(VfioHost *ret, Error *err);
void gpu_host_done(VfioHost *host);
#define cleanup_gpu_host cleanup(gpu_host_done)
#define GPU_HOST_NONE                                                                                        \
        { .root = -1 }

/* GpuHolderLivesFn: its shim lives, or a command works on its folder. */
bool gpu_holder_lives(const char *root, const char *id, void *user);

/* Takes functions for a container whose folder is locked and open as STATE_DIR: see gpu_acquire(). */
int gpu_take(const GpuChoice *choice, const char *root, const char *id, int state_dir, Error *err);

/* JournalKind of GPU_JOURNAL. A device that does not come back is in quarantine, which is logged as a warning and holds
 * up nobody. */
int gpu_release_journal(const Json *entry, Error *err);

/* Gives back what dead containers have; what became of each is logged: what could not be given back as a warning, and
 * whoever wants that device is refused by its lease. To be done before devices are looked at for a container. */
void gpu_reclaim_left(void);

/* LaunchPlan.last_act for those functions. Owned by the caller (Strv). */
char **gpu_last_act(const GpuChoice *choice);

/* `carrel gpu release`: all of ARGS. The exit status, or an error: the first; the others are logged. */
int gpu_release_command(char *const *args, bool force, Error *err);
