/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Addresses, routes of the main table and permanent neighbours in the kernel's own terms, and the set arithmetic that
 * turns what is wished for and what there is into what is to be done. Pure.
 */

#include <stddef.h>
#include <stdint.h>

#define MAC_SIZE 6U

typedef struct IpAddress {
        uint8_t family; /* AF_INET, AF_INET6; 0: none */
        uint8_t bytes[16];
} IpAddress;

/* Bytes of an address: 4 or 16. */
uint8_t ip_size(uint8_t family);

typedef enum NetworkItemKind {
        ITEM_ADDRESS, /* in the order in which they are made */
        ITEM_ROUTE,
        ITEM_NEIGHBOUR,
} NetworkItemKind;

/* Items are compared as bytes: what the kernel chooses by itself is 0, and so is what a kind has no use for. */
typedef struct NetworkItem {
        uint32_t link;   /* the interface; 0: none */
        uint32_t metric; /* route */
        uint32_t mtu;    /* route */
        uint32_t flags;  /* address: IFA_F_…; route: RTNH_F_ONLINK */
        uint8_t kind;
        uint8_t prefix;   /* address, route */
        uint8_t scope;    /* address, route; IPv4 only */
        uint8_t type;     /* route */
        uint8_t protocol; /* route */
        uint8_t mac[MAC_SIZE];
        IpAddress address;   /* the address itself; destination of a route; a neighbour */
        IpAddress peer;      /* address */
        IpAddress broadcast; /* address */
        IpAddress gateway;   /* route */
        IpAddress source;    /* route */
} NetworkItem;
_Static_assert(sizeof(NetworkItem) == 112, "nothing between the fields");

/* Makes an item as it is wished for, or as the kernel tells of it, comparable with others. */
void network_item_normalize(NetworkItem *item);

/* "address 10.0.0.2/24", "route to 10.1.0.0/16 by 10.0.0.1", "neighbour 10.0.0.1"; owned by the caller. */
char *network_item_text(const NetworkItem *item);

typedef struct NetworkItems {
        NetworkItem *items;
        size_t n, size;
} NetworkItems;

void network_items_add(NetworkItems *list, const NetworkItem *item);
void network_items_done(NetworkItems *list);
/* Adds to *ret those of A that are not in B, in A's order. */
void network_items_subtract(const NetworkItems *a, const NetworkItems *b, NetworkItems *ret);
