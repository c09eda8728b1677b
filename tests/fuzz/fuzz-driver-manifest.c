/* SPDX-License-Identifier: Apache-2.0 */

/* The manifest of a driver bundle: what is let through is what the agent may act upon, and is written as it was read. */

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "common/protocol/driver.h"
#include "tests/fuzz/fuzz.h"

static void check(const DriverManifest *m) {
        for (size_t i = 0; i < m->n_modules; i++)
                if (*m->modules[i].file == '/' || strstr(m->modules[i].file, ".."))
                        if (*m->modules[i].file == '/' || strstr(m->modules[i].file, "../"))
                                abort();
        for (size_t i = 0; i < m->n_nodes; i++)
                if (!str_after(m->nodes[i].path, "/dev/") || m->nodes[i].mode > 0777)
                        abort();
        STRV_FOR_EACH (pattern, m->devices)
                if (driver_pattern_match(*pattern, 0x10de, 0x2330, 0x030200) < 0)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup(driver_manifest_freep) DriverManifest *m = NULL, *again = NULL;
        cleanup_error Error error = { 0 };
        cleanup_free char *text = NULL;

        if (driver_manifest_parse((const char *)data, size, false, &again, &error) >= 0)
                check(again);
        error_clear(&error);
        again = driver_manifest_free(again);
        if (driver_manifest_parse((const char *)data, size, true, &m, &error) < 0)
                return 0;
        check(m);
        text = json_to_text(driver_manifest_fields, m, false);
        /* escapes may make it longer than what may be read */
        if (strlen(text) <= DRIVER_MANIFEST_MAX &&
            driver_manifest_parse(text, strlen(text), true, &again, &error) < 0)
                abort();
        return 0;
}
