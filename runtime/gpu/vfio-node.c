/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gpu/vfio-node.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"

#define SHOWN_MAX 128U /* bytes of a path that a message shows */

VfioNode vfio_node_parse(const char *path, uint32_t *ret_number) {
        const char *name = str_after(path, "/dev/vfio/");
        uint64_t number;

        if (streq(path, "/dev/iommu") || streq(path, "/dev/vfio") || (name && streq(name, "vfio")))
                return VFIO_NODE_CONTROL;
        if (!name)
                return VFIO_NODE_OTHER;
        if (str_after(name, "devices/vfio"))
                return VFIO_NODE_DEVICE;
        if (!str_to_u64(name, 10, INT32_MAX, &number))
                return VFIO_NODE_UNKNOWN;
        *ret_number = (uint32_t)number;
        return VFIO_NODE_GROUP;
}

static int request_device(const char *name, const char *source, const GpuFacts *facts, GpuRequest *request,
                          Error *err) {
        GpuWish wish = { .kind = GPU_WISH_ADDRESS };

        for (size_t i = 0; i < facts->n_devices; i++)
                if (facts->devices[i].vfio_device && streq(facts->devices[i].vfio_device, name)) {
                        wish.address = facts->devices[i].at;
                        return gpu_request_add(request, &wish, source, err);
                }
        return error_set(err, ENODEV, "%s: no PCI device of this host has this node (carrel gpu list)",
                         source);
}

int vfio_node_request(const char *path, const char *source, const GpuFacts *facts, GpuRequest *request,
                      Error *err) {
        cleanup_free char *shown = str_printable(path, strlen(path), SHOWN_MAX);
        cleanup_free char *at = xasprintf("%s: %s", source, shown);
        GpuWish wish = { .kind = GPU_WISH_GROUP };
        int r = 0;

        switch (vfio_node_parse(path, &wish.number)) {
        case VFIO_NODE_GROUP:
                r = gpu_request_add(request, &wish, at, err);
                break;
        case VFIO_NODE_DEVICE:
                r = request_device(strrchr(path, '/') + 1, at, facts, request, err);
                break;
        case VFIO_NODE_UNKNOWN:
                return error_set(
                        err, EINVAL,
                        "%s: expected /dev/vfio/GROUP or /dev/vfio/devices/vfioN; a device without an "
                        "IOMMU cannot be passed",
                        at);
        case VFIO_NODE_OTHER:
        case VFIO_NODE_CONTROL:
        case _VFIO_NODE_MAX:
                return 0;
        }
        return r < 0 ? r : 1;
}
