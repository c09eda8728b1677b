/* SPDX-License-Identifier: Apache-2.0 */

/* Descriptors of firmware and of vhost-user programs. */

#include <stdlib.h>
#include <string.h>

#include "runtime/qemu/firmware.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *)data;
        cleanup_error Error err = { 0 };
        cleanup_free char *binary = NULL;
        FirmwareFact fact = { 0 };
        int r = firmware_parse("/descriptor.json", text, size, &fact, &err);

        if (r < 0 && (err.code <= 0 || strchr(err.message, '\n')))
                abort();
        if ((r > 0) != (fact.executable != NULL) || (r > 0) != (fact.device != NULL))
                abort();
        if (r > 0)
                firmware_choose(&fact, 1);
        firmware_fact_done(&fact);

        error_clear(&err);
        r = firmware_parse_virtiofsd(text, size, &binary, &err);
        if ((r > 0) != (binary != NULL))
                abort();
        return 0;
}
