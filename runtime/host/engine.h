/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which engine has called, as far as it wants to be told what cannot be seen from the host (shim/engine.c). */

#include "common/protocol/launch.h"

/*
 * Fills containerd_events, containerd_namespace and oom_mark of PLAN from the environment of the call, ROOT (--root) and
 * BUNDLE (absolute). Without an engine they stay NULL.
 */
void engine_find(const char *root, const char *bundle, LaunchPlan *plan);
