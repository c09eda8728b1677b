/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network-links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* ---- what there is ---- */

void network_links_done(NetworkLinks *links) {
        free(links->links);
        *links = (NetworkLinks){ 0 };
}

static int read_links(NetworkCards *cards, Netlink *netlink, const Wish *wish, NetworkLinks *ret,
                      Error *err) {
        uint32_t number;

        network_links_done(ret);
        if (netlink_links(netlink, &ret->links, &ret->n, err) < 0)
                return -err->code;
        for (size_t i = 0; i < ret->n; i++) {
                if (!network_card_number(cards, &ret->links[i], &number))
                        continue;
                for (size_t j = 0; j < wish->n_interfaces; j++)
                        if (wish->interfaces[j].card == number)
                                ret->of[j] = &ret->links[i];
        }
        return 0;
}

int network_links_read(NetworkCards *cards, Netlink *netlink, const Wish *wish, NetworkLinks *ret,
                       Error *err) {
        bool again = false;

        if (read_links(cards, netlink, wish, ret, err) < 0)
                return -err->code;
        for (size_t i = 0; i < wish->n_interfaces; i++)
                if (!ret->of[i] && network_card_show(cards, wish->interfaces[i].card))
                        again = true;
        return again ? read_links(cards, netlink, wish, ret, err) : 0;
}

const WishInterface *network_links_missing(const NetworkLinks *links, const Wish *wish) {
        for (size_t i = 0; i < wish->n_interfaces; i++)
                if (!links->of[i])
                        return &wish->interfaces[i];
        return NULL;
}

int network_links_waiting(const NetworkLinks *links, Netlink *netlink, const Wish *wish,
                          const WishInterface **ret, Error *err) {
        const WishInterface *waiting = NULL;

        for (size_t i = 0; i < wish->n_interfaces && !waiting; i++) {
                bool running = !wish->interfaces[i].up;

                if (!running && links->of[i] &&
                    netlink_link_is_running(netlink, links->of[i]->index, &running, err) < 0)
                        return -err->code;
                if (!running)
                        waiting = &wish->interfaces[i];
        }
        *ret = waiting;
        return 0;
}

uint32_t network_links_index(const NetworkLinks *links, uint32_t link) {
        if (link != WISH_LOOPBACK)
                return link > 0 ? links->of[link - 1]->index : 0;
        for (size_t i = 0; i < links->n; i++)
                if (links->links[i].loopback)
                        return links->links[i].index;
        return 0;
}

/* ---- cards that are not to be seen ---- */

int network_links_hide(const NetworkLinks *links, NetworkCards *cards, Netlink *netlink, const Wish *wish,
                       Error *err) {
        int hiding = 0;

        for (size_t i = 0; i < links->n; i++) {
                const NetworkLink *link = &links->links[i];
                bool wanted = false;
                uint32_t number;

                if (!network_card_number(cards, link, &number))
                        continue;
                for (size_t j = 0; j < wish->n_interfaces; j++)
                        wanted = wanted || links->of[j] == link;
                if (wanted)
                        continue;
                if (network_card_hide(cards, netlink, link, number, err) < 0)
                        return error_prefix(err, "taking away %s", link->name);
                if (cards->cards[number].hiding)
                        hiding = 1;
        }
        return hiding;
}

/* ---- names ---- */

static int rename_link(Netlink *netlink, NetworkLink *link, const char *name, Error *err) {
        int r;

        r = netlink_set_name(netlink, link->index, name, err);
        if (r == -EBUSY) { /* older kernels rename only what is down */
                error_clear(err);
                link->up = false;
                r = netlink_set_up(netlink, link->index, false, err);
                if (r >= 0)
                        r = netlink_set_name(netlink, link->index, name, err);
        }
        if (r >= 0)
                snprintf(link->name, sizeof(link->name), "%s", name);
        return r;
}

/* Whoever of the cards has the name of another gives it up; what else has it is the container's own. */
static int free_name(NetworkLinks *links, NetworkCards *cards, Netlink *netlink, const char *name,
                     Error *err) {
        for (size_t i = 0; i < links->n; i++) {
                char temporary[IFNAMSIZ];
                uint32_t number;

                if (!streq(links->links[i].name, name))
                        continue;
                if (!network_card_number(cards, &links->links[i], &number))
                        return error_set(err, EEXIST, "the container has given this name to another one");
                snprintf(temporary, sizeof(temporary), "carrel-%u", number);
                return rename_link(netlink, &links->links[i], temporary, err);
        }
        return 0;
}

