/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which devices a bundle asks for: wishes, from whatever place they come. Pure. */

#include "common/base/error.h"
#include "runtime/gpu/pci.h"

#define GPU_ANNOTATION  "io.carrel.gpu"
#define GPU_WISHES_MAX  32U   /* of a container, and slots of its machine */
#define GPU_REQUEST_MAX 1024U /* bytes of one text */

#define GPU_BY_ANNOTATION "annotation " GPU_ANNOTATION /* as a source */

typedef enum GpuWishKind {
        GPU_WISH_ADDRESS, /* this function, with what belongs to it */
        GPU_WISH_MODEL,   /* one that is free, by vendor and device id */
        GPU_WISH_COUNT,   /* so many that are free */
        GPU_WISH_ALL, /* every GPU of the host; with a vendor: every one of that, or of all where it has none */
        GPU_WISH_INDEX, /* the n-th NVIDIA GPU in the order of addresses, from 0, as nvidia-smi counts; where there
                             is none, of all GPUs */
        GPU_WISH_GROUP, /* all devices of an IOMMU group (/dev/vfio/N) */
        _GPU_WISH_KIND_MAX,
} GpuWishKind;

typedef struct GpuWish {
        GpuWishKind kind;
        PciAddress address;
        uint32_t vendor, device;
        uint32_t number; /* count, index, group */
        char *source;    /* where it was said, for messages: "annotation io.carrel.gpu" */
} GpuWish;

typedef struct GpuRequest {
        GpuWish *wishes;
        size_t n_wishes;
        char **warnings, **notes; /* one line each: what came up on the way; for the user, for debugging */
} GpuRequest;

void gpu_request_done(GpuRequest *request);
#define cleanup_gpu_request cleanup(gpu_request_done)

/* Appends, unless a wish of the same kind names the same device already; SOURCE is copied. E2BIG beyond GPU_WISHES_MAX. */
int gpu_request_add(GpuRequest *request, const GpuWish *wish, const char *source, Error *err);

/* Takes out what SOURCE has wished for. */
void gpu_request_drop(GpuRequest *request, const char *source);

/*
 * The value of the annotation: items with commas between, each an address ("0000:65:00.0", "65:00.0"), a model
 * ("10de:2330": one that is free), a count, or "all". "none" and "0" ask for nothing. EINVAL names SOURCE and the item.
 */
int gpu_request_parse(const char *text, const char *source, GpuRequest *request, Error *err);
