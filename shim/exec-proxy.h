/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The host process that stands for one exec'ed process: engines wait for it, signal it and kill it. */

#include "common/protocol/launch.h"

/* Runs the process and returns its exit status; EXIT_PROXY_LOST when the container ended first. PLAN is borrowed. */
int exec_proxy_run(const ExecPlan *plan, Error *err);

#define EXIT_PROXY_LOST 137 /* as if killed with the container: 128 + SIGKILL */
