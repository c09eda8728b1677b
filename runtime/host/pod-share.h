/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files that the guest of a pod sees, from outside: the mount namespace of its virtiofsd, whose root they are. */

#include <sys/types.h>

#include "common/base/error.h"

/* SHIM: pid of the shim with the VM. Returns a descriptor. ENOTSUP: it has no virtiofsd (its share is 9p). */
int pod_share_open(pid_t shim, Error *err);

/* Takes away what MEMBER (LaunchPlan.member) had there. No error if there is nothing. */
int pod_share_remove(int namespace, const char *member, Error *err);
