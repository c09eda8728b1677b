/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A process that joins a container: treated as the container's own was. Pure, like the rest of the plan. */

#include "runtime/plan/plan.h"

typedef struct ExecDecision {
        Json *guest; /* the process, for the agent */
        char **warnings;
        char **notes;
} ExecDecision;

/* TREE is the process as given, PROCESS the same through the table. */
int plan_exec(const OciProcess *process, const Json *tree, ExecDecision *ret, Error *err);
void exec_decision_done(ExecDecision *decision);
