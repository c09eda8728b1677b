/* SPDX-License-Identifier: Apache-2.0 */

/* carrel's configuration: what is accepted is printed and must read back as the same; and its keys as annotations of
 * an engine that means harm. */

#include <stdlib.h>
#include <string.h>

#include "runtime/config.h"
#include "tests/fuzz/fuzz.h"

static RuntimeConfig *read_text(const char *text, size_t size) {
        cleanup_json Json *merged = json_new_object();
        cleanup_error Error err = { 0 };
        RuntimeConfig *config = NULL;
        int r = runtime_config_merge(merged, text, size, &err);

        if (r >= 0)
                r = runtime_config_from_tree(merged, &config, &err);
        if (r < 0 && (err.code <= 0 || strchr(err.message, '\n')))
                abort();
        return config;
}

static void try_round_trip(const char *text, size_t size) {
        cleanup(runtime_config_freep) RuntimeConfig *config = read_text(text, size), *again = NULL;
        cleanup_free char *printed = NULL, *reprinted = NULL;

        if (!config)
                return;
        printed = runtime_config_to_text(config, true);
        again = read_text(printed, strlen(printed));
        if (!again)
                abort();
        reprinted = runtime_config_to_text(again, true);
        if (strcmp(printed, reprinted) != 0)
                abort();
}

/* A document of annotations over a configuration that allows two of them. */
static void try_annotations(const char *text, size_t size) {
        static const JsonField fields[] = { { .key = "annotations", .kind = JSON_KIND_STRING_MAP }, { 0 } };
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        cleanup_error Error err = { 0 };
        StrMap map = { 0 };
        int r;

        if (json_read_text(text, size, NULL, fields, &map, &err) < 0)
                return;
        r = runtime_config_apply_annotations(config, &map, &err);
        if (r < 0 && (err.code <= 0 || strchr(err.message, '\n')))
                abort();
        if (config->qemu || config->kernel_append || config->initrd ||
            strcmp(config->accelerator, "auto") != 0)
                abort();
        error_clear(&err);
        if (runtime_config_check(config, &err) < 0)
                abort();
        json_clear(fields, &map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        try_round_trip((const char *)data, size);
        try_annotations((const char *)data, size);
        return 0;
}
