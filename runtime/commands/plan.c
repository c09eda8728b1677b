/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan/plan.h"

#include <stdio.h>

#include "common/base/path.h"
#include "runtime/commands/creation.h"
#include "runtime/host/facts.h"

typedef struct Options {
        const char *bundle, *facts, *id;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, bundle, "bundle", 'b', OPTION_STRING), "DIR",
          "Folder with config.json (default: the current one)" },
        { OPTION_FIELD(Options, facts, "facts", 0, OPTION_STRING), "FILE",
          "Take what is known of the host from FILE" },
        { OPTION_FIELD(Options, id, "id", 0, OPTION_STRING), "ID", "Plan for this id (default: plan)" },
        {},
};

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        const char *id = given->id ? given->id : "plan";
        cleanup(host_facts_freep) HostFacts *facts = NULL;
        cleanup(plan_freep) Plan *plan = NULL;
        cleanup_free char *state_dir = path_join(call->globals->root, id), *text = NULL;
        cleanup_bundle Bundle bundle = { 0 };
        Caller caller = caller_look();
        PlanRequest request = { .id = id, .state_dir = state_dir, .debug = call->globals->debug };
        int r;

        r = oci_check_id(id, err);
        if (r >= 0)
                r = bundle_load(call->n_args > 0 ? call->args[0] : given->bundle, call->globals->config,
                                &bundle, err);
        /* facts of another host come with a bundle of another host */
        if (r >= 0 && !given->facts)
                r = bundle_check_rootfs(&bundle, err);
        if (r >= 0)
                r = given->facts ? host_facts_read_file(given->facts, &facts, err)
                                 : host_facts_gather(bundle.config, &caller, &facts, err);
        if (r >= 0 && !given->facts && bundle.gpu.n_wishes > 0)
                r = host_facts_gather_gpu(bundle.config, facts, err);
        if (r < 0)
                return r;
        request.gpu = &bundle.gpu;
        request.bundle = bundle.path;
        request.shm_bytes = given->facts ? 0 : bundle_shm_bytes(&bundle);
        r = plan_make(bundle.spec, bundle.tree, bundle.config, facts, &request, &plan, err);
        if (r < 0)
                return r;
        text = plan_to_text(plan);
        printf("%s%s", text, str_ends_with(text, "\n") ? "" : "\n");
        return 0;
}

const Command command_plan = {
        .name = "plan",
        .only_looks = true,
        .args = "[DIR]",
        .summary = "Show what would be done for a bundle, as JSON, and do nothing",
        .options = options,
        .options_size = sizeof(Options),
        .max_args = 1,
        .run = run,
};
