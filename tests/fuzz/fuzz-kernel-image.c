/* SPDX-License-Identifier: Apache-2.0 */

/* A file somebody takes for a kernel: its headers, what is packed in it, and its configuration. */

#include <stdlib.h>

#include "runtime/host/kernel-config-check.h"
#include "runtime/host/kernel-image.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_kernel_image KernelImage image = { 0 };
        cleanup_error Error error = { 0 };
        KernelLack *lacks = NULL;

        if (kernel_image_parse(data, size, &image, &error) < 0)
                return 0;
        if (image.config) {
                kernel_config_check(image.config, KERNEL_USE_ALL, PACK_UNKNOWN, &lacks);
                free(lacks);
        }
        return 0;
}
