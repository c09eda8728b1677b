/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Four dumps of rtnetlink(7): links, addresses, routes, neighbours. What the kernel makes by itself on the guest's side
 * as it did here is left out: routes of protocol "kernel", which come with addresses, the local and the multicast
 * tables, neighbours that were learned. All interfaces that carry Ethernet frames count, up or not, since only those
 * can be spliced onto a tap; tunnels that the kernel puts into every namespace are down and of no interest.
 */
#include "shim/snapshot.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define TRIES 10U

/* One more, zeroed, at the end of an array of COUNT. */
static void *grow(void **array, size_t *count, size_t size) {
        char *p = xreallocarray(*array, *count + 1, size);

        *array = p;
        p += *count * size;
        memset(p, 0, size);
        (*count)++;
        return p;
}

#define GROW(array, count) grow((void **)&(array), &(count), sizeof(*(array)))

static NetworkInterface *find_interface(Snapshot *s, uint32_t index) {
        for (size_t i = 0; i < s->config.n_interfaces; i++)
                if (s->indexes[i] == index)
                        return &s->config.interfaces[i];
        return NULL;
}

/* ---- text of addresses ---- */

static char *address_text(int family, const struct nlattr *attribute) {
        char text[INET6_ADDRSTRLEN];
        int length = family == AF_INET ? 4 : 16;

        if (!attribute || nla_len(attribute) < length ||
            !inet_ntop(family, nla_data(attribute), text, sizeof(text)))
                return NULL;
        return xstrdup(text);
}

