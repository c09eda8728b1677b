/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network-wish.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define CARD_MAX 255U /* NETWORK_CARD_MAC has one byte for it */
#define MTU_MIN  68U  /* RFC 791 */
#define MTU_MAX  65535U
#define TEXT_MAX 64U /* bytes of what is wrong, in an error */

/* ---- words and numbers ---- */

/* "WHAT: "VALUE" WHY" */
static int refuse(const char *what, const char *value, const char *why, Error *err) {
        cleanup_free char *text = str_printable(value, strlen(value), TEXT_MAX);

        return error_set(err, EINVAL, "%s: \"%s\" %s", what, text, why);
}

static int read_number(const char *what, uint32_t value, uint32_t max, uint8_t *ret, Error *err) {
        if (value > max)
                return error_set(err, EINVAL, "%s: %u is more than %u", what, value, max);
        *ret = (uint8_t)value;
        return 0;
}

static bool parse_ip(const char *text, IpAddress *ret) {
        IpAddress ip = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

        if (inet_pton(ip.family, text, ip.bytes) != 1)
                return false;
        *ret = ip;
        return true;
}

static int read_ip(const char *what, const char *text, IpAddress *ret, Error *err) {
        return parse_ip(text, ret) ? 0 : refuse(what, text, "is not an IP address", err);
}

/* One that may be missing, of the same family as OTHER. */
static int read_other_ip(const char *what, const char *text, const IpAddress *other, IpAddress *ret,
                         Error *err) {
        if (!text)
                return 0;
        if (read_ip(what, text, ret, err) < 0)
                return -err->code;
        return ret->family == other->family ? 0 : refuse(what, text, "is of another family", err);
}

static int read_prefix(uint32_t value, const IpAddress *ip, uint8_t *ret, Error *err) {
        return read_number("prefix", value, 8U * ip_size(ip->family), ret, err);
}

/* "10.1.0.0/16" */
static int read_destination(const char *text, NetworkItem *ret, Error *err) {
        const char *slash = strchr(text, '/');
        cleanup_free char *address = xstrndup(text, slash ? (size_t)(slash - text) : 0);
        uint64_t prefix;

        if (!slash || !parse_ip(address, &ret->address) || !str_to_u64(slash + 1, 10, 128, &prefix))
                return refuse("destination", text, "is not ADDRESS/PREFIX", err);
        return read_prefix((uint32_t)prefix, &ret->address, &ret->prefix, err);
}

static int read_mac(const char *text, uint8_t ret[MAC_SIZE], Error *err) {
        uint8_t mac[MAC_SIZE];

        for (size_t i = 0; i < MAC_SIZE; i++) {
                char digits[3] = { 0 };
                uint64_t value;

                if (strnlen(text, 3 * MAC_SIZE) != 3 * MAC_SIZE - 1 || (i > 0 && text[3 * i - 1] != ':'))
                        return refuse("mac", text, "is not a hardware address", err);
                memcpy(digits, text + 3 * i, 2);
                if (!str_to_u64(digits, 16, UINT8_MAX, &value))
                        return refuse("mac", text, "is not a hardware address", err);
                mac[i] = (uint8_t)value;
        }
        memcpy(ret, mac, MAC_SIZE);
        return 0;
}

/* The kernel's own rules, and ours: these are also names of folders in /proc/sys/net. */
static bool is_name(const char *name) {
        static const char *const taken[] = { ".", "..", "lo", "all", "default" };
        size_t length = strnlen(name, IFNAMSIZ);

        for (size_t i = 0; i < ELEMENTS_OF(taken); i++)
                if (streq(name, taken[i]))
                        return false;
        for (size_t i = 0; i < length; i++)
                if (isspace((unsigned char)name[i]) || iscntrl((unsigned char)name[i]) ||
                    strchr("/:%", name[i]))
                        return false;
        return length > 0 && length < IFNAMSIZ;
}

/* ---- interfaces ---- */

