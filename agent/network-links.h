/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Interfaces: which link is whose, and their names, hardware addresses and the rest that is not an address. */

#include "agent/network-cards.h"
#include "agent/network-wish.h"

typedef struct NetworkLinks {
        NetworkLink *links;
        size_t n;
        NetworkLink *of[NETWORK_CARDS_MAX]; /* that of the n-th interface of the wish; NULL: not there */
} NetworkLinks;

/* Reads what there is, and shows hidden cards that are wanted again. *RET is cleared first. */
int network_links_read(NetworkCards *cards, Netlink *netlink, const Wish *wish, NetworkLinks *ret,
                       Error *err);
void network_links_done(NetworkLinks *links);

/* The first interface without a link; NULL: none. */
const WishInterface *network_links_missing(const NetworkLinks *links, const Wish *wish);
/* The first one that is up and has no carrier; NULL: none. */
int network_links_waiting(const NetworkLinks *links, Netlink *netlink, const Wish *wish,
                          const WishInterface **ret, Error *err);

/* Marks the cards that the wish does not name, to be hidden: 1 if there are any. */
int network_links_hide(const NetworkLinks *links, NetworkCards *cards, Netlink *netlink, const Wish *wish,
                       Error *err);
/* Makes the links of the wish what they are to be. All must be there. */
int network_links_apply(NetworkLinks *links, NetworkCards *cards, Netlink *netlink, const Wish *wish,
                        Error *err);

/* Index of the link that an item of the wish speaks of. */
uint32_t network_links_index(const NetworkLinks *links, uint32_t link);
/* Whether it speaks IPv6: neither the wish nor the container may want it, and the kernel then takes no address. */
bool network_links_have_ip6(const char *name);