static char *mac_text(const struct nlattr *attribute) {
        const unsigned char *m;

        if (!attribute || nla_len(attribute) != 6)
                return NULL;
        m = nla_data(attribute);
        return xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* ---- links ---- */

/* IFLA_AF_SPEC: for each family its own attributes; for IPv6 an array of the interface's settings. Without IPv6 in the
 * kernel there is nothing. */
static bool ipv6_is_off(struct nlattr *af_spec) {
        struct nlattr *family, *conf;
        int rest;

        nla_for_each_nested(family, af_spec, rest) {
                if (nla_type(family) != AF_INET6)
                        continue;
                conf = nla_find(nla_data(family), nla_len(family), IFLA_INET6_CONF);
                if (conf && nla_len(conf) >= (int)((DEVCONF_DISABLE_IPV6 + 1) * sizeof(int32_t))) {
                        const int32_t *values = nla_data(conf);

                        return values[DEVCONF_DISABLE_IPV6] != 0;
                }
        }
        return true;
}

static bool is_skipped(const Snapshot *s, uint32_t index) {
        for (size_t i = 0; i < s->n_skip; i++)
                if (s->skip[i] == index)
                        return true;
        return false;
}

static void add_link(Snapshot *s, struct nlmsghdr *message) {
        const struct ifinfomsg *header = nlmsg_data(message);
        struct nlattr *a[IFLA_MAX + 1];
        cleanup_free char *mac = NULL;
        NetworkInterface *interface;

        if (nlmsg_parse(message, sizeof(*header), a, IFLA_MAX, NULL) < 0 || !a[IFLA_IFNAME])
                return;
        if (header->ifi_flags & IFF_LOOPBACK || is_skipped(s, (uint32_t)header->ifi_index))
                return;
        mac = mac_text(a[IFLA_ADDRESS]);
        if (header->ifi_type != ARPHRD_ETHER || !mac || s->config.n_interfaces >= SNAPSHOT_LINKS_MAX) {
                if (header->ifi_flags & IFF_UP)
                        strv_append(&s->unfit, nla_get_string(a[IFLA_IFNAME]));
                return;
        }
        s->indexes[s->config.n_interfaces] = (uint32_t)header->ifi_index;
        interface = GROW(s->config.interfaces, s->config.n_interfaces);
        interface->name = xstrdup(nla_get_string(a[IFLA_IFNAME]));
        interface->mac = TAKE_PTR(mac);
        interface->mtu = a[IFLA_MTU] ? nla_get_u32(a[IFLA_MTU]) : 1500;
        interface->up = header->ifi_flags & IFF_UP;
        interface->no_ipv6 = !a[IFLA_AF_SPEC] || ipv6_is_off(a[IFLA_AF_SPEC]);
}

/* ---- addresses ---- */

static void add_address(Snapshot *s, struct nlmsghdr *message) {
        const struct ifaddrmsg *header = nlmsg_data(message);
        struct nlattr *a[IFA_MAX + 1];
        NetworkInterface *interface;
        NetworkAddress *address;
        cleanup_free char *local = NULL, *other = NULL;

        if (nlmsg_parse(message, sizeof(*header), a, IFA_MAX, NULL) < 0)
                return;
        interface = find_interface(s, header->ifa_index);
        if (!interface || (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
                return;
        /* IFA_ADDRESS is the other end of a point-to-point link when there is an IFA_LOCAL that differs */
        local = address_text(header->ifa_family, a[IFA_LOCAL]);
        other = address_text(header->ifa_family, a[IFA_ADDRESS]);
        if (!local && !other)
                return;
        address = GROW(interface->addresses, interface->n_addresses);
        if (local && other && !streq(local, other))
                address->peer = TAKE_PTR(other);
        address->address = local ? TAKE_PTR(local) : TAKE_PTR(other);
        address->prefix = header->ifa_prefixlen;
        address->scope = header->ifa_scope;
        address->broadcast = header->ifa_family == AF_INET ? address_text(AF_INET, a[IFA_BROADCAST]) : NULL;
        address->flags = (a[IFA_FLAGS] ? nla_get_u32(a[IFA_FLAGS]) : header->ifa_flags) & IFA_F_NOPREFIXROUTE;
}

/* ---- routes ---- */

static uint32_t route_mtu(struct nlattr *metrics) {
        const struct nlattr *mtu = metrics ? nla_find(nla_data(metrics), nla_len(metrics), RTAX_MTU) : NULL;

        return mtu && nla_len(mtu) >= 4 ? nla_get_u32(mtu) : 0;
}

/* Of several next hops the first one. */
static void first_hop(struct nlattr *multipath, struct nlattr **ret_gateway, uint32_t *ret_index,
                      uint32_t *ret_flags) {
        struct rtnexthop *hop = nla_data(multipath);

        if (nla_len(multipath) < (int)sizeof(*hop) || hop->rtnh_len < sizeof(*hop) ||
            hop->rtnh_len > nla_len(multipath))
                return;
        *ret_index = (uint32_t)hop->rtnh_ifindex;
        *ret_flags = hop->rtnh_flags;
        *ret_gateway = nla_find((struct nlattr *)(hop + 1), (int)(hop->rtnh_len - sizeof(*hop)), RTA_GATEWAY);
}

static bool is_wanted(const struct rtmsg *header, struct nlattr **a) {
        uint32_t table = a[RTA_TABLE] ? nla_get_u32(a[RTA_TABLE]) : header->rtm_table;

        if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6)
                return false;
        if (table != RT_TABLE_MAIN || header->rtm_protocol == RTPROT_KERNEL ||
            header->rtm_flags & RTM_F_CLONED)
                return false;
        return header->rtm_type == RTN_UNICAST || header->rtm_type == RTN_BLACKHOLE ||
               header->rtm_type == RTN_UNREACHABLE || header->rtm_type == RTN_PROHIBIT;
}

static void add_route(Snapshot *s, struct nlmsghdr *message) {
        const struct rtmsg *header = nlmsg_data(message);
        struct nlattr *a[RTA_MAX + 1], *gateway;
        cleanup_free char *destination = NULL;
        const NetworkInterface *interface;
        NetworkRoute *route;
        uint32_t index, flags;

        if (nlmsg_parse(message, sizeof(*header), a, RTA_MAX, NULL) < 0 || !is_wanted(header, a) ||
            s->config.n_routes >= NETWORK_ROUTES_MAX)
                return;
        index = a[RTA_OIF] ? nla_get_u32(a[RTA_OIF]) : 0;
        gateway = a[RTA_GATEWAY];
        flags = header->rtm_flags;
        if (a[RTA_MULTIPATH])
                first_hop(a[RTA_MULTIPATH], &gateway, &index, &flags);
        interface = find_interface(s, index);
        if (header->rtm_type == RTN_UNICAST && !interface)
                return;
        destination = a[RTA_DST] ? address_text(header->rtm_family, a[RTA_DST])
                                 : xstrdup(header->rtm_family == AF_INET ? "0.0.0.0" : "::");
        if (!destination)
                return;
        route = GROW(s->config.routes, s->config.n_routes);
        route->destination = xasprintf("%s/%u", destination, header->rtm_dst_len);
        route->gateway = address_text(header->rtm_family, gateway);
        route->source = address_text(header->rtm_family, a[RTA_PREFSRC]);
        route->interface = header->rtm_type == RTN_UNICAST ? xstrdup(interface->name) : NULL;
        route->type = header->rtm_type;
        route->scope = header->rtm_scope;
        route->protocol = header->rtm_protocol;
        route->metric = a[RTA_PRIORITY] ? nla_get_u32(a[RTA_PRIORITY]) : 0;
        route->mtu = route_mtu(a[RTA_METRICS]);
        route->flags = flags & RTNH_F_ONLINK;
}

/* ---- neighbours ---- */

static void add_neighbour(Snapshot *s, struct nlmsghdr *message) {
        const struct ndmsg *header = nlmsg_data(message);
        cleanup_free char *address = NULL, *mac = NULL;
        const NetworkInterface *interface;
        struct nlattr *a[NDA_MAX + 1];
        NetworkNeighbour *neighbour;

        if (nlmsg_parse(message, sizeof(*header), a, NDA_MAX, NULL) < 0)
                return;
        interface = find_interface(s, (uint32_t)header->ndm_ifindex);
        if (!interface || !(header->ndm_state & NUD_PERMANENT) || header->ndm_flags & NTF_PROXY ||
            (header->ndm_family != AF_INET && header->ndm_family != AF_INET6))
                return;
        address = address_text(header->ndm_family, a[NDA_DST]);
        mac = mac_text(a[NDA_LLADDR]);
        if (!address || !mac || s->config.n_neighbours >= NETWORK_ROUTES_MAX)
                return;
        neighbour = GROW(s->config.neighbours, s->config.n_neighbours);
        neighbour->interface = xstrdup(interface->name);
        neighbour->address = TAKE_PTR(address);
        neighbour->mac = TAKE_PTR(mac);
}

/* ---- all of it ---- */

void snapshot_add(Snapshot *snapshot, struct nlmsghdr *message) {
        switch (message->nlmsg_type) {
        case RTM_NEWLINK:
                add_link(snapshot, message);
                break;
        case RTM_NEWADDR:
                add_address(snapshot, message);
                break;
        case RTM_NEWROUTE:
                add_route(snapshot, message);
                break;
        case RTM_NEWNEIGH:
                add_neighbour(snapshot, message);
                break;
        default:
                break;
        }
}

static void on_message(struct nlmsghdr *message, void *user) {
        snapshot_add(user, message);
}

static int dump_all(Netlink *netlink, Snapshot *s, Error *err) {
        static const int types[] = { RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH };

        for (size_t i = 0; i < ELEMENTS_OF(types); i++)
                if (netlink_dump(netlink, types[i], on_message, s, err) < 0)
                        return -err->code;
        return 0;
}

int snapshot_take(Netlink *netlink, const uint32_t *skip, size_t n_skip, Snapshot **ret, Error *err) {
        for (unsigned tries = 0;; tries++) {
                cleanup(snapshot_freep) Snapshot *s = xnew(Snapshot, 1);
                int r;

                s->skip = skip;
                s->n_skip = n_skip;
                r = dump_all(netlink, s, err);
                if (r >= 0) {
                        *ret = TAKE_PTR(s);
                        return 0;
                }
                if (r != -EAGAIN || tries + 1 == TRIES)
                        return r;
                error_clear(err); /* something changed meanwhile: the pieces may not fit together */
        }
}

Snapshot *snapshot_free(Snapshot *snapshot) {
        if (!snapshot)
                return NULL;
        json_clear(network_config_fields, &snapshot->config);
        strv_free(snapshot->unfit);
        free(snapshot);
        return NULL;
}
