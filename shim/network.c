/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Engines give a namespace its interfaces before `create`, in its hooks, or between `create` and `start`; so it is read
 * once at `start`, and after that whenever the kernel reports a change (`docker network connect`). Each reading ends in
 * the same place: interfaces that are new are spliced onto free taps, taps of those that went are put down, and the
 * whole picture goes to the agent, which makes the guest's network like it. Nothing is polled, and a change that makes
 * no difference to the picture (our own, for one) goes nowhere.
 */
#include "shim/network.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/network.h"
#include "shim/redirect.h"
#include "shim/settings.h"
#include "shim/snapshot.h"
#include "shim/tap.h"

#define SETTLE_USEC     50000U /* changes come in groups: name, addresses, state */
#define RESOLV_CONF_MAX (1U << 20)
#define LOOPBACK_INDEX  1U /* in every network namespace */

typedef struct Card {
        int fd;             /* of its tap, until QEMU has it; -1 */
        uint32_t tap;       /* interface numbers */
        uint32_t interface; /* spliced onto it; 0: none */
        bool pass_dns;
        bool wanted; /* while a snapshot is applied */
} Card;

struct Network {
        Loop *loop;
        const LaunchPlan *plan;
        Netlink *netlink;
        Card cards[NETWORK_CARDS_MAX];
        int fds[NETWORK_CARDS_MAX];
        uint32_t taps[NETWORK_CARDS_MAX];
        uint32_t n_cards;
        char *config; /* as it was told last */

        Netlink *news;
        LoopSource *news_source, *settle;
        NetworkChangedFn changed;
        void *user;
};

/* ---- links ---- */

/* Up or down; MTU 0: as it is. */
static int set_link(Network *n, uint32_t index, bool up, uint32_t mtu, const char *name, Error *err) {
        struct ifinfomsg header = { .ifi_index = (int)index,
                                    .ifi_flags = up ? IFF_UP : 0,
                                    .ifi_change = IFF_UP };
        struct nl_msg *msg = netlink_request(RTM_NEWLINK, 0, &header, sizeof(header));

        if (mtu > 0)
                nla_put_u32(msg, IFLA_MTU, mtu);
        return netlink_send(n->netlink, msg, err, "network interface %s", name);
}

/* The namespace's own stack has nothing to say to the guest. Without IPv6 there is no such file. */
static void silence_ipv6(const char *name) {
        cleanup_free char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
        cleanup_error Error ignored = { 0 };

        file_write(AT_FDCWD, path, "1", &ignored);
}

int network_new(Loop *loop, const LaunchPlan *plan, Network **ret, Error *err) {
        cleanup(network_freep) Network *n = xnew(Network, 1);

        n->loop = loop;
        n->plan = plan;
        if (plan->network_cards > NETWORK_CARDS_MAX)
                return error_set(err, EINVAL, "launch plan: networkCards: %u", plan->network_cards);
        if (netlink_open(&n->netlink, err) < 0 ||
            taps_open(plan->network_cards, !plan->network_joined, n->fds, n->taps, err) < 0)
                return error_prefix(err, "network");
        n->n_cards = plan->network_cards;
        for (uint32_t i = 0; i < n->n_cards; i++) {
                cleanup_free char *name = xasprintf(NETWORK_TAP_NAME, i);

                silence_ipv6(name);
                n->cards[i].tap = n->taps[i];
        }
        *ret = TAKE_PTR(n);
        return 0;
}

const int *network_taps(const Network *network) {
        return network->fds;
}

void network_taps_given(Network *network) {
        for (uint32_t i = 0; i < network->n_cards; i++)
                if (network->fds[i] >= 0)
                        close(TAKE_FD(network->fds[i]));
}

Network *network_free(Network *network) {
        if (!network)
                return NULL;
        loop_source_free(network->settle);
        loop_source_free(network->news_source);
        for (uint32_t i = 0; i < network->n_cards; i++) {
                cleanup_error Error ignored = { 0 };

                if (network->plan->network_joined && network->cards[i].interface)
                        redirect_part(network->netlink, network->cards[i].interface, &ignored);
        }
        network_taps_given(network);
        netlink_close(network->news);
        netlink_close(network->netlink);
        free(network->config);
        free(network);
        return NULL;
}

/* ---- DNS ---- */

/* Whether the container asks Docker's name server, which listens in this namespace. */
static bool asks_docker(const Network *n) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL;
        size_t length;

        return n->plan->resolv_conf &&
               file_read(AT_FDCWD, n->plan->resolv_conf, RESOLV_CONF_MAX, &text, &length, &ignored) >= 0 &&
               strstr(text, "nameserver " NETWORK_DNS_ADDRESS);
}

