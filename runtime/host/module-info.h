/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a kernel module says of itself (modinfo(8)), read with libkmod. */

#include "common/base/error.h"

typedef struct ModuleInfo {
        char *vermagic; /* "6.12.117-carrel SMP mod_unload " */
        char **depends; /* names of modules it needs */
} ModuleInfo;

/* PATH is absolute. EINVAL with a line that does not name it: no module for x86-64, or packed. */
int module_info_read(const char *path, ModuleInfo *ret, Error *err);
void module_info_done(ModuleInfo *info);
#define cleanup_module_info cleanup(module_info_done)