static int read_address(const NetworkAddress *from, uint32_t link, NetworkItem *ret, Error *err) {
        NetworkItem item = { .kind = ITEM_ADDRESS, .link = link, .flags = from->flags };

        if (read_ip("address", from->address, &item.address, err) < 0 ||
            read_prefix(from->prefix, &item.address, &item.prefix, err) < 0 ||
            read_other_ip("broadcast", from->broadcast, &item.address, &item.broadcast, err) < 0 ||
            read_other_ip("peer", from->peer, &item.address, &item.peer, err) < 0 ||
            read_number("scope", from->scope, UINT8_MAX, &item.scope, err) < 0)
                return -err->code;
        if (item.broadcast.family == AF_INET6)
                return error_set(err, EINVAL, "broadcast: IPv6 has none");
        network_item_normalize(&item);
        *ret = item;
        return 0;
}

static int check_distinct(const Wish *wish, const WishInterface *interface, Error *err) {
        for (size_t i = 0; i < wish->n_interfaces; i++) {
                const WishInterface *other = &wish->interfaces[i];

                if (streq(other->name, interface->name))
                        return error_set(err, EINVAL, "there are two of this name");
                if (other->card == interface->card)
                        return error_set(err, EINVAL, "card %u is that of %s", interface->card, other->name);
        }
        return 0;
}

static int read_setting(const char *name, const char *text, WishSettings *ret, Error *err) {
        uint64_t value;

        for (size_t i = 0; i < NETWORK_SETTINGS; i++)
                if (streq(name, network_settings[i])) {
                        if (!str_to_u64(text, 10, INT32_MAX, &value))
                                return refuse(name, text, "is not a number", err);
                        ret->given[i] = true;
                        ret->values[i] = (int32_t)value;
                        return 0;
                }
        return refuse("setting", name, "is not known", err);
}

static int read_interface(const NetworkInterface *from, WishInterface *ret, Error *err) {
        ret->card = from->card;
        ret->mtu = from->mtu;
        ret->up = from->up;
        ret->no_ipv6 = from->no_ipv6;
        if (from->card > CARD_MAX)
                return error_set(err, EINVAL, "card: %u is more than %u", from->card, CARD_MAX);
        if (from->mtu != 0 && (from->mtu < MTU_MIN || from->mtu > MTU_MAX))
                return error_set(err, EINVAL, "mtu: %u is not between %u and %u", from->mtu, MTU_MIN,
                                 MTU_MAX);
        if (from->n_addresses > NETWORK_ADDRESSES_MAX)
                return error_set(err, E2BIG, "%zu addresses are more than %u", from->n_addresses,
                                 NETWORK_ADDRESSES_MAX);
        for (size_t i = 0; i < from->settings.count; i++)
                if (read_setting(from->settings.keys[i], from->settings.values[i], &ret->settings, err) < 0)
                        return -err->code;
        return read_mac(from->mac, ret->mac, err);
}

static int add_interface(Wish *wish, const NetworkInterface *from, Error *err) {
        WishInterface *interface = &wish->interfaces[wish->n_interfaces];
        int r;

        if (!is_name(from->name))
                return refuse("interface", from->name, "cannot be the name of an interface", err);
        memcpy(interface->name, from->name, strlen(from->name) + 1);
        r = read_interface(from, interface, err);
        if (r >= 0)
                r = check_distinct(wish, interface, err);
        wish->n_interfaces++;
        for (size_t i = 0; r >= 0 && i < from->n_addresses; i++) {
                NetworkItem item;

                r = read_address(&from->addresses[i], (uint32_t)wish->n_interfaces, &item, err);
                if (r >= 0)
                        network_items_add(&wish->items, &item);
        }
        return r < 0 ? error_prefix(err, "interface %s", from->name) : 0;
}

/* ---- routes and neighbours ---- */

static int find_interface(const Wish *wish, const char *name, uint32_t *ret, Error *err) {
        for (size_t i = 0; i < wish->n_interfaces; i++)
                if (streq(wish->interfaces[i].name, name)) {
                        *ret = (uint32_t)i + 1;
                        return 0;
                }
        if (!streq(name, "lo"))
                return refuse("interface", name, "is none of those that there are to be", err);
        *ret = WISH_LOOPBACK;
        return 0;
}