/* Docker's name server connects to others from here; its ports must not be the guest's. */
static void set_ports_aside(void) {
        cleanup_error Error error = { 0 };

        if (file_write(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range", REDIRECT_LOCAL_PORTS, &error) < 0)
                log_warning("network: %s: names outside of Docker's networks may not resolve", error.message);
}

/* ---- from namespace to guest ---- */

static Card *find_card(Network *n, uint32_t interface) {
        for (uint32_t i = 0; i < n->n_cards; i++)
                if (n->cards[i].interface == interface)
                        return &n->cards[i];
        return NULL;
}

/* Gives each interface a card: the one it has, else a free one. */
static int assign_cards(Network *n, Snapshot *s, Error *err) {
        for (uint32_t i = 0; i < n->n_cards; i++)
                n->cards[i].wanted = false;
        for (size_t i = 0; i < s->config.n_interfaces; i++) {
                Card *card = find_card(n, s->indexes[i]);

                if (card)
                        card->wanted = true;
        }
        for (uint32_t i = 0; i < n->n_cards; i++)
                if (!n->cards[i].wanted && n->cards[i].interface) {
                        cleanup_error Error ignored = { 0 };

                        redirect_part(n->netlink, n->cards[i].interface, &ignored);
                        n->cards[i].interface = 0;
                        if (set_link(n, n->cards[i].tap, false, 0, "of a card", err) < 0)
                                return -err->code;
                }
        for (size_t i = 0; i < s->config.n_interfaces; i++) {
                Card *card = find_card(n, s->indexes[i]);

                if (!card)
                        card = find_card(n, 0);
                if (!card)
                        return error_set(err, ENOSPC,
                                         "the container has %zu network interfaces, its machine %u cards; "
                                         "raise networkCards in carrel's configuration",
                                         s->config.n_interfaces, n->n_cards);
                s->config.interfaces[i].card = (uint32_t)(card - n->cards);
                if (card->interface != s->indexes[i])
                        card->pass_dns = false;
                card->wanted = card->interface == 0; /* to be spliced */
                card->interface = s->indexes[i];
        }
        return 0;
}

static int join_all(Network *n, const Snapshot *s, Error *err) {
        for (size_t i = 0; i < s->config.n_interfaces; i++) {
                const NetworkInterface *interface = &s->config.interfaces[i];
                Card *card = &n->cards[interface->card];

                if (set_link(n, card->tap, true, interface->mtu, interface->name, err) < 0)
                        return -err->code;
                if (!card->wanted && card->pass_dns == s->config.dns)
                        continue;
                if (redirect_join(n->netlink, card->interface, card->tap, s->config.dns, interface->name,
                                  err) < 0)
                        return -err->code;
                card->pass_dns = s->config.dns;
        }
        return 0;
}

int network_apply(Network *network, const char **ret_config, Error *err) {
        cleanup(snapshot_freep) Snapshot *s = NULL;

        if (snapshot_take(network->netlink, network->taps, network->n_cards, &s, err) < 0)
                return error_prefix(err, "network");
        if (network->n_cards == 0) { /* no tun on this host; create has warned */
                json_clear(network_config_fields, &s->config);
                s->config = (NetworkConfig){ 0 };
        }
        STRV_FOR_EACH (name, s->unfit)
                log_warning(
                        "network: interface %s does not carry Ethernet frames; the container does without",
                        *name);
        settings_read(&s->config);
        s->config.dns = asks_docker(network);
        if (s->config.dns && !network->plan->network_joined)
                set_ports_aside();
        if (set_link(network, LOOPBACK_INDEX, true, 0, "lo", err) < 0 || assign_cards(network, s, err) < 0 ||
            join_all(network, s, err) < 0)
                return error_prefix(err, "network");
        free(network->config);
        network->config = json_to_text(network_config_fields, &s->config, false);
        *ret_config = network->config;
        return 0;
}

/* ---- news ---- */

static void on_settled(LoopSource *source, void *user) {
        cleanup_error Error error = { 0 };
        cleanup_free char *before = NULL;
        Network *n = user;
        const char *now;

        (void)source;
        n->settle = NULL;
        before = n->config ? xstrdup(n->config) : NULL;
        if (network_apply(n, &now, &error) < 0)
                log_error("%s", error.message);
        else if (!before || !streq(before, now))
                n->changed(now, n->user);
}

static void on_news(LoopSource *source, int fd, uint32_t events, void *user) {
        char buffer[8192];
        Network *n = user;
        bool any = false;

        (void)source;
        (void)events;
        /* what exactly changed is read again anyway; ENOBUFS only means that it was much */
        while (read(fd, buffer, sizeof(buffer)) > 0 || errno == ENOBUFS)
                any = true;
        if (any && !n->settle)
                loop_add_timer(n->loop, SETTLE_USEC, on_settled, n, &n->settle);
}

int network_watch(Network *network, NetworkChangedFn changed, void *user, Error *err) {
        static const enum rtnetlink_groups groups[] = {
                RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
        };

        if (network->n_cards == 0)
                return 0;
        if (netlink_open(&network->news, err) < 0)
                return -err->code;
        network->changed = changed;
        network->user = user;
        for (size_t i = 0; i < ELEMENTS_OF(groups); i++)
                if (nl_socket_add_membership(network->news, (int)groups[i]) < 0)
                        return error_set(err, EIO, "network: no news of changes");
        nl_socket_set_nonblocking(network->news);
        return loop_add_fd(network->loop, nl_socket_get_fd(network->news), EPOLLIN, on_news, network,
                           &network->news_source, err);
}
