/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/creation.h"

typedef struct Options {
        CreateOptions create;
} Options;

static const Option options[] = {
        CREATE_OPTIONS(Options, create),
        {},
};

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        ContainerRequest request = {
                .globals = call->globals,
                .options = &given->create,
                .id = call->args[0],
        };
        cleanup_created Created made = CREATED_NONE;

        return container_create(&request, &made, err);
}

const Command command_create = {
        .name = "create",
        .args = "ID",
        .summary = "Create a container: its virtual machine boots, its program waits for start",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
