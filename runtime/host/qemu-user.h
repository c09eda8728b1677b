/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The user QEMU and virtiofsd run as, and what that user may open. */

#include <stdint.h>

#include "common/base/error.h"

typedef struct QemuUser {
        uint32_t uid, gid;
} QemuUser;

/* NAME is a name or a number ("64055"; its group is that of the account, if there is one, else the same number). The
 * passwd file below ROOT is asked first, then, where ROOT is the host itself, NSS. ENOENT if there is no such user. */
int qemu_user_find(int root, const char *name, QemuUser *ret, Error *err);

/* NULL if that user can open /dev/kvm, perhaps as a member of *RET_GID (0: of no group in particular); else one line
 * that says what stands in the way. Owned by the caller. */
char *qemu_user_kvm_obstacle(int root, const QemuUser *user, uint32_t *ret_gid);
