/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "runtime/commands/container.h"

static int run(const CommandCall *call, Error *err) {
        cleanup(container_freep) Container *container = NULL;
        cleanup_free char *text = NULL;
        int r;

        r = container_open(call->globals, call->args[0], &container, err);
        if (r < 0)
                return r;
        text = container_state_text(container, false);
        printf("%s\n", text);
        return 0;
}

const Command command_state = {
        .name = "state",
        .args = "ID",
        .summary = "Show the state of a container as JSON",
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
