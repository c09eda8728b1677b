/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What runs in the container, as the answer to a `processes` request. Its counters are cgroup_write_stats()'s. */

#include "agent/cgroup.h"
#include "common/base/json.h"

/* Writes a ProcessList. Processes that end meanwhile are left out. */
int stats_write_processes(const Cgroup *cgroup, JsonWriter *w, Error *err);