static int read_route(const Wish *wish, const NetworkRoute *from, NetworkItem *ret, Error *err) {
        NetworkItem item = {
                .kind = ITEM_ROUTE, .metric = from->metric, .mtu = from->mtu, .flags = from->flags
        };

        if (read_destination(from->destination, &item, err) < 0 ||
            read_other_ip("source", from->source, &item.address, &item.source, err) < 0 ||
            read_number("type", from->type, RTN_THROW, &item.type, err) < 0 ||
            read_number("scope", from->scope, UINT8_MAX, &item.scope, err) < 0 ||
            read_number("protocol", from->protocol, UINT8_MAX, &item.protocol, err) < 0)
                return -err->code;
        /* an IPv4 route may well lead over an IPv6 gateway */
        if (from->gateway && read_ip("gateway", from->gateway, &item.gateway, err) < 0)
                return -err->code;
        if (from->interface && find_interface(wish, from->interface, &item.link, err) < 0)
                return -err->code;
        if (item.type == RTN_UNSPEC)
                item.type = RTN_UNICAST;
        network_item_normalize(&item);
        if (item.link == 0 && item.type < RTN_BLACKHOLE)
                return error_set(err, EINVAL, "interface: missing");
        *ret = item;
        return 0;
}

/* Those with a gateway need those on the link. */
static int add_routes(Wish *wish, const NetworkConfig *config, bool with_gateway, Error *err) {
        for (size_t i = 0; i < config->n_routes; i++) {
                const NetworkRoute *route = &config->routes[i];
                NetworkItem item;

                if ((route->gateway != NULL) != with_gateway)
                        continue;
                if (read_route(wish, route, &item, err) < 0) {
                        cleanup_free char *to =
                                str_printable(route->destination, strlen(route->destination), TEXT_MAX);

                        return error_prefix(err, "route %zu, to %s", i, to);
                }
                network_items_add(&wish->items, &item);
        }
        return 0;
}

static int add_neighbour(Wish *wish, const NetworkNeighbour *from, Error *err) {
        NetworkItem item = { .kind = ITEM_NEIGHBOUR };

        if (find_interface(wish, from->interface, &item.link, err) < 0 ||
            read_ip("address", from->address, &item.address, err) < 0 ||
            read_mac(from->mac, item.mac, err) < 0)
                return -err->code;
        network_items_add(&wish->items, &item);
        return 0;
}

/* ---- all of it ---- */

static int check_counts(const NetworkConfig *config, Error *err) {
        if (config->n_interfaces > NETWORK_CARDS_MAX)
                return error_set(err, E2BIG, "%zu interfaces are more than %u", config->n_interfaces,
                                 NETWORK_CARDS_MAX);
        if (config->n_routes > NETWORK_ROUTES_MAX)
                return error_set(err, E2BIG, "%zu routes are more than %u", config->n_routes,
                                 NETWORK_ROUTES_MAX);
        if (config->n_neighbours > NETWORK_NEIGHBOURS_MAX)
                return error_set(err, E2BIG, "%zu neighbours are more than %u", config->n_neighbours,
                                 NETWORK_NEIGHBOURS_MAX);
        return 0;
}

int wish_new(const NetworkConfig *config, Wish **ret, Error *err) {
        cleanup(wish_freep) Wish *wish = xnew(Wish, 1);

        if (check_counts(config, err) < 0)
                return -err->code;
        wish->dns = config->dns;
        for (size_t i = 0; i < config->n_interfaces; i++)
                if (add_interface(wish, &config->interfaces[i], err) < 0)
                        return -err->code;
        if (add_routes(wish, config, false, err) < 0 || add_routes(wish, config, true, err) < 0)
                return -err->code;
        for (size_t i = 0; i < config->n_neighbours; i++)
                if (add_neighbour(wish, &config->neighbours[i], err) < 0)
                        return error_prefix(err, "neighbour %zu", i);
        *ret = TAKE_PTR(wish);
        return 0;
}

Wish *wish_free(Wish *wish) {
        if (!wish)
                return NULL;
        network_items_done(&wish->items);
        free(wish);
        return NULL;
}
