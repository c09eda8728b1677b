/* SPDX-License-Identifier: Apache-2.0 */
#include "common/protocol/network.h"

const char *const network_settings[NETWORK_SETTINGS] = {
        "ipv4/accept_local",    "ipv4/accept_redirects", "ipv4/accept_source_route", "ipv4/arp_accept",
        "ipv4/arp_announce",    "ipv4/arp_filter",       "ipv4/arp_ignore",          "ipv4/arp_notify",
        "ipv4/forwarding",      "ipv4/log_martians",     "ipv4/proxy_arp",           "ipv4/proxy_arp_pvlan",
        "ipv4/route_localnet",  "ipv4/rp_filter",        "ipv4/secure_redirects",    "ipv4/send_redirects",
        "ipv4/shared_media",    "ipv4/src_valid_mark",   "ipv6/accept_ra",           "ipv6/accept_ra_defrtr",
        "ipv6/accept_ra_pinfo", "ipv6/accept_redirects", "ipv6/accept_source_route", "ipv6/autoconf",
        "ipv6/forwarding",      "ipv6/hop_limit",        "ipv6/ndisc_notify",        "ipv6/proxy_ndp",
        "ipv6/use_tempaddr",
};

static const JsonField address_fields[] = {
        { JSON_FIELD(NetworkAddress, address, "address", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(NetworkAddress, prefix, "prefix", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkAddress, broadcast, "broadcast", JSON_KIND_STRING) },
        { JSON_FIELD(NetworkAddress, peer, "peer", JSON_KIND_STRING) },
        { JSON_FIELD(NetworkAddress, scope, "scope", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkAddress, flags, "flags", JSON_KIND_UINT32) },
        {},
};

static const JsonField interface_fields[] = {
        { JSON_FIELD(NetworkInterface, card, "card", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkInterface, name, "name", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(NetworkInterface, mac, "mac", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(NetworkInterface, mtu, "mtu", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkInterface, up, "up", JSON_KIND_BOOL) },
        { JSON_FIELD(NetworkInterface, no_ipv6, "noIpv6", JSON_KIND_BOOL) },
        { JSON_FIELD(NetworkInterface, settings, "settings", JSON_KIND_STRING_MAP) },
        { JSON_ARRAY_FIELD(NetworkInterface, addresses, "addresses", address_fields) },
        {},
};

static const JsonField route_fields[] = {
        { JSON_FIELD(NetworkRoute, destination, "destination", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(NetworkRoute, gateway, "gateway", JSON_KIND_STRING) },
        { JSON_FIELD(NetworkRoute, source, "source", JSON_KIND_STRING) },
        { JSON_FIELD(NetworkRoute, interface, "interface", JSON_KIND_STRING) },
        { JSON_FIELD(NetworkRoute, type, "type", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkRoute, scope, "scope", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkRoute, protocol, "protocol", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkRoute, metric, "metric", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkRoute, mtu, "mtu", JSON_KIND_UINT32) },
        { JSON_FIELD(NetworkRoute, flags, "flags", JSON_KIND_UINT32) },
        {},
};

static const JsonField neighbour_fields[] = {
        { JSON_FIELD(NetworkNeighbour, interface, "interface", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(NetworkNeighbour, address, "address", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(NetworkNeighbour, mac, "mac", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        {},
};

const JsonField network_config_fields[] = {
        { JSON_ARRAY_FIELD(NetworkConfig, interfaces, "interfaces", interface_fields) },
        { JSON_ARRAY_FIELD(NetworkConfig, routes, "routes", route_fields) },
        { JSON_ARRAY_FIELD(NetworkConfig, neighbours, "neighbours", neighbour_fields) },
        { JSON_FIELD(NetworkConfig, dns, "dns", JSON_KIND_BOOL) },
        {},
};
