/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What QEMU can see of the host's files: its own mount namespace with a /dev of its own and without the shared tree; and
 * how much memory it may pin. */

#include "common/base/error.h"

/* SpawnSpec.setup of QEMU; USER is the LaunchPlan. Runs in the child, still as root. */
int jail_enter(void *user, Error *err);
