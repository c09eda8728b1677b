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
        snprintf(card->device, sizeof(card->device), "%s", device ? device + 1 : target);
        card->hiding = true;
        return 0;
}

/* The child: says on FD what went wrong. */
static _Noreturn void hide_all(NetworkCards *cards, int fd) {
        cleanup_error Error error = { 0 };

        for (size_t i = 0; i < NETWORK_CARDS_KNOWN; i++)
                if (cards->cards[i].hiding &&
                    file_write(AT_FDCWD, DRIVER "/unbind", cards->cards[i].device, &error) < 0) {
                        (void)!write(fd, error.message, strlen(error.message));
                        _exit(1);
                }
        _exit(0);
}

int network_cards_hide(NetworkCards *cards, int *ret, Error *err) {
        cleanup_close int ours = -1, theirs = -1;
        int fds[2];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return error_errno(err, "pipe");
        ours = fds[0];
        theirs = fds[1];
        pid = fork();
        if (pid < 0)
                return error_errno(err, "fork");
        if (pid == 0)
                hide_all(cards, theirs);
        *ret = TAKE_FD(ours);
        return 0;
}

int network_cards_hidden(NetworkCards *cards, int fd, Error *err) {
        char why[256];
        ssize_t n = read(fd, why, sizeof(why) - 1);

        for (size_t i = 0; i < NETWORK_CARDS_KNOWN; i++)
                cards->cards[i].hiding = false;
        return n > 0 ? error_set(err, EIO, "%.*s", (int)n, why) : 0;
}

bool network_card_show(NetworkCards *cards, uint32_t number) {
        NetworkCard *card = &cards->cards[number];
        cleanup_error Error ignored = { 0 };
        char device[sizeof(card->device)];

        if (!*card->device || card->hiding)
                return false;
        memcpy(device, card->device, sizeof(device));
        *card->device = 0;
        /* it may have been unplugged since, and its name be another's */
        return file_write(AT_FDCWD, DRIVER "/bind", device, &ignored) >= 0;
}
