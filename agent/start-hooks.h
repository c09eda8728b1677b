/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* hooks.startContainer: programs of the container, run in it just before its own. All other hooks are the
 * host's. */

#include "common/oci/spec.h"

/* By the child, as the container's user. STATE is what they read from their standard input. The first one
 * that fails, or takes longer than its timeout, is an error. */
int start_hooks_run(const OciHooks *hooks, const char *state, Error *err);

/* The state of OCI, as JSON; owned by the caller. ID and BUNDLE may be NULL. */
char *start_hooks_state(const OciSpec *spec, const char *id, const char *bundle);