static int give_names(NetworkLinks *links, NetworkCards *cards, Netlink *netlink, const Wish *wish,
                      Error *err) {
        for (size_t i = 0; i < wish->n_interfaces; i++) {
                const char *name = wish->interfaces[i].name;

                if (streq(links->of[i]->name, name))
                        continue;
                if (free_name(links, cards, netlink, name, err) < 0 ||
                    rename_link(netlink, links->of[i], name, err) < 0)
                        return error_prefix(err, "interface %s: name", name);
        }
        return 0;
}

/* ---- the rest ---- */

/* A file of /proc/sys/net/ipv6/conf/NAME. Without IPv6 in the kernel there is none, and nothing to be set. */
static int set_ip6(const char *name, const char *setting, const char *value, Error *err) {
        cleanup_free char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/%s", name, setting);

        if (file_write(AT_FDCWD, path, value, err) < 0 && err->code != ENOENT)
                return -err->code;
        error_clear(err);
        return 0;
}

/* Only what is not as it was wished for last: what the container says later counts. */
static int apply_settings(const char *name, const WishSettings *before, const WishSettings *now, Error *err) {
        for (size_t i = 0; i < NETWORK_SETTINGS; i++) {
                bool was = before->given[i], is = now->given[i];
                cleanup_free char *path = NULL, *text = NULL, *usual = NULL;
                int r = 0;

                if (was == is && (!is || before->values[i] == now->values[i]))
                        continue;
                path = network_setting_path(i, name);
                if (is) {
                        text = xasprintf("%d", now->values[i]);
                } else {
                        usual = network_setting_path(i, "default");
                        r = file_read_line(AT_FDCWD, usual, &text, err);
                }
                if (r >= 0)
                        r = file_write(AT_FDCWD, path, text, err);
                if (r < 0 && err->code != ENOENT) /* the kernel speaks no IPv6 */
                        return r;
                error_clear(err);
        }
        return 0;
}

static int set_mac(Netlink *netlink, NetworkLink *link, const WishInterface *interface, Error *err) {
        if (memcmp(link->mac, interface->mac, MAC_SIZE) == 0)
                return 0;
        /* the kernel makes the link-local address from it when a link comes up */
        if (link->up && netlink_set_up(netlink, link->index, false, err) < 0)
                return -err->code;
        link->up = false;
        return netlink_set_mac(netlink, link->index, interface->mac, err);
}

static int apply_interface(Netlink *netlink, NetworkCards *cards, NetworkLink *link,
                           const WishInterface *interface, Error *err) {
        NetworkCard *card = &cards->cards[interface->card];

        if (set_mac(netlink, link, interface, err) < 0)
                return error_prefix(err, "mac");
        if (interface->mtu && interface->mtu != link->mtu &&
            netlink_set_mtu(netlink, link->index, interface->mtu, err) < 0)
                return error_prefix(err, "mtu %u", interface->mtu);
        /* once: what the container says later counts */
        if (card->configured != link->index || card->no_ipv6 != interface->no_ipv6) {
                if (set_ip6(link->name, "disable_ipv6", interface->no_ipv6 ? "1" : "0", err) < 0 ||
                    set_ip6(link->name, "accept_dad", "0", err) < 0)
                        return -err->code;
                if (card->configured != link->index)
                        card->settings = (WishSettings){ 0 };
                card->configured = link->index;
                card->no_ipv6 = interface->no_ipv6;
        }
        if (apply_settings(link->name, &card->settings, &interface->settings, err) < 0)
                return -err->code;
        card->settings = interface->settings;
        if (link->up != interface->up && netlink_set_up(netlink, link->index, interface->up, err) < 0)
                return error_prefix(err, "setting it %s", interface->up ? "up" : "down");
        return 0;
}

int network_links_apply(NetworkLinks *links, NetworkCards *cards, Netlink *netlink, const Wish *wish,
                        Error *err) {
        if (give_names(links, cards, netlink, wish, err) < 0)
                return -err->code;
        for (size_t i = 0; i < wish->n_interfaces; i++)
                if (apply_interface(netlink, cards, links->of[i], &wish->interfaces[i], err) < 0)
                        return error_prefix(err, "interface %s", wish->interfaces[i].name);
        return 0;
}

bool network_links_have_ip6(const char *name) {
        cleanup_free char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
        cleanup_error Error ignored = { 0 };
        cleanup_free char *line = NULL;

        return file_read_line(AT_FDCWD, path, &line, &ignored) >= 0 && streq(line, "0");
}
