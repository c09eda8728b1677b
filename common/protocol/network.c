/* SPDX-License-Identifier: Apache-2.0 */
#include "common/protocol/network.h"

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
