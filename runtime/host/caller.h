/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whose carrel this is. Root's makes containers with root's rights. Anybody else's enters a user namespace in which
 * the user is root, and makes them there ("rootless"): what shim, QEMU and virtiofsd can reach on the host is what
 * the user can. A caller that is in such a namespace already (podman's, `unshare -r`) stays in it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

typedef struct Caller {
        bool rootless;
        uint32_t uid,
                gid; /* the ids that are 0 in a namespace made here, which has no others; 0: none is made */
} Caller;

Caller caller_look(void);

/* Enters the user namespace if there is to be one. Only for a process of one thread. */
int caller_become_root(const Caller *caller, Error *err);

/* The folder of state of a caller who names none: /run/carrel, or a user's own below $XDG_RUNTIME_DIR. Owned by the
 * caller of the function. */
char *caller_default_root(void);

/*
 * Who can write the state of containers says what is to be killed and removed; so what root is told to do with the state
 * of another is done as that other (Slurm cleans up as root after jobs of users), and others touch only their own (EPERM).
 * ROOT: folder of state, may be missing.
 */
int caller_act_for_owner(const char *root, Error *err);
