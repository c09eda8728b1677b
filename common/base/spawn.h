/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Starting a child with exactly the descriptors, namespaces and identity it is meant to have. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

typedef struct SpawnFd {
        int fd;     /* ours */
        int target; /* the child's number; -1 as fd: /dev/null */
} SpawnFd;

typedef struct SpawnSpec {
        char *const *argv;  /* argv[0] is looked up on PATH unless it has a slash */
        char *const *env;   /* NULL: ours */
        const SpawnFd *fds; /* every other descriptor is closed; 0, 1, 2 default to /dev/null */
        size_t n_fds;
        uint64_t clone_flags; /* CLONE_NEWPID | ..., for clone3(2) */
        /* Folder of a cgroup of version 2 that the child is born in, without the wait that moving there costs
         * (CLONE_INTO_CGROUP, Linux 5.7); may be NULL. *in_cgroup tells setup() whether the kernel did so. */
        const char *cgroup;
        bool *in_cgroup;
        bool new_session;  /* setsid() */
        int death_signal;  /* PR_SET_PDEATHSIG; 0: none */
        bool set_identity; /* become uid:gid with no supplementary groups and no capabilities */
        uid_t uid;
        gid_t gid;
        const gid_t *groups; /* supplementary groups, with set_identity */
        size_t n_groups;
        bool no_new_privs;
        /* Runs in the child before anything above (still privileged, before descriptors are moved). Returns < 0
         * with err set to make the spawn fail with that error. May be NULL. */
        int (*setup)(void *user, Error *err);
        void *user;
} SpawnSpec;

/* Returns once the child runs its program (or failed to: the error then says which step and why, and no child is
 * left). All signals are unblocked and at their defaults in the child. The child must be waited for. RET_PIDFD may
 * be NULL. */
int spawn(const SpawnSpec *spec, pid_t *ret_pid, int *ret_pidfd, Error *err);

/* Exit status as shells and engines count it: code, or 128 + signal. */
int wait_status_to_exit(int status);
