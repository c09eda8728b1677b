/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Hooks of the specification that run on the host: prestart, createRuntime, poststart and poststop in the runtime's
 * namespaces, createContainer in the shim's (which are what the container has on the host). startContainer hooks are the
 * agent's. */

#include "common/base/error.h"
#include "common/oci/spec.h"

typedef struct HookRun {
        const char *name;   /* "prestart": for messages */
        const char *state;  /* the state document, for standard input */
        const char *bundle; /* folder the hooks start in */
        int namespaces_of; /* pidfd of the process whose net, mount, uts and ipc namespaces they get; -1: ours */
        int root;          /* with namespaces_of: the host's root as that process has it */
} HookRun;

/* Runs them one after the other until one fails: does not start, does not end with 0, or takes longer than its
 * timeout. The error has what it printed. */
int hooks_run(const HookRun *run, const OciHook *hooks, size_t n_hooks, Error *err);
