/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The options of a mount of config.json, as what the kernel takes. Pure: nothing here mounts anything. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

typedef struct MountOptions {
        /* MOUNT_ATTR_... of the mount alone, and of it and all below it; what is neither set nor cleared
         * stays as it is (a bind mount of a nosuid file system stays nosuid). */
        uint64_t set, clear;
        uint64_t recursive_set, recursive_clear;
        unsigned long superblock;  /* MS_RDONLY, MS_SYNCHRONOUS ...: of the file system, for new ones */
        unsigned long propagation; /* MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE; 0: as it comes */
        bool propagation_recursive;
        bool bind, rbind; /* RBIND implies BIND */
        bool remount;
        bool copy_up;
        char **data; /* "key=value" or "key" for the file system: whatever is none of ours */
} MountOptions;

void mount_options_parse(char *const *options, MountOptions *ret);
void mount_options_done(MountOptions *o);

#define cleanup_mount_options __attribute__((__cleanup__(mount_options_done)))
