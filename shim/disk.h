/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Block devices of the host that the machine gets as disks. */

#include "common/protocol/launch.h"

/* Opens those of PLAN, for reading and writing unless they are read-only. FDS has room for DISKS_MAX; what is opened there
 * the caller closes, also on failure. */
int disks_open(const LaunchPlan *plan, int *fds, Error *err);
