/* SPDX-License-Identifier: Apache-2.0 */

/* config.json, process.json and resources from an engine that means harm. What is accepted must survive being
 * written and read again. */

#include <stdlib.h>
#include <string.h>

#include "common/oci/spec.h"
#include "tests/fuzz/fuzz.h"

static void check_error(const Error *err) {
        if (err->code <= 0 || !err->message || strchr(err->message, '\n'))
                abort();
}

static void try_spec(const char *text, size_t length) {
        cleanup(oci_spec_freep) OciSpec *spec = NULL, *again = NULL;
        cleanup_free char *written = NULL, *rewritten = NULL;
        cleanup_error Error err = { 0 };

        if (oci_spec_parse(text, length, &spec, &err) < 0) {
                check_error(&err);
                return;
        }
        written = json_to_text(oci_spec_fields, spec, false);
        if (oci_spec_parse(written, strlen(written), &again, &err) < 0)
                abort();
        rewritten = json_to_text(oci_spec_fields, again, false);
        if (strcmp(written, rewritten) != 0)
                abort();
}

static void try_process(const char *text, size_t length) {
        cleanup(oci_process_freep) OciProcess *process = NULL;
        cleanup_error Error err = { 0 };

        if (oci_process_parse(text, length, &process, &err) < 0)
                check_error(&err);
        else if (!process->args[0] || process->cwd[0] != '/')
                abort();
}

static void try_resources(const char *text, size_t length) {
        cleanup(oci_resources_freep) OciResources *resources = NULL;
        cleanup_error Error err = { 0 };

        if (oci_resources_parse(text, length, &resources, &err) < 0)
                check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *)data;

        try_spec(text, size);
        try_process(text, size);
        try_resources(text, size);
        return 0;
}
