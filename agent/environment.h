/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The container's environment: everything between a config.json and the execve(2) of its program, in the
 * guest.
 *
 * The order, and who does what in which namespaces (the "socket" is whatever agent and child talk over):
 *
 *   agent   environment_new()          checks and compiles; sets the agent's personality
 *   agent   cgroup_new(), cgroup_apply()
 *   agent   clone3(environment_clone_flags() | CLONE_INTO_CGROUP | CLONE_PIDFD, without CLONE_VM)
 *   child   waits
 *   agent   environment_attach()       maps of ids, settings of the guest itself
 *   agent   tells the child to go on
 *   child   environment_setup()        namespaces, mounts, root, terminal, identity
 *   child   tells the agent "ready", or the error; waits for START
 *   agent   program_limit()            rlimits and what else takes the agent's privileges
 *   agent   answers CREATE; at START tells the child to go on
 *   child   environment_exec()         startContainer hooks, look-up of the program, seccomp, execve; comes
 *                                      back only with an error
 *
 * The child must end with _exit(). It needs nothing of the agent's but memory, descriptors 0, 1, 2 as the
 * container is to have them (any, with a terminal), and its end of the socket, O_CLOEXEC: that it closes is
 * the sign of success. The agent's root must be a mount that pivot_root(2) can leave, that is not the initial
 * ramfs, and have /proc, /sys/fs/cgroup (cgroup v2), /dev (devtmpfs) and GUEST_SHARE without nosuid, nodev or
 * noexec.
 */

#include <stdint.h>
#include <sys/types.h>

#include "agent/cgroup.h"
#include "agent/driver.h"
#include "common/oci/spec.h"

typedef struct EnvironmentOptions {
        const OciSpec *spec;  /* borrowed until environment_free() */
        const Cgroup *cgroup; /* borrowed; the one the child is cloned into; NULL (tests): no cgroup */
        const Driver *driver; /* borrowed; NULL: the container gets none of a driver bundle */
        const char *id;       /* for the state that startContainer hooks read; may be NULL */
        const char *bundle;
        /* With process.terminal: called by the child once the container's root is "/" and it leads a
         * session, as root of its user namespace. Makes a terminal in the container (terminal_open()),
         * which becomes descriptors 0 to 2, and sends the master to the agent. environment_setup() then
         * puts it on /dev/console. */
        int (*open_terminal)(void *user, Error *err);
        /* Called by the child, for the log of the agent. */
        void (*warn)(void *user, const char *text);
        void *user;
} EnvironmentOptions;

typedef struct Environment Environment;

/* Refuses what the guest cannot honour, and warns through the log about what does not matter. */
int environment_new(const EnvironmentOptions *options, Environment **ret, Error *err);
Environment *environment_free(Environment *e);
DEFINE_CLEANUP(Environment *, environment_free);

uint64_t environment_clone_flags(const Environment *e);

/* CHILD is the cloned process in the agent's pid namespace. */
int environment_attach(Environment *e, pid_t child, Error *err);
int environment_setup(Environment *e, Error *err);
int environment_exec(Environment *e, Error *err);

/* The compiled linux.seccomp, which also holds for processes of `exec`; NULL: none. Owned by E. */
const Seccomp *environment_seccomp(const Environment *e);
const Driver *environment_driver(const Environment *e);
