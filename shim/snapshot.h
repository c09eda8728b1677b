/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What there is of a network in the namespace of the shim: interfaces, addresses, routes, neighbours. */

#include <stdint.h>

#include "common/protocol/network.h"
#include "shim/netlink.h"

#define SNAPSHOT_LINKS_MAX 64U

typedef struct Snapshot {
        NetworkConfig config; /* Ethernet-like interfaces but our taps; no cards, no dns yet */
        uint32_t indexes[SNAPSHOT_LINKS_MAX]; /* numbers of config.interfaces */
        char **unfit; /* names of interfaces that are up and cannot be given to a guest */
        const uint32_t *skip;
        size_t n_skip;
} Snapshot;

/* SKIP: numbers of interfaces that are ours; borrowed. Free with snapshot_free(). */
int snapshot_take(Netlink *netlink, const uint32_t *skip, size_t n_skip, Snapshot **ret, Error *err);
Snapshot *snapshot_free(Snapshot *snapshot);
DEFINE_CLEANUP(Snapshot *, snapshot_free);

/* One message of a dump into the snapshot (links first); those of no interest are ignored. */
void snapshot_add(Snapshot *snapshot, struct nlmsghdr *message);
