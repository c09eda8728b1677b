/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the parts of the cgroup module share. Everybody else uses cgroup.h. */

#include <stdbool.h>
#include <stdint.h>

#include "agent/cgroup.h"

struct Cgroup {
        char *path;
        int root;    /* folder of the hierarchy */
        int fd;      /* the cgroup's own */
        int devices; /* BPF program attached to it; -1: none yet */
};

/* Value of the line "KEY VALUE"; false: there is none. */
bool cgroup_find_value(const char *text, const char *key, uint64_t *ret);
