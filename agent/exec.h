/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Processes executed in the running container, beside its init. */

#include "agent/container.h"

/* Starts setting one up; the process table reports when it is ready, runs, or failed. SEQ is the request's. */
int exec_start(ProcessTable *table, const Container *container, const ExecRequest *request, uint32_t seq,
               Error *err);
/* It has reported that it is ready: gives it what takes the agent's privileges, and lets its program run. */
int exec_ready(Process *process, Error *err);
