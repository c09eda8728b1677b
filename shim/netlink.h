/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rtnetlink through libnl: requests that are acknowledged, dumps, and news. In the network namespace in which the socket
 * was opened. */

#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

typedef struct nl_sock Netlink;

int netlink_open(Netlink **ret, Error *err);
void netlink_close(Netlink *netlink); /* NULL is fine */

static inline void netlink_closep(Netlink **netlink) {
        netlink_close(*netlink);
}

/* A request of TYPE with a fixed header; attributes are added with nla_put_…(). Freed by netlink_send(). */
struct nl_msg *netlink_request(int type, int flags, void *header, size_t length);

/* Sends, waits for the answer and frees MSG. -EEXIST and -ENOENT are told apart; WHAT begins the error's text. */
int netlink_send(Netlink *netlink, struct nl_msg *msg, Error *err, const char *what, ...)
        __attribute__((format(printf, 4, 5)));

typedef void (*NetlinkEach)(struct nlmsghdr *message, void *user);

/* Calls EACH for every object of a dump (RTM_GETLINK, …), of all families. -EAGAIN: something changed meanwhile, the dump
 * may not be consistent. */
int netlink_dump(Netlink *netlink, int type, NetlinkEach each, void *user, Error *err);
