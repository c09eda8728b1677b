/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the guest's kernel is fit for the plan, before anything is started. */

#include "common/base/error.h"
#include "runtime/config.h"
#include "runtime/plan/plan.h"

/* A wrong image is named here, in words, and not left to a machine that does not come up. Its options are looked at where
 * firmware or a GPU needs more of it; `checkKernel` turns all of it off. */
int kernel_check(const Plan *plan, const RuntimeConfig *config, Error *err);

/* Of a guest whose kernel has fewer processors on line (ONLINE) than its machine has: a line that says so, with the likely
 * cause, which is what the image says it was built without. Owned by the caller. Tens of milliseconds. */
char *kernel_explain_processors(const Plan *plan, uint32_t online);
