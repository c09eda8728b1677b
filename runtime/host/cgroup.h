/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The container's cgroup on the host: shim, QEMU, virtiofsd and exec proxies live in it, so that engines find their
 * figures where they look for them and the host's limits cover the whole virtual machine. What the container's own
 * processes get inside the guest is the agent's business.
 *
 * A container has one folder in each mounted hierarchy: every controller of version 1, the one of version 2, or both
 * (hybrid hosts). Which files a folder has says what it can do; nothing else is remembered but the folders' paths.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/oci/linux.h"

/*
 * The folders (Strv, absolute) for linux.cgroupsPath (NULL: /carrel/<id>): absolute paths count from the root of each
 * hierarchy, relative ones from the cgroup this process is in.
 */
int cgroup_folders(const char *cgroups_path, const char *id, char ***ret, Error *err);

/* The same from the texts of /proc/self/mountinfo and /proc/self/cgroup. Hierarchies that are not mounted do not
 * count, whatever folders of their name there may be. */
int cgroup_resolve(const char *mountinfo, const char *own, const char *path, char ***ret, Error *err);

/* Makes a folder, ready to take processes and limits. One that exists is taken as it is. */
int cgroup_make(const char *folder, Error *err);

/* Limits of the whole machine; 0: nothing is changed. */
#define CGROUP_UNLIMITED UINT64_MAX
int cgroup_limit_memory(char *const *folders, uint64_t bytes, Error *err);
/* CPU may be NULL. What no mounted controller can do is returned as warnings (Strv). */
int cgroup_limit_cpu(char *const *folders, const OciCpu *cpu, char ***warnings, Error *err);

/* The least of the limits of memory of the cgroups above these, in bytes; 0: none of them has one. */
uint64_t cgroup_memory_above(char *const *folders);

/* cpu.shares of version 1, 2 to 262144, as cpu.weight of version 2, 1 to 10000. */
uint64_t cgroup_weight(uint64_t shares);

/* The folder of version 2, borrowed; NULL: none is mounted. */
const char *cgroup_unified(char *const *folders);
/* Moves the calling process, which has one thread, into all; BORN: it is in that of version 2 already. */
int cgroup_join(char *const *folders, bool born, Error *err);

/* The processes in one folder. */
int cgroup_pids(const char *folder, pid_t **ret, size_t *ret_n, Error *err);

/* Lets frozen processes run, so that they can be killed. */
void cgroup_thaw(char *const *folders);
/* SIGKILL for every process in them. */
void cgroup_kill(char *const *folders);

/* Removes a folder with those below it; waits up to two seconds for processes that are going. Not there: no error. */
int cgroup_remove(const char *folder, Error *err);
