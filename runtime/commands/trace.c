/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "runtime/commands/container.h"
#include "runtime/commands/timeline.h"

typedef struct Options {
        bool json;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, json, "json", 0, OPTION_FLAG), NULL,
          "As JSON: microseconds since the engine's call, by phase" },
        {},
};

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup(container_freep) Container *container = NULL;
        cleanup_free char *text = NULL;
        int r;

        r = container_open(call->globals, call->args[0], &container, err);
        if (r < 0)
                return r;
        if (!given->json) {
                timeline_print(&container->shim, stdout);
                STRV_FOR_EACH (warning, container->record->warnings)
                        printf("warning: %s\n", *warning);
                return 0;
        }
        text = json_to_text(timeline_fields, &container->shim.timeline, true);
        printf("%s\n", text);
        return 0;
}

const Command command_trace = {
        .name = "trace",
        .args = "ID",
        .summary = "Show what the time of a container's start went into, and what was warned about",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
