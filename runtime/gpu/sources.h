/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The places of a bundle where a wish for devices can stand, and what each of them means. Pure. */

#include "common/oci/spec.h"
#include "runtime/gpu/cdi.h"

/* Which of them say something that has to be looked at. */
#define GPU_SOURCE_ANNOTATION  (1U << 0) /* io.carrel.gpu */
#define GPU_SOURCE_DEVICES     (1U << 1) /* linux.devices: nodes of vfio */
#define GPU_SOURCE_CDI         (1U << 2) /* annotations cdi.k8s.io/NAME */
#define GPU_SOURCE_ENVIRONMENT (1U << 3) /* NVIDIA_VISIBLE_DEVICES, with NVIDIA's hook */
#define GPU_SOURCE_HOOK        (1U << 4) /* containerd's hook (ctr run --gpus) */

typedef struct GpuSources {
        const OciSpec *spec;
        const GpuFacts *facts;
        const CdiCatalog *cdi; /* needed with GPU_SOURCE_CDI */
        bool from_environment; /* NVIDIA_VISIBLE_DEVICES counts without the hook, too */
} GpuSources;

/* GPU_SOURCE_* of the bundle, by a look that needs nothing of the host. 0: it asks for nothing. */
unsigned gpu_sources_look(const OciSpec *spec, bool from_environment);

/*
 * All wishes of a bundle. Two places may name the same devices; EINVAL where they cannot mean the same. The others are
 * those of request.h, vfio-node.h and cdi.h; each names the place.
 */
int gpu_request_from_bundle(const GpuSources *from, GpuRequest *ret, Error *err);

/*
 * The whole step: the wishes, then TREE (config.json) without what is wrong in a virtual machine (leftovers.h), and *spec
 * read from it again. .spec of FROM is set here. 1: the tree has changed; 0: it has not.
 */
int gpu_sources_apply(GpuSources *from, Json *tree, OciSpec **spec, GpuRequest *ret, Error *err);

/*
 * The value of NVIDIA_VISIBLE_DEVICES, or what else SOURCE is: "all"; indices and PCI addresses with commas between;
 * "none", "void" and "" ask for nothing. EINVAL: UUIDs and parts of GPUs (MIG), which only the host's driver knows.
 */
int gpu_request_parse_visible(const char *text, const char *source, GpuRequest *request, Error *err);
