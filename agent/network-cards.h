/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The machine's network cards, by number. A card that no interface uses is taken from its driver, so that a container
 * sees the interfaces it is to have and no others.
 *
 * Under test, in namespaces instead of a virtual machine, a card is any link that had the card's hardware address
 * when it was first seen, and is set down instead.
 */

#include "agent/netlink.h"
#include "agent/network-wish.h"

#define NETWORK_CARDS_KNOWN 256U /* numbers there can be */

typedef struct NetworkCard {
        uint32_t test_link; /* under test: index of its link; 0: not seen yet */
        char device[16];    /* "virtio3" that was taken from its driver, or is being so; "": it was not */
        bool hiding;
        uint32_t configured; /* index of the link that has had what is said once; 0: none */
        bool no_ipv6;        /* this */
        WishSettings settings;
} NetworkCard;

typedef struct NetworkCards {
        bool test;
        NetworkCard cards[NETWORK_CARDS_KNOWN];
} NetworkCards;

/* The number of the card behind a link; false: there is none. */
bool network_card_number(NetworkCards *cards, const NetworkLink *link, uint32_t *ret);

/* Marks it, for network_cards_hide(). Under test it is set down at once. */
int network_card_hide(NetworkCards *cards, Netlink *netlink, const NetworkLink *link, uint32_t number,
                      Error *err);
/* Begins to hide all that are marked. The kernel waits for this long (grace periods of RCU), hardly using a processor,
 * so a child does it, whom PID 1 waits for as for any other. *RET, the caller's, is readable when it is done: then
 * network_cards_hidden() tells how it went. */
int network_cards_hide(NetworkCards *cards, int *ret, Error *err);
int network_cards_hidden(NetworkCards *cards, int fd, Error *err);
/* Whether it was hidden, and is a link again. */
bool network_card_show(NetworkCards *cards, uint32_t number);
