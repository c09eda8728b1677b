/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Making driver bundles, and a thorough look at them; both for people, with erofs-utils. */

#include <stdbool.h>

#include "common/protocol/driver.h"

typedef struct DriverBuild {
        const char *folder; /* with manifest.json */
        const char *output; /* file; NULL: NAME.erofs in the current folder */
        bool compress;
} DriverBuild;

/* Same folder, same bytes. *ret_output: the file, owned by the caller. It is there whole or not at all. */
int driver_build(const DriverBuild *build, DriverManifest **ret, char **ret_output, Error *err);

/*
 * The files the manifest names are in FOLDER and are what they should be; modules are for the manifest's kernel and need
 * none that is not loaded before. FILL: kernel and dependencies are taken from the modules (building) and not compared
 * with them.
 */
int driver_check_files(const char *folder, DriverManifest *manifest, bool fill, Error *err);

/* Everything of the bundle FILE: its image is taken apart by fsck.erofs. KERNEL (may be NULL): an image it must suit. */
int driver_verify(const char *file, const char *kernel, DriverManifest **ret, Error *err);
