/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who has a device: taking functions for a container, and giving them back.
 *
 * What is written down. Before anything is done to a function its lease is there (runtime/gpu/lease.h): who has it, and all
 * that has to be known to put it back. It goes when the function is as it was, and not before. The container's
 * journal gets an entry of kind "gpu" before each step, too: `delete` gives back what is in it. So a lease whose
 * container has gone, or has ended, is what somebody could not finish, and anybody may: the next create that wants a
 * device does, `carrel gpu release`, `carrel doctor --repair`, and the shim, whose last act this is when its boss died
 * (LaunchPlan.last_act).
 *
 * Putting back looks at what there is and not at which step came last, so it may be begun again at any point. It never
 * touches a function that a driver of the host has: a reset is for one that vfio-pci has.
 *
 * A function that does not come back as it was goes into quarantine: a lease without a container, with the reason. Its
 * container is deleted all the same. Until `carrel gpu release --force` nobody gets it, and it stays with vfio-pci
 * or without a driver.
 */

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "runtime/gpu/select.h"
#include "runtime/host/vfio.h"

/* Kind of the journal's entries: address, id, root, step, driver, driverOverride, power. */
#define GPU_JOURNAL "gpu"

typedef struct GpuHolder {
        const char *id;   /* of the container */
        const char *root; /* --root, absolute */
        int state_dir;    /* its state folder, locked by us: the journal is in it */
} GpuHolder;

/*
 * Takes all functions of the choice and binds them to vfio-pci, or none: what fails half-way is put back. EBUSY: another
 * container has one of them, it is in quarantine, or in use by processes; the line names them. ETIMEDOUT: its driver does
 * not let go; that function is in quarantine then. To be called by one who holds the lock of the container's folder, and
 * undone by gpu_release_entry() from its journal.
 */
int gpu_acquire(const VfioHost *host, const GpuChoice *choice, const GpuHolder *holder, Error *err);

typedef enum GpuReturned {
        GPU_NOT_LEASED, /* nothing to be done, and no note */
        GPU_RETURNED,
        GPU_QUARANTINED,
} GpuReturned;

/*
 * Gives back ADDRESS if the container has it (HOLDER without its folder); QEMU has ended. *RET_NOTE, owned by the caller, is one line that says
 * what became of it ("gpu 0000:65:00.0: given back to snd_hda_intel"). A GpuReturned; EBUSY: a process has the
 * device open, and nothing was done.
 */
int gpu_return(const VfioHost *host, const char *address, const GpuHolder *holder, char **ret_note,
               Error *err);

/* The same for an entry of a journal. */
int gpu_release_entry(const VfioHost *host, const Json *entry, char **ret_note, Error *err);

/* Whether a container may still use its devices: its process lives, or a command works on it. */
typedef bool (*GpuHolderLivesFn)(const char *root, const char *id, void *user);

/* Gives back all that dead containers have. A line for each is added to *NOTES; with an error the first failure, after
 * all were tried. A host without leases is left without a folder for them. */
int gpu_reclaim(const VfioHost *host, GpuHolderLivesFn lives, void *user, char ***notes, Error *err);

/* What gpu_reclaim() would give back: addresses, and with LINES (which may be NULL) one for each. */
int gpu_find_left(const VfioHost *host, GpuHolderLivesFn lives, void *user, char ***addresses, char ***lines,
                  Error *err);

/* In FACTS: a device whose holder does not live is one that was left behind. */
void gpu_mark_left(const VfioHost *host, GpuHolderLivesFn lives, void *user, GpuFacts *facts);

typedef struct GpuRelease {
        const char *address;
        bool force; /* out of quarantine, too */
        GpuHolderLivesFn lives;
        void *user;
} GpuRelease;

/*
 * `carrel gpu release`: gives back what a dead container has. FORCE: tries once more what failed, then takes the function
 * off the bus and has it found again; the quarantine ends when the function is sane, even if its driver does not take
 * it. ENOENT: nobody has it; EBUSY: a living container has it, or it is in quarantine. *RET_NOTE as above.
 */
int gpu_release(const VfioHost *host, const GpuRelease *release, char **ret_note, Error *err);
