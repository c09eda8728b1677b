/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The boot timeline of a container in words: what took how long between the engine's call and the program. */

#include <stdio.h>

#include "common/protocol/launch.h"

/* A table with a bar for each phase. Phases that were not reached are left out. */
void timeline_print(const ShimStatus *status, FILE *out);
