/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The container's cgroup in the guest: cgroup v2, /sys/fs/cgroup/carrel. Its limits are those of
 * linux.resources, applied once more inside what the host already holds the whole virtual machine to.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/oci/linux.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP_NAME "carrel"

typedef struct Cgroup Cgroup;

/* Makes the cgroup NAME below ROOT (CGROUP_ROOT) and hands it every controller there is. An existing one
 * is taken. */
int cgroup_new(const char *root, const char *name, Cgroup **ret, Error *err);
/* Forgets it; the cgroup stays. */
Cgroup *cgroup_free(Cgroup *cgroup);
DEFINE_CLEANUP(Cgroup *, cgroup_free);

/* "/sys/fs/cgroup/carrel" */
const char *cgroup_path(const Cgroup *cgroup);
/* Its folder, for CLONE_INTO_CGROUP; owned by CGROUP. */
int cgroup_fd(const Cgroup *cgroup);
/* The folder that it is in, with those of all containers; owned by CGROUP. */
int cgroup_root_fd(const Cgroup *cgroup);
/* A folder for CLONE_INTO_CGROUP of one more process (exec): the cgroup itself, or, when the container has
 * made cgroups of its own so that no process can be in it, the one that its process INIT is in. To be
 * closed. */
int cgroup_open_for(const Cgroup *cgroup, pid_t init, int *ret, Error *err);

/* The same for the one at PATH below it, which the container has made. */
int cgroup_open_below(const Cgroup *cgroup, const char *path, int *ret, Error *err);

/* Applies linux.resources: at create, when what no device rule allows is denied even if there are none
 * (RESOURCES may be NULL), and for `update`, when only what is set changes. */
int cgroup_apply(Cgroup *cgroup, const OciResources *resources, Error *err);
/* Gives the cgroup's files to UID, so that a container with a writable cgroup file system can make its own
 * below it. */
int cgroup_delegate(const Cgroup *cgroup, uid_t uid, Error *err);

/* SIGKILL to every process in it and below. */
int cgroup_kill(const Cgroup *cgroup, Error *err);
/* Waits until all are frozen, at most two seconds. */
int cgroup_freeze(const Cgroup *cgroup, bool frozen, Error *err);
/* Pids (the caller's namespace) of all processes in it and below; owned by the caller. */
int cgroup_pids(const Cgroup *cgroup, pid_t **ret, size_t *ret_n, Error *err);
/* How many processes were killed for lack of memory, so far. */
int cgroup_oom_kills(const Cgroup *cgroup, uint64_t *ret, Error *err);
/* A descriptor of memory.events: EPOLLPRI when it changes. To be closed. */
int cgroup_open_memory_events(const Cgroup *cgroup, int *ret, Error *err);

/* Statistics, as the "data" of runc's `events --stats`. */
int cgroup_write_stats(const Cgroup *cgroup, JsonWriter *w, Error *err);
