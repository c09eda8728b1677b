/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The container's network: taps for the guest's cards, and, from `start` on, interfaces of the shim's network namespace
 * spliced onto them. All in the namespace in which network_new() was called.
 */

#include "common/base/loop.h"
#include "common/protocol/launch.h"

typedef struct Network Network;

/* Opens the taps. PLAN is borrowed. */
int network_new(Loop *loop, const LaunchPlan *plan, Network **ret, Error *err);

/* Leaves a network namespace that belongs to somebody else as it was. NULL is fine. */
Network *network_free(Network *network);
DEFINE_CLEANUP(Network *, network_free);

/* Descriptors of the taps, LaunchPlan.network_cards of them, until network_taps_given(). */
const int *network_taps(const Network *network);
void network_taps_given(Network *network);

/* Looks at the namespace, splices what is there, and says what the guest is to have: a NetworkConfig as JSON, owned by
 * NETWORK, valid until the next call. */
int network_apply(Network *network, const char **ret_config, Error *err);

/* From now on, calls CHANGED with a new NetworkConfig whenever there is one. */
typedef void (*NetworkChangedFn)(const char *config, void *user);
int network_watch(Network *network, NetworkChangedFn changed, void *user, Error *err);
