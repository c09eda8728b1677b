/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Arguments of virtiofsd, in the two dialects there are: that of QEMU's own C program (to 7.2) and that of the
 * later program in Rust. Pure. */

#include "runtime/plan/plan.h"

/* argv, program included; owned by the caller. Only for a plan with SHARE_VIRTIOFS. */
char **virtiofsd_argv(const VmPlan *vm);
