/* SPDX-License-Identifier: Apache-2.0 */

/*
 * plan-golden [--state DIR] CASE [FACTS]: makes the plan of tests/golden/CASE and prints it as `carrel plan` does; QEMU's arguments
 * follow behind a line with "--", one a line. A refusal goes to standard error, status 1. FACTS takes the place of
 * CASE/facts.json if the case has none of its own; DIR is the container's state folder.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/gpu/sources.h"
#include "runtime/plan/plan.h"

#define FILE_MAX (16U << 20)

static int read_case(const char *folder, const char *name, char **ret, size_t *ret_length, Error *err) {
        cleanup_free char *path = path_join(folder, name);

        return file_read(AT_FDCWD, path, FILE_MAX, ret, ret_length, err);
}

static int read_facts(const char *folder, const char *fallback, HostFacts *ret, Error *err) {
        cleanup_free char *text = NULL;
        size_t length;
        int r = read_case(folder, "facts.json", &text, &length, err);

        if (r == -ENOENT && fallback)
                r = file_read(AT_FDCWD, fallback, FILE_MAX, &text, &length, err);
        if (r >= 0)
                r = json_read_text(text, length, NULL, host_facts_fields, ret, err);
        if (r >= 0 && ret->gpu)
                r = gpu_facts_complete(ret->gpu, err);
        return r;
}

static int read_configuration(const char *folder, RuntimeConfig **ret, Error *err) {
        cleanup_json Json *merged = json_new_object();
        cleanup_free char *text = NULL;
        size_t length;
        int r = read_case(folder, "carrel.json", &text, &length, err);

        if (r == -ENOENT)
                error_clear(err);
        else if (r >= 0)
                r = runtime_config_merge(merged, text, length, err);
        if (r < 0 && r != -ENOENT)
                return error_prefix(err, "carrel.json");
        return runtime_config_from_tree(merged, ret, err);
}

/* What a case says of the command line: NAME exists as a file or not. */
static bool has_word(const char *folder, const char *word) {
        cleanup_error Error e = { 0 };
        cleanup_free char *text = NULL;
        size_t length;

        return read_case(folder, "request", &text, &length, &e) >= 0 && strstr(text, word);
}

/* As bundle_find_gpus() does, with the case's own CDI file. */
static int find_gpus(const char *folder, const RuntimeConfig *config, const GpuFacts *facts, Json *tree,
                     OciSpec **spec, GpuRequest *ret, Error *err) {
        static const GpuFacts nothing;
        cleanup(cdi_catalog_freep) CdiCatalog *catalog = xnew(CdiCatalog, 1);
        GpuSources from = { .facts = facts ? facts : &nothing,
                            .cdi = catalog,
                            .from_environment = config->gpu_from_environment };
        cleanup_free char *text = NULL;
        cleanup_json Json *cdi = NULL;
        size_t length;
        int r = read_case(folder, "cdi.json", &text, &length, err);

        strv_append(&catalog->folders, "/etc/cdi");
        if (r == -ENOENT)
                error_clear(err);
        else if (r >= 0)
                r = json_parse(text, length, NULL, &cdi, err);
        if (cdi)
                r = cdi_catalog_add(catalog, cdi, "/etc/cdi/cdi.json", 0, err);
        if (r < 0 && r != -ENOENT)
                return error_prefix(err, "cdi.json");
        return gpu_sources_apply(&from, tree, spec, ret, err);
}

static int make(const char *folder, const char *facts_file, const char *state, Plan **ret, Error *err) {
        cleanup(runtime_config_freep) RuntimeConfig *config = NULL;
        cleanup(oci_spec_freep) OciSpec *spec = NULL;
        cleanup_json Json *tree = NULL;
        cleanup_free char *text = NULL;
        static HostFacts facts; /* lives as long as the plan, which borrows from it */
        static GpuRequest gpu;
        cleanup_strv char **of_pod = NULL;
        size_t length;
        PlanRequest request = {
                .id = "golden",
                .bundle = "/bundles/golden",
                .state_dir = state,
                .pod = has_word(folder, "member") ? "/run/carrel/pod/control.sock" : NULL,
                .debug = has_word(folder, "debug"),
                .foreground = has_word(folder, "foreground"),
                .shm_bytes = has_word(folder, "shm") ? 7 << 20 : 0,
                .memory_above = has_word(folder, "above") ? 640 << 20 : 0,
        };
        int r = read_facts(folder, facts_file, &facts, err);

        if (has_word(folder, "its-ipc"))
                strv_append(&of_pod, "ipc");
        if (has_word(folder, "its-uts"))
                strv_append(&of_pod, "uts");
        request.pod_namespaces = of_pod;
        if (r >= 0)
                r = read_configuration(folder, &config, err);
        if (r >= 0)
                r = read_case(folder, "config.json", &text, &length, err);
        if (r < 0)
                return r;
        r = json_parse(text, length, NULL, &tree, err);
        if (r >= 0)
                r = oci_spec_from_tree(tree, &spec, err);
        if (r >= 0)
                r = runtime_config_apply_annotations(config, &spec->annotations, err);
        if (r >= 0)
                r = find_gpus(folder, config, facts.gpu, tree, &spec, &gpu, err);
        if (r < 0)
                return error_prefix(err, "config.json");
        request.gpu = &gpu;
        return plan_make(spec, tree, config, &facts, &request, ret, err);
}

int main(int argc, char **argv) {
        cleanup(plan_freep) Plan *plan = NULL;
        cleanup_error Error e = { 0 };
        cleanup_free char *text = NULL;
        const char *state = "/run/carrel/golden";

        if (argc > 3 && streq(argv[1], "--state")) {
                state = argv[2];
                argv += 2;
                argc -= 2;
        }
        if (argc < 2 || argc > 3) {
                fputs("usage: plan-golden [--state DIR] CASE [FACTS]\n", stderr);
                return 2;
        }
        if (make(argv[1], argc == 3 ? argv[2] : NULL, state, &plan, &e) < 0) {
                fprintf(stderr, "%s\n", e.message);
                return 1;
        }
        text = plan_to_text(plan);
        printf("%s\n--\n", text);
        STRV_FOR_EACH (argument, plan->launch.qemu)
                printf("%s\n", *argument);
        return 0;
}
