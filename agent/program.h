/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a process object of OCI to a running program, for the container's own process (through environment.h)
 * and for those of `exec`. For the latter:
 *
 *   agent   clones a child into cgroup_open_for(); it joins the namespaces of the container's process
 *           (namespaces_join_flags()) and forks once more for the pid namespace
 *   child   terminal_open() if it has one, or descriptors 0, 1, 2 as they are to be
 *   child   program_setup(), says "ready", waits
 *   agent   program_limit(); tells the child to go on
 *   child   program_exec()
 */

#include <sys/types.h>

#include "agent/seccomp.h"
#include "common/oci/spec.h"

typedef struct Program Program;

/* By the agent, with all its privileges, on a process that waits to exec: rlimits, oomScoreAdj, ioPriority,
 * scheduler. They come late because a low limit would get in the way of the setup. */
int program_limit(const OciProcess *process, pid_t pid, Error *err);

/*
 * By the child, in the container's namespaces and root, as root of its user namespace: owner of stdio,
 * no_new_privs, bounding set, umask, groups, ids, working folder, environment; whether args[0] can be found,
 * with runc's words when it cannot. Every descriptor above 2 becomes O_CLOEXEC. SECCOMP may be NULL. PROCESS and SECCOMP are borrowed until program_free().
 */
int program_setup(const OciProcess *process, const Seccomp *seccomp, Program **ret, Error *err);

/* Look-up of args[0]; signals to their defaults and unblocked; capabilities and seccomp; execve(2). Comes back only with an error. */
int program_exec(Program *program, Error *err);
Program *program_free(Program *program);
DEFINE_CLEANUP(Program *, program_free);

/* Pure parts, for tests. */

/* The environment the program gets: of equal names the last one counts, HOME is added if it is missing or
 * empty. EINVAL for an entry that is not NAME=VALUE. */
int program_environment(char *const *env, const char *home, char ***ret, Error *err);

/* Home folder of UID in the text of an /etc/passwd; NULL if it has none. Owned by the caller. */
char *program_find_home(const char *passwd, uid_t uid);

/* What to hand to execve(2) for FILE, found as Go's exec.LookPath does with the PATH of ENV. */
int program_look_up(const char *file, char *const *env, char **ret, Error *err);
