/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is written down about a device that a container has, or that did not come back: one file a function in
 * GPU_LEASE_FOLDER, the same for all engines and state folders of the host. runtime/host/gpu-lease.c writes them. */

#include "runtime/gpu/pci.h"

#define GPU_LEASE_FOLDER "/run/carrel-gpus"

typedef struct GpuLease {
        char *address;
        char *id;              /* of the container; NULL: nobody's (quarantine) */
        char *root;            /* state folder's parent (--root) */
        char *driver;          /* bound before; NULL: none */
        char *driver_override; /* before; NULL: none */
        char *power;           /* power/control before; NULL: not managed */
        char *quarantine;      /* why it may not be passed; NULL: it may */
        char *since;           /* RFC 3339 */
} GpuLease;

extern const JsonField gpu_lease_fields[];
