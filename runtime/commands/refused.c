/* SPDX-License-Identifier: Apache-2.0 */

/* Commands of runc that make no sense here. They exist so that the refusal has a reason. */

#include "runtime/commands/command.h"

#define WHY                                                                                                  \
        "not supported: a container's processes are inside its virtual machine, where CRIU cannot see them"

const Command command_checkpoint = {
        .name = "checkpoint",
        .args = "ID",
        .summary = "Refused: processes in a virtual machine cannot be saved",
        .max_args = ARGS_ANY,
        .refusal = WHY,
};

const Command command_restore = {
        .name = "restore",
        .args = "ID",
        .summary = "Refused: as checkpoint",
        .max_args = ARGS_ANY,
        .refusal = WHY,
};
