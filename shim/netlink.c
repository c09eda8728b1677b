/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/netlink.h"

#include <errno.h>
#include <netlink/netlink.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"

int netlink_open(Netlink **ret, Error *err) {
        Netlink *netlink = nl_socket_alloc();
        int r;

        if (!netlink)
                return error_set(err, ENOMEM, "netlink");
        r = nl_connect(netlink, NETLINK_ROUTE);
        if (r < 0) {
                nl_socket_free(netlink);
                return error_set(err, EIO, "netlink: %s", nl_geterror(r));
        }
        *ret = netlink;
        return 0;
}

void netlink_close(Netlink *netlink) {
        nl_socket_free(netlink);
}

struct nl_msg *netlink_request(int type, int flags, void *header, size_t length) {
        struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

        if (!msg || nlmsg_append(msg, header, length, NLMSG_ALIGNTO) < 0)
                abort();
        return msg;
}

int netlink_send(Netlink *netlink, struct nl_msg *msg, Error *err, const char *what, ...) {
        int r = nl_send_sync(netlink, msg); /* frees it */
        cleanup_free char *text = NULL;
        va_list ap;

        if (r >= 0)
                return 0;
        va_start(ap, what);
        text = xvasprintf(what, ap);
        va_end(ap);
        return error_set(err,
                         r == -NLE_EXIST                             ? EEXIST
                         : r == -NLE_OBJ_NOTFOUND || r == -NLE_NODEV ? ENOENT
                                                                     : EIO,
                         "%s: %s", text, nl_geterror(r));
}

typedef struct Dump {
        NetlinkEach each;
        void *user;
} Dump;

static int on_object(struct nl_msg *msg, void *user) {
        Dump *dump = user;

        dump->each(nlmsg_hdr(msg), dump->user);
        return NL_OK;
}

int netlink_dump(Netlink *netlink, int type, NetlinkEach each, void *user, Error *err) {
        struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
        Dump dump = { .each = each, .user = user };
        int r;

        nl_socket_modify_cb(netlink, NL_CB_VALID, NL_CB_CUSTOM, on_object, &dump);
        r = nl_send_simple(netlink, type, NLM_F_DUMP, &header, sizeof(header));
        if (r >= 0)
                r = nl_recvmsgs_default(netlink);
        nl_socket_modify_cb(netlink, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
        if (r >= 0)
                return 0;
        return error_set(err, r == -NLE_DUMP_INTR ? EAGAIN : EIO, "reading the network namespace: %s",
                         nl_geterror(r));
}
