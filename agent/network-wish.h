/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A NetworkConfig that was checked, with addresses as numbers. Pure. */

#include <net/if.h>
#include <stdbool.h>

#include "agent/network-items.h"
#include "common/protocol/network.h"

/* More than any engine gives to a container; NETWORK_CARDS_MAX and NETWORK_ROUTES_MAX hold for the rest. */
#define NETWORK_ADDRESSES_MAX  1024U /* of one interface */
#define NETWORK_NEIGHBOURS_MAX 4096U

/* NetworkItem.link in a wish: 0, none; this, lo; else 1 + the interface's place. */
#define WISH_LOOPBACK UINT32_MAX

/* Of network_settings. */
typedef struct WishSettings {
        bool given[NETWORK_SETTINGS];
        int32_t values[NETWORK_SETTINGS];
} WishSettings;

typedef struct WishInterface {
        uint32_t card;
        char name[IFNAMSIZ];
        uint8_t mac[MAC_SIZE];
        uint32_t mtu; /* 0: as it is */
        bool up, no_ipv6;
        WishSettings settings;
} WishInterface;

typedef struct Wish {
        WishInterface interfaces[NETWORK_CARDS_MAX];
        size_t n_interfaces;
        NetworkItems items; /* in the order in which they are to be made */
        bool dns;
} Wish;

/* The error names the interface, the route or the neighbour. */
int wish_new(const NetworkConfig *config, Wish **ret, Error *err);
Wish *wish_free(Wish *wish);
DEFINE_CLEANUP(Wish *, wish_free);
