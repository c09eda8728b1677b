/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Starting carrel-shim: as a container's monitor, in namespaces of its own, or as the proxy of an exec. It gets exactly
 * the descriptors that common/protocol/launch.h numbers, is in the container's cgroup and in a session of its own, and
 * lives on without us.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "runtime/host/client.h"

typedef struct ShimSpec {
        bool exec;        /* the proxy of an exec: no namespaces */
        const char *plan; /* LaunchPlan or ExecPlan as JSON */
        bool pass_stdio;  /* it gets our 0, 1, 2; else /dev/null */
        int console;      /* slave of the terminal; -1: none */
        int log;          /* -1: /dev/null */
        /* monitor: paths of namespaces to be in; NULL: new ones, so that nothing of the host's is touched */
        const char *network, *ipc, *uts;
        int pod_share;        /* a further container of a pod: SHIM_FD_SHARE; -1: a VM of its own */
        char *const *cgroups; /* folders to join */
} ShimSpec;

typedef struct Shim {
        pid_t pid;
        int pidfd;
        Client *boss; /* its SHIM_FD_BOSS */
} Shim;

#define SHIM_NONE                                                                                            \
        { .pidfd = -1 }

int shim_launch(const ShimSpec *spec, Shim *ret, Error *err);

/* Closes our ends; the shim goes on or ends as its plan says. */
void shim_done(Shim *shim);
#define cleanup_shim cleanup(shim_done)

/* Kills it and waits until it and everything in its pid namespace is gone. */
void shim_kill(const Shim *shim);

/* Waits for its end; the exit status. -ECHILD: it was not ours to wait for. */
int shim_wait(const Shim *shim, Error *err);
