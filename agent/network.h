/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The guest's network, made as a NetworkConfig says, whatever it was before: at START, and again whenever the host
 * sends another one. What was asked for earlier and is no more goes away; everything else, the container's own doings
 * among it, stays as it is, so that connections over an interface that did not change live on.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/loop.h"
#include "common/protocol/network.h"

typedef struct Network Network;

/* ERROR: why it could not be made; NULL: it is there, with carriers. DNS: as in the configuration. */
typedef void (*NetworkDoneFn)(uint32_t seq, bool dns, const Error *error, void *user);

/* TEST: in namespaces, not in a guest. */
Network *network_new(Loop *loop, bool test);
Network *network_free(Network *network);

/* Checks CONFIG at once; DONE is called when it is real, maybe before this returns, but not after an error. One at a
 * time: later ones wait for earlier ones. */
int network_apply(Network *network, const NetworkConfig *config, uint32_t seq, NetworkDoneFn done, void *user,
                  Error *err);
