/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Device nodes of vfio as engines name them in a bundle, or a CDI specification in its edits. Pure. */

#include "runtime/gpu/facts.h"
#include "runtime/gpu/request.h"

typedef enum VfioNode {
        VFIO_NODE_OTHER,   /* none of vfio's */
        VFIO_NODE_CONTROL, /* /dev/vfio/vfio, /dev/iommu: goes with the others, is no device */
        VFIO_NODE_GROUP,   /* /dev/vfio/14 */
        VFIO_NODE_DEVICE,  /* /dev/vfio/devices/vfio3 */
        VFIO_NODE_UNKNOWN, /* another below /dev/vfio */
        _VFIO_NODE_MAX,
} VfioNode;

/* *ret_number is that of the group; untouched for the other kinds. */
VfioNode vfio_node_parse(const char *path, uint32_t *ret_number);

/*
 * The wish that PATH stands for. 1: added; 0: it is none of vfio's, or no device. EINVAL, ENODEV: of vfio's, and cannot
 * be passed.
 */
int vfio_node_request(const char *path, const char *source, const GpuFacts *facts, GpuRequest *request,
                      Error *err);
