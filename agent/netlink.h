/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the agent says to the kernel about links, addresses, routes and neighbours: rtnetlink(7), through libnl. */

#include <net/if.h>
#include <stdbool.h>

#include "agent/network-items.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"

typedef struct Netlink Netlink;

int netlink_new(Netlink **ret, Error *err);
Netlink *netlink_free(Netlink *netlink);
DEFINE_CLEANUP(Netlink *, netlink_free);

/* A descriptor that can be read when a link has appeared, changed or gone. To be closed; what it says is of no
 * interest but for emptying it. */
int netlink_open_events(int *ret, Error *err);
void netlink_drop_events(int fd);

typedef struct NetworkLink {
        uint32_t index;
        char name[IFNAMSIZ];
        uint8_t mac[MAC_SIZE];
        uint8_t permanent[MAC_SIZE]; /* zeros: it has no permanent address */
        uint32_t mtu;
        bool up;
        bool running; /* and has a carrier */
        bool loopback;
} NetworkLink;

/* All there are. The array is owned by the caller. */
int netlink_links(Netlink *netlink, NetworkLink **ret, size_t *ret_n, Error *err);

/* The kernel looks at carriers when it finds the time, up to a second later: unless it is asked about this one link. A
 * link that is gone does not run. */
int netlink_link_is_running(Netlink *netlink, uint32_t index, bool *ret, Error *err);

/* One thing of a link at a time. */
int netlink_set_name(Netlink *netlink, uint32_t index, const char *name, Error *err);
int netlink_set_mac(Netlink *netlink, uint32_t index, const uint8_t mac[MAC_SIZE], Error *err);
int netlink_set_mtu(Netlink *netlink, uint32_t index, uint32_t mtu, Error *err);
int netlink_set_up(Netlink *netlink, uint32_t index, bool up, Error *err);

/* Appends all items of a kind, whose fields are as network_item_normalize() leaves them. */
int netlink_items(Netlink *netlink, NetworkItemKind kind, NetworkItems *ret, Error *err);
/* Existing ones are no error. */
int netlink_add(Netlink *netlink, const NetworkItem *item, Error *err);
/* Missing ones are no error. */
int netlink_remove(Netlink *netlink, const NetworkItem *item, Error *err);
