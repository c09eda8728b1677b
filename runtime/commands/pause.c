/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/container.h"
#include "runtime/host/client.h"

#define TIMEOUT_MS 20000

static int ask(const CommandCall *call, OciOperation operation, uint16_t type, Error *err) {
        cleanup(container_freep) Container *container = NULL;
        cleanup(client_freep) Client *client = NULL;
        Frame reply;
        int r;

        r = container_open_locked(call->globals, call->args[0], operation, &container, err);
        if (r >= 0)
                r = client_connect(container->entry->dir, &client, err);
        if (r >= 0)
                r = client_request(client, type, NULL, NULL, TIMEOUT_MS, &reply, err);
        return container_check_answer(r, err);
}

static int run_pause(const CommandCall *call, Error *err) {
        return ask(call, OCI_PAUSE, FRAME_PAUSE, err);
}

static int run_resume(const CommandCall *call, Error *err) {
        return ask(call, OCI_RESUME, FRAME_RESUME, err);
}

const Command command_pause = {
        .name = "pause",
        .args = "ID",
        .summary = "Stop a container's virtual machine where it is",
        .min_args = 1,
        .max_args = 1,
        .run = run_pause,
};

const Command command_resume = {
        .name = "resume",
        .args = "ID",
        .summary = "Let a paused container go on",
        .min_args = 1,
        .max_args = 1,
        .run = run_resume,
};
