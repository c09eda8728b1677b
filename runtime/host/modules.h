/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Modules of the host's kernel. */

#include "common/base/error.h"

/* Loads what NAME stands for (a module's name, or an alias: "pci:v000010DEd...") from /lib/modules below ROOT (host-root.h),
 * with all it needs; what is loaded or built in already is. ENOENT: this kernel has no such module; EPERM and others:
 * what the kernel says. */
int module_load(int root, const char *name, Error *err);
