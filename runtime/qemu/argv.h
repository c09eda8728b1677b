/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From the plan of a machine to QEMU's arguments. Pure: descriptors have the fixed numbers of launch.h. */

#include "runtime/plan/plan.h"

/* argv of QEMU, program included; owned by the caller. */
char **qemu_argv(const VmPlan *vm);

/* TEXT as a value in one of QEMU's "key=value,..." options: commas doubled. Owned by the caller. */
char *qemu_escape(const char *text);
