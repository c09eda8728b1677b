/* SPDX-License-Identifier: Apache-2.0 */

/* Files of /etc/cdi: any text, as JSON and as YAML. What is taken can be asked for, with a line for what is wrong. */

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/cdi.h"
#include "runtime/host/yaml.h"
#include "tests/fuzz/fuzz.h"

static void check_error(const Error *err) {
        if (err->code <= 0 || !err->message || strchr(err->message, '\n'))
                abort();
}

static void try_devices(const CdiCatalog *catalog) {
        PciDevice device = { .address = (char[]){ "0000:65:00.0" }, .at = { .bus = 0x65 }, .group = 14 };
        const GpuFacts facts = { .devices = &device, .n_devices = 1 };

        for (size_t i = 0; i < catalog->n_devices; i++) {
                cleanup_gpu_request GpuRequest request = { 0 };
                cleanup_error Error err = { 0 };

                if (!cdi_name_is_valid(catalog->devices[i].name))
                        abort();
                if (cdi_request(catalog, catalog->devices[i].name, "fuzz", &facts, &request, &err) < 0)
                        check_error(&err);
                else if (request.n_wishes > GPU_WISHES_MAX)
                        abort();
        }
}

static void try_tree(const Json *tree) {
        cleanup(cdi_catalog_freep) CdiCatalog *catalog = xnew(CdiCatalog, 1);
        cleanup_error Error err = { 0 };

        for (unsigned priority = 0; priority < 2; priority++) {
                if (cdi_catalog_add(catalog, tree, "/etc/cdi/fuzz.json", priority, &err) < 0) {
                        check_error(&err);
                        if (catalog->n_devices > 0)
                                abort();
                }
        }
        try_devices(catalog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const JsonLimits limits = { .bytes = 1U << 20, .depth = 32, .values = 16384 };
        const char *text = (const char *)data;
        cleanup_error Error of_json = { 0 }, of_yaml = { 0 };
        cleanup_json Json *json = NULL, *yaml = NULL;
        cleanup_free char *name = xstrndup(text, size);

        if (json_parse(text, size, &limits, &json, &of_json) < 0)
                check_error(&of_json);
        else
                try_tree(json);
        if (yaml_to_json(text, size, &limits, &yaml, &of_yaml) < 0)
                check_error(&of_yaml);
        else
                try_tree(yaml);
        if (cdi_name_is_valid(name) && !strchr(name, '='))
                abort();
        return 0;
}
