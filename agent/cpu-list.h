/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lists of CPUs or memory nodes, as the kernel writes them: "0-3,7". */

#include <sched.h>
#include <stdbool.h>

/* False: not such a list, an empty one, or one beyond CPU_SETSIZE. */
bool cpu_list_parse(const char *text, cpu_set_t *ret);

/* The first member of LIST that is not in OF; -1: there is none. */
int cpu_list_missing(const cpu_set_t *list, const cpu_set_t *of);
