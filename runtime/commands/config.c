/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "runtime/commands/command.h"
#include "runtime/config.h"

typedef struct Options {
        bool json;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, json, "json", 0, OPTION_FLAG), NULL, "Without what the keys mean" },
        {},
};

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup(runtime_config_freep) RuntimeConfig *config = NULL;
        cleanup_free char *text = NULL;
        int r;

        r = runtime_config_load(call->globals->config, &config, err);
        if (r >= 0)
                r = runtime_config_check(config, err);
        if (r < 0)
                return r;
        text = runtime_config_to_text(config, !given->json);
        fputs(text, stdout);
        if (!str_ends_with(text, "\n"))
                putchar('\n');
        return 0;
}

const Command command_config = {
        .name = "config",
        .only_looks = true,
        .summary = "Show the configuration in effect, with what each key means",
        .options = options,
        .options_size = sizeof(Options),
        .run = run,
};
