/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A pod: containers whose network namespace is that of a container of ours run in that container's virtual machine. */

#include "common/oci/spec.h"
#include "runtime/commands/command.h"

typedef struct Pod {
        char *id;          /* of the container with the VM */
        char *control;     /* its control socket */
        char **namespaces; /* types of the bundle's namespaces that are the pod's */
        int share;         /* mount namespace of its virtiofsd; -1 */
        char *pid_of; /* the member of the pod whose processes are joined; NULL: those of the first container */
        char *gpu;    /* annotation of the container with the VM that asks for devices; NULL: none */
        uint32_t vcpus;  /* of the machine */
        uint64_t memory; /* its RAM, bytes */
} Pod;

/* *ret is NULL when the bundle's network namespace is none of a running container of ours. */
int pod_find(const Globals *globals, const OciSpec *spec, Pod **ret, Error *err);
Pod *pod_free(Pod *pod);
DEFINE_CLEANUP(Pod *, pod_free);

/* Takes the files of MEMBER (LaunchPlan.member) out of the sight of pod POD's guest; nothing if the pod is gone. */
int pod_leave(const Globals *globals, const char *pod, const char *member, Error *err);
