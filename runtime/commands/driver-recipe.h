/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bundles of drivers that are built from their sources first, by a program of ours (drivers/NAME/build in the sources). */

#include "runtime/host/driver-build.h"

/*
 * Runs the recipe NAME on SOURCE against the kernel's tree: TREE, or else what lies beside KERNEL (may be NULL). It
 * leaves a folder, of which the bundle is made as HOW says (its folder is not looked at); the file's name is printed.
 */
int driver_recipe_build(const char *name, const char *source, const char *tree, const char *kernel,
                        const DriverBuild *how, Error *err);
