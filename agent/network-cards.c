/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network-cards.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define DRIVER "/sys/bus/virtio/drivers/virtio_net"

static bool is_card(const uint8_t mac[MAC_SIZE], uint32_t *ret) {
        char card[32], text[32];

        snprintf(card, sizeof(card), NETWORK_CARD_MAC, mac[MAC_SIZE - 1]);
        snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                 mac[5]);
        if (!streq(card, text))
                return false;
        *ret = mac[MAC_SIZE - 1];
        return true;
}

static bool test_card_number(NetworkCards *cards, const NetworkLink *link, uint32_t *ret) {
        for (uint32_t i = 0; i < NETWORK_CARDS_KNOWN; i++)
                if (cards->cards[i].test_link == link->index) {
                        *ret = i;
                        return true;
                }
        if (!is_card(link->mac, ret))
                return false;
        cards->cards[*ret].test_link = link->index;
        return true;
}

bool network_card_number(NetworkCards *cards, const NetworkLink *link, uint32_t *ret) {
        return is_card(link->permanent, ret) || (cards->test && test_card_number(cards, link, ret));
}

int network_card_hide(NetworkCards *cards, Netlink *netlink, const NetworkLink *link, uint32_t number,
                      Error *err) {
        NetworkCard *card = &cards->cards[number];
        cleanup_free char *path = xasprintf("/sys/class/net/%s/device", link->name);
        char target[PATH_MAX] = { 0 };
        const char *device;

        if (cards->test)
                return netlink_set_up(netlink, link->index, false, err);
        if (readlink(path, target, sizeof(target) - 1) < 0)
                return error_errno(err, "%s", path);
        device = strrchr(target, '/');
        device = device ? device + 1 : target;
        if (file_write(AT_FDCWD, DRIVER "/unbind", device, err) < 0)
                return -err->code;
        snprintf(card->device, sizeof(card->device), "%s", device);
        return 0;
}

bool network_card_show(NetworkCards *cards, uint32_t number) {
        NetworkCard *card = &cards->cards[number];
        cleanup_error Error ignored = { 0 };
        char device[sizeof(card->device)];

        if (!*card->device)
                return false;
        memcpy(device, card->device, sizeof(device));
        *card->device = 0;
        /* it may have been unplugged since, and its name be another's */
        return file_write(AT_FDCWD, DRIVER "/bind", device, &ignored) >= 0;
}
