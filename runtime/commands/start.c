/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/creation.h"

static int run(const CommandCall *call, Error *err) {
        cleanup(container_freep) Container *container = NULL;
        int r;

        r = container_open_locked(call->globals, call->args[0], OCI_START, &container, err);
        return r < 0 ? r : container_start(container, err);
}

const Command command_start = {
        .name = "start",
        .args = "ID",
        .summary = "Run the program of a created container",
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
