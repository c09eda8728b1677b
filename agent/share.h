/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The folder the host shares with the guest, at GUEST_SHARE: the container's root file system and its bind mounts. */

#include "common/base/error.h"

/* TYPE: "virtiofs" or "9p". */
int share_mount(const char *type, Error *err);
/* Writes out what is not yet on the host. */
void share_sync(void);
/* share_sync(), and lets go of the files of the pod's container whose root is ROOTFS. */
void share_forget(const char *rootfs);
/* share_sync(), and takes the share away from everything that does not have it open. */
void share_unmount(void);
