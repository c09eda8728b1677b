/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* When the command that made a container dies before its work is done, nobody will call delete: the shim removes what
 * was made for it on the host. */

#include "common/protocol/launch.h"

/* Leaves the container's cgroups (for their parents) and removes them, then the state folder, then does the plan's last act
 * (devices are given back). Failures are logged: what stays is found by `carrel doctor --repair`. */
void orphan_clean_up(const LaunchPlan *plan);
