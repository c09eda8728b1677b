/* SPDX-License-Identifier: Apache-2.0 */

/* A file that may be a driver bundle. */

#include <stdlib.h>

#include "runtime/host/driver-bundle.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup(driver_manifest_freep) DriverManifest *manifest = NULL;
        const ByteSource source = { .data = data, .fd = -1, .size = size };
        cleanup_error Error error = { 0 };
        uint64_t image = 0;

        if (driver_bundle_parse(&source, &manifest, &image, &error) >= 0 && (image == 0 || image >= size))
                abort();
        return 0;
}
