/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The network a guest is to have: what the shim found in the container's network namespace. It is a wish, not a list
 * of steps: the agent makes the guest's network so, whatever it was before. Numbers are those of rtnetlink(7).
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/json.h"

/* Hardware address that QEMU gives the n-th card (0 … 255). It stays the card's permanent address, by which the agent
 * finds it, when the interface gets the address of the one outside. */
#define NETWORK_CARD_MAC   "52:54:00:ca:44:%02x"
#define NETWORK_CARDS_MAX  8U
#define NETWORK_ROUTES_MAX 4096U

/* What the shim adds to a namespace: taps, and on each interface an ingress qdisc with filters; the u32 filter of this
 * priority and of all protocols is there as long as an interface is spliced. */
#define NETWORK_TAP_NAME        "carrel%u"
#define NETWORK_FILTER_PRIORITY 10U

/* Docker's DNS server inside a container's network namespace. */
#define NETWORK_DNS_ADDRESS "127.0.0.11"

/* Settings of an interface that engines make in its namespace: names below /proc/sys/net with conf/INTERFACE/ left out,
 * "ipv4/arp_notify", or only INTERFACE/, "ipv4/neigh/gc_stale_time". Their values are not negative. disable_ipv6 is
 * NetworkInterface.no_ipv6; what the interface outside has by itself (mtu) or does for the guest (accept_dad) is none. */
#define NETWORK_SETTINGS 101U
extern const char *const network_settings[NETWORK_SETTINGS];

/* The file of network_settings[SETTING] for INTERFACE, or for "default"; owned by the caller. */
char *network_setting_path(size_t setting, const char *interface);

typedef struct NetworkAddress {
        char *address; /* "10.0.0.2", "fd00::2" */
        uint32_t prefix;
        char *broadcast; /* NULL: none */
        char *peer;      /* NULL: none */
        uint32_t scope;  /* RT_SCOPE_… */
        uint32_t flags;  /* IFA_F_NOPREFIXROUTE, …: those that a user sets */
} NetworkAddress;

typedef struct NetworkInterface {
        uint32_t card; /* number of the card behind it */
        char *name;    /* "eth0" */
        char *mac;     /* "02:42:ac:11:00:02" */
        uint32_t mtu;
        bool up;
        bool no_ipv6;    /* net.ipv6.conf.NAME.disable_ipv6 */
        StrMap settings; /* of network_settings, those that are not as in the namespace's default */
        NetworkAddress *addresses;
        size_t n_addresses;
} NetworkInterface;

typedef struct NetworkRoute {
        char *destination; /* "10.1.0.0/16", "0.0.0.0/0", "::/0" */
        char *gateway;     /* NULL: on the link */
        char *source;      /* preferred source address; NULL: none */
        char *interface;   /* name; NULL for types that need none (blackhole, unreachable, prohibit) */
        uint32_t type;     /* RTN_… */
        uint32_t scope;    /* RT_SCOPE_… */
        uint32_t protocol; /* RTPROT_… */
        uint32_t metric;
        uint32_t mtu;   /* RTAX_MTU; 0: none */
        uint32_t flags; /* RTNH_F_ONLINK */
} NetworkRoute;

typedef struct NetworkNeighbour {
        char *interface, *address, *mac;
} NetworkNeighbour;

typedef struct NetworkConfig {
        NetworkInterface *interfaces;
        size_t n_interfaces;
        NetworkRoute *routes; /* of the main table, without those that addresses bring by themselves */
        size_t n_routes;
        NetworkNeighbour *neighbours; /* permanent ones */
        size_t n_neighbours;
        bool dns; /* queries to NETWORK_DNS_ADDRESS are relayed to the host's side */
} NetworkConfig;

extern const JsonField network_config_fields[];
