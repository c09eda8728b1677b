/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The one container of the virtual machine: from config.json to a process that waits to be started, and the
 * processes beside it. */

#include "agent/cgroup.h"
#include "agent/environment.h"
#include "agent/process.h"
#include "common/oci/spec.h"
#include "common/protocol/message.h"

typedef struct Container {
        OciSpec *spec;
        char *id, *bundle;
        Cgroup *cgroup;
        Environment *environment;
        Process *init; /* owned by the process table; NULL once it is gone */
        uint32_t rows, cols;
        uint32_t number;    /* in the pod */
        int pod_namespaces; /* CLONE_… of the pod's that it enters */
} Container;

/* What it has to do with the rest of the virtual machine. */
typedef struct ContainerPlace {
        uint32_t number;
        const Container *pod; /* container 0 when this is a further one */
        /* Container of that id; NULL: there is none. Asked for the one whose processes are shared. */
        const Container *(*find)(void *user, const char *id);
        void *user;
        const Driver *driver; /* the one it has a share of; NULL: none */
} ContainerPlace;

/* Starts setting it up. The process table reports when its init is ready. SEQ is the request's. */
int container_new(ProcessTable *table, const CreateRequest *request, const ContainerPlace *place,
                  uint32_t seq, Container **ret, Error *err);
/* The init must be gone. */
Container *container_free(Container *container);
DEFINE_CLEANUP(Container *, container_free);

/* The init has reported that it is ready: gives it what takes the agent's privileges. */
int container_init_ready(Container *container, Error *err);
/* Whether it waits for that, or words for why not. */
int container_can_start(const Container *container, Error *err);
/* Lets the program run. */
int container_start(Container *container, Error *err);

/* ESRCH when there is none to get it. */
int container_signal_all(const Container *container, int signal, Error *err);
/* No process is left in its cgroup. */
bool container_is_empty(const Container *container);

/* Guest's own user id of an id in the container; the overflow id when it has none. */
uid_t container_map_uid(const OciLinux *linux_, uid_t uid);
