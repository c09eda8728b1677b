/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network-items.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* The kernel's for IPv6 routes that come without one. */
#define IP6_METRIC 1024U

/* Flags that a user sets. IFA_F_NODAD is not among them: no address of a guest is looked for on the wire. */
#define IP4_FLAGS (IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)
#define IP6_FLAGS (IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR)

uint8_t ip_size(uint8_t family) {
        return family == AF_INET ? 4 : 16;
}

static bool has_nexthop(const NetworkItem *route) {
        return route->type < RTN_BLACKHOLE || route->type > RTN_THROW;
}

void network_item_normalize(NetworkItem *item) {
        bool ip6 = item->address.family == AF_INET6;

        if (item->kind == ITEM_ADDRESS)
                item->flags &= ip6 ? IP6_FLAGS : IP4_FLAGS;
        if (item->kind == ITEM_ADDRESS && memcmp(&item->peer, &item->address, sizeof(item->peer)) == 0)
                item->peer = (IpAddress){ 0 };
        if (item->kind == ITEM_ROUTE) {
                item->flags &= RTNH_F_ONLINK;
                if (item->protocol == RTPROT_UNSPEC)
                        item->protocol = RTPROT_BOOT;
                if (ip6 && item->metric == 0)
                        item->metric = IP6_METRIC;
                /* IPv6 has those on lo */
                if (!has_nexthop(item))
                        item->link = 0;
        }
        if (ip6)
                item->scope = 0;
}

char *network_item_text(const NetworkItem *item) {
        char address[INET6_ADDRSTRLEN] = "?", gateway[INET6_ADDRSTRLEN] = "?";

        inet_ntop(item->address.family, item->address.bytes, address, sizeof(address));
        if (item->kind == ITEM_NEIGHBOUR)
                return xasprintf("neighbour %s", address);
        if (item->kind == ITEM_ADDRESS)
                return xasprintf("address %s/%u", address, item->prefix);
        if (item->gateway.family == 0)
                return xasprintf("route to %s/%u", address, item->prefix);
        inet_ntop(item->gateway.family, item->gateway.bytes, gateway, sizeof(gateway));
        return xasprintf("route to %s/%u by %s", address, item->prefix, gateway);
}

/* ---- lists ---- */

void network_items_add(NetworkItems *list, const NetworkItem *item) {
        if (list->n == list->size) {
                list->size = list->size ? 2 * list->size : 16;
                list->items = xreallocarray(list->items, list->size, sizeof(*list->items));
        }
        list->items[list->n++] = *item;
}

void network_items_done(NetworkItems *list) {
        free(list->items);
        *list = (NetworkItems){ 0 };
}

static int compare(const void *a, const void *b) {
        return memcmp(a, b, sizeof(NetworkItem));
}

void network_items_subtract(const NetworkItems *a, const NetworkItems *b, NetworkItems *ret) {
        size_t n = b->n; /* RET may be B */
        NetworkItem *sorted = xnew(NetworkItem, n + 1);

        if (n > 0)
                memcpy(sorted, b->items, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), compare);
        for (size_t i = 0; i < a->n; i++)
                if (!bsearch(&a->items[i], sorted, n, sizeof(*sorted), compare))
                        network_items_add(ret, &a->items[i]);
        free(sorted);
}
