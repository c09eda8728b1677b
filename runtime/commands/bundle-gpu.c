/* SPDX-License-Identifier: Apache-2.0 */

/* What a bundle asks for in the way of devices, with the look at the host that this needs. */

#include <stdlib.h>
#include <string.h>

#include "runtime/commands/creation.h"
#include "runtime/gpu/sources.h"
#include "runtime/host/cdi.h"
#include "runtime/host/host-root.h"
#include "runtime/host/pci.h"

static void facts_done(GpuFacts *facts) {
        json_clear(gpu_facts_fields, facts);
}

/* Names and groups of devices are enough here: what planning wants to know of them costs more. */
static int look(unsigned sources, GpuFacts *facts, CdiCatalog **ret_catalog, Error *err) {
        cleanup_close int root = host_root_open("/", err);

        if (root < 0)
                return root;
        if (sources & (GPU_SOURCE_DEVICES | GPU_SOURCE_CDI))
                pci_collect(root, &facts->devices, &facts->n_devices);
        if (sources & GPU_SOURCE_CDI)
                *ret_catalog = cdi_catalog_read(root);
        return 0;
}

int bundle_find_gpus(Bundle *bundle, Error *err) {
        cleanup(cdi_catalog_freep) CdiCatalog *catalog = NULL;
        cleanup(facts_done) GpuFacts facts = { 0 };
        GpuSources from = { .facts = &facts, .from_environment = bundle->config->gpu_from_environment };
        unsigned sources = gpu_sources_look(bundle->spec, from.from_environment);
        int r = sources ? look(sources, &facts, &catalog, err) : 0;

        if (r < 0)
                return r;
        from.cdi = catalog;
        r = gpu_sources_apply(&from, bundle->tree, &bundle->spec, &bundle->gpu, err);
        if (r <= 0)
                return r;
        bundle_text_from_tree(bundle);
        return 0;
}
