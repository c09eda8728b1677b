/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* News for the engine that it cannot see from the host. */

#include "common/protocol/launch.h"

typedef struct Engine Engine;

/* PLAN is borrowed. */
Engine *engine_new(const LaunchPlan *plan);
/* Waits, two seconds at most, until the news have arrived. */
Engine *engine_free(Engine *engine);

/* The guest's kernel has killed a process of the container for want of memory. Does not wait; several within a second
 * are one. Called before the container's end is seen, it is known before that end. */
void engine_tell_oom(Engine *engine);
