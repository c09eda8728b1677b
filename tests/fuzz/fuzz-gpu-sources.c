/* SPDX-License-Identifier: Apache-2.0 */

/* What a bundle says of GPUs: a whole config.json, or a text as the value of each place that is parsed. Afterwards there is
 * none of NVIDIA's hooks in it, and doing it again changes nothing. */

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/leftovers.h"
#include "runtime/gpu/sources.h"
#include "tests/fuzz/fuzz.h"

static void check_error(const Error *err) {
        if (err->code <= 0 || !err->message || strchr(err->message, '\n'))
                abort();
}

static void check_request(const GpuRequest *request) {
        if (request->n_wishes > GPU_WISHES_MAX)
                abort();
        for (size_t i = 0; i < request->n_wishes; i++)
                if ((unsigned)request->wishes[i].kind >= _GPU_WISH_KIND_MAX ||
                    strchr(request->wishes[i].source, '\n'))
                        abort();
        STRV_FOR_EACH (note, request->notes)
                if (!**note || strchr(*note, '\n'))
                        abort();
}

static void check_hooks(const OciHook *hooks, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (gpu_hook_is_nvidias(hooks[i].path, hooks[i].args))
                        abort();
}

static void check_bundle(const Json *tree, const OciSpec *spec, bool passed) {
        if (json_count(json_get(tree, "mounts")) != spec->n_mounts)
                abort();
        if (spec->hooks) {
                check_hooks(spec->hooks->prestart, spec->hooks->n_prestart);
                check_hooks(spec->hooks->create_runtime, spec->hooks->n_create_runtime);
                check_hooks(spec->hooks->create_container, spec->hooks->n_create_container);
                check_hooks(spec->hooks->start_container, spec->hooks->n_start_container);
                check_hooks(spec->hooks->poststart, spec->hooks->n_poststart);
                check_hooks(spec->hooks->poststop, spec->hooks->n_poststop);
        }
        for (size_t i = 0; passed && spec->linux_ && i < spec->linux_->n_devices; i++)
                if (gpu_node_is_of_gpu(spec->linux_->devices[i].path))
                        abort();
}

static void try_bundle(const char *text, size_t size, bool from_environment) {
        PciDevice device = { .address = (char[]){ "0000:65:00.0" },
                             .at = { .bus = 0x65 },
                             .group = 14,
                             .vfio_device = (char[]){ "vfio0" } };
        const GpuFacts facts = { .devices = &device, .n_devices = 1 };
        cleanup(cdi_catalog_freep) CdiCatalog *catalog = xnew(CdiCatalog, 1);
        GpuSources from = { .facts = &facts, .cdi = catalog, .from_environment = from_environment };
        cleanup_gpu_request GpuRequest request = { 0 }, again = { 0 };
        cleanup(oci_spec_freep) OciSpec *spec = NULL;
        cleanup_error Error err = { 0 };
        cleanup_json Json *tree = NULL;
        unsigned sources;
        int r;

        if (json_parse(text, size, NULL, &tree, &err) < 0 || oci_spec_from_tree(tree, &spec, &err) < 0)
                return;
        sources = gpu_sources_look(spec, from_environment);
        r = gpu_sources_apply(&from, tree, &spec, &request, &err);
        if (r < 0) {
                check_error(&err);
                return;
        }
        if (sources == 0 && request.n_wishes > 0)
                abort();
        check_request(&request);
        check_bundle(tree, spec, request.n_wishes > 0);
        if (gpu_leftovers_drop(tree, request.n_wishes > 0, &again.notes))
                abort();
}

static void try_values(const char *text) {
        cleanup_gpu_request GpuRequest visible = { 0 }, annotation = { 0 };
        cleanup_error Error err = { 0 };

        if (gpu_request_parse_visible(text, "place", &visible, &err) < 0)
                check_error(&err);
        check_request(&visible);
        if (gpu_request_parse(text, "annotation", &annotation, &err) < 0)
                check_error(&err);
        check_request(&annotation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_free char *text = xstrndup((const char *)data, size);

        try_bundle((const char *)data, size, false);
        try_bundle((const char *)data, size, true);
        try_values(text);
        return 0;
}
