/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the shim gives up once QEMU runs and everything is mounted and open. */

#include "common/base/error.h"

/* No new privileges, and only the capabilities it still uses: CAP_KILL (QEMU has another user) and CAP_NET_ADMIN (the
 * container's network is joined at start). Its user stays root: the state folder and the cgroups belong to root. */
int sandbox_enter(Error *err);

/* All of them: for the proxies of execs, and for QEMU where it stays the user that the shim is. */
int sandbox_drop_all(Error *err);

/* setgroups(2) does nothing from here on, and succeeds: in a user namespace made by a user it can do nothing else but fail. */
int sandbox_keep_groups(Error *err);
