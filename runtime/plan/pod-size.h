/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What Kubernetes' engines say of a pod as a whole to its first container, the sandbox, whose own limits are next to nothing:
 * containerd from 1.6 on in annotations io.kubernetes.cri.sandbox-* (pkg/cri/annotations), CRI-O as JSON in
 * pod-linux-resources.crio.io or, older, io.kubernetes.cri-o.PodLinuxResources. The kubelet adds up the limits of those
 * containers that have one, and does not say whether all of them do.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/json.h"

typedef struct PodSize {
        uint64_t memory; /* bytes; 0: not said */
        uint32_t cpus;   /* 0: not said */
} PodSize;

/* Both 0 for a container that is no sandbox. EINVAL, with the annotation's name, for what is no number. */
int pod_size(const StrMap *annotations, PodSize *ret, Error *err);
