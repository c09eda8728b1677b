/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/netlink.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define TEXT_MAX    256U  /* bytes of the kernel's own words */
#define TRIES_MAX   16U   /* for a list that changes while it is read */
#define EVENTS_SIZE 8192U /* bytes */

/* IFF_LOWER_UP, which <net/if.h> lacks and <linux/if.h>, which does not go with it, has. */
#define FLAG_LOWER_UP (1U << 16)

struct Netlink {
        struct nl_sock *sock;
};

/* ---- one request ---- */

typedef struct Answer {
        bool done;
        int code;   /* positive errno; 0: success */
        char *text; /* the kernel's words for it, or NULL; owned */

        /* of a list */
        int (*each)(struct nl_msg *message, void *user);
        void *user;
        size_t *count;    /* of what EACH has appended */
        bool interrupted; /* the list changed while it was read */
} Answer;

/* The kernel may say more than a number: struct nlmsgerr is then followed by attributes. */
static char *words(const struct nlmsgerr *error) {
        const struct nlmsghdr *header = (const struct nlmsghdr *)((const char *)error - NLMSG_HDRLEN);
        size_t length = header->nlmsg_len - NLMSG_HDRLEN, used = sizeof(*error);
        const struct nlattr *attribute;

        if (!(header->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > NLMSG_HDRLEN)
                used += error->msg.nlmsg_len - NLMSG_HDRLEN;
        if (!(header->nlmsg_flags & NLM_F_ACK_TLVS) || used > length)
                return NULL;
        attribute = nla_find((const struct nlattr *)((const char *)error + used), (int)(length - used),
                             NLMSGERR_ATTR_MSG);
        if (!attribute)
                return NULL;
        return str_printable(nla_data(attribute), strnlen(nla_data(attribute), (size_t)nla_len(attribute)),
                             TEXT_MAX);
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *user) {
        Answer *answer = user;

        (void)from;
        answer->done = true;
        answer->code = -error->error;
        answer->text = words(error);
        return NL_STOP;
}

static int on_done(struct nl_msg *message, void *user) {
        Answer *answer = user;

        (void)message;
        answer->done = true;
        return NL_STOP;
}

static int on_message(struct nl_msg *message, void *user) {
        Answer *answer = user;

        return answer->each ? answer->each(message, answer->user) : NL_OK;
}

static int receive(Netlink *netlink, Answer *answer, Error *err) {
        struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
        int r = 0;

        if (!cb)
                return error_set(err, ENOMEM, "netlink");
        nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);
        nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_done, answer);
        nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, answer);
        nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, answer);
        while (!answer->done && r >= 0)
                r = nl_recvmsgs(netlink->sock, cb);
        nl_cb_put(cb);
        answer->interrupted = r == -NLE_DUMP_INTR;
        if (!answer->done)
                return error_set(err, EIO, "netlink: %s", nl_geterror(r));
        return 0;
}

/* Takes MESSAGE over. */
static int ask(Netlink *netlink, struct nl_msg *message, Answer *answer, Error *err) {
        int r;

        r = nl_send_auto(netlink->sock, message);
        nlmsg_free(message);
        if (r < 0)
                return error_set(err, EIO, "netlink: %s", nl_geterror(r));
        r = receive(netlink, answer, err);
        if (r >= 0 && answer->text)
                r = error_set(err, answer->code, "%s: %s", answer->text, strerror(answer->code));
        else if (r >= 0 && answer->code)
                r = error_set(err, answer->code, "%s", strerror(answer->code));
        free(TAKE_PTR(answer->text));
        return r;
}

static struct nl_msg *new_message(int type, int flags, const void *header, size_t size) {
        struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

        if (!message || nlmsg_append(message, (void *)(uintptr_t)header, size, NLMSG_ALIGNTO) < 0)
                abort(); /* out of memory */
        return message;
}

static void put(struct nl_msg *message, int type, const void *data, size_t size) {
        if (nla_put(message, type, (int)size, data) < 0)
                abort(); /* out of memory */
}

static void put_ip(struct nl_msg *message, int type, const IpAddress *ip) {
        put(message, type, ip->bytes, ip_size(ip->family));
}

static int change(Netlink *netlink, struct nl_msg *message, Error *err) {
        Answer answer = { 0 };

        return ask(netlink, message, &answer, err);
}

/* ANSWER says what to do with each message of a list. */
static int list(Netlink *netlink, int type, const void *header, size_t size, Answer *answer, Error *err) {
        size_t before = *answer->count;

        for (unsigned i = 0; i < TRIES_MAX; i++) {
                answer->done = false;
                *answer->count = before;
                if (ask(netlink, new_message(type, NLM_F_DUMP, header, size), answer, err) < 0)
                        return -err->code;
                if (!answer->interrupted)
                        return 0;
        }
        return error_set(err, EAGAIN, "it changes all the time");
}

int netlink_new(Netlink **ret, Error *err) {
        cleanup(netlink_freep) Netlink *netlink = xnew(Netlink, 1);
        const int on = 1;
        int r;

        netlink->sock = nl_socket_alloc();
        if (!netlink->sock)
                return error_set(err, ENOMEM, "netlink");
        r = nl_connect(netlink->sock, NETLINK_ROUTE);
        if (r < 0)
                return error_set(err, EIO, "netlink: %s", nl_geterror(r));
        /* more words in errors, not the request over again; both are niceties */
        setsockopt(nl_socket_get_fd(netlink->sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
        setsockopt(nl_socket_get_fd(netlink->sock), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
        *ret = TAKE_PTR(netlink);
        return 0;
}

Netlink *netlink_free(Netlink *netlink) {
        if (!netlink)
                return NULL;
        if (netlink->sock)
                nl_socket_free(netlink->sock);
        free(netlink);
        return NULL;
}

/* ---- events ---- */

int netlink_open_events(int *ret, Error *err) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
        cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return error_errno(err, "netlink");
        *ret = TAKE_FD(fd);
        return 0;
}

void netlink_drop_events(int fd) {
        char buffer[EVENTS_SIZE];

        /* an overrun is an event as well */
        while (recv(fd, buffer, sizeof(buffer), 0) > 0 || errno == ENOBUFS || errno == EINTR)
                ;
}

/* ---- links ---- */

typedef struct Links {
        NetworkLink *links;
        size_t n;
} Links;

static void copy_mac(const struct nlattr *attribute, uint8_t ret[MAC_SIZE]) {
        if (attribute && nla_len(attribute) == MAC_SIZE)
                memcpy(ret, nla_data(attribute), MAC_SIZE);
}

static int on_link(struct nl_msg *message, void *user) {
        /* a link that has just been set up counts as running while the kernel has not looked at its carrier */
        const unsigned running = IFF_RUNNING | FLAG_LOWER_UP;
        const struct ifinfomsg *header = nlmsg_data(nlmsg_hdr(message));
        struct nlattr *attributes[IFLA_MAX + 1];
        NetworkLink *link;
        Links *all = user;

        if (nlmsg_parse(nlmsg_hdr(message), sizeof(*header), attributes, IFLA_MAX, NULL) < 0 ||
            !attributes[IFLA_IFNAME])
                return NL_OK;
        all->links = xreallocarray(all->links, all->n + 1, sizeof(*all->links));
        link = &all->links[all->n++];
        *link = (NetworkLink){
                .index = (uint32_t)header->ifi_index,
                .up = header->ifi_flags & IFF_UP,
                .running = (header->ifi_flags & running) == running,
                .loopback = header->ifi_flags & IFF_LOOPBACK,
        };
        nla_strlcpy(link->name, attributes[IFLA_IFNAME], sizeof(link->name));
        copy_mac(attributes[IFLA_ADDRESS], link->mac);
        copy_mac(attributes[IFLA_PERM_ADDRESS], link->permanent);
        if (attributes[IFLA_MTU])
                link->mtu = nla_get_u32(attributes[IFLA_MTU]);
        return NL_OK;
}

int netlink_links(Netlink *netlink, NetworkLink **ret, size_t *ret_n, Error *err) {
        const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
        Links links = { 0 };
        Answer answer = { .each = on_link, .user = &links, .count = &links.n };

        if (list(netlink, RTM_GETLINK, &header, sizeof(header), &answer, err) < 0) {
                free(links.links);
                return error_prefix(err, "listing links");
        }
        *ret = links.links;
        *ret_n = links.n;
        return 0;
}

int netlink_link_is_running(Netlink *netlink, uint32_t index, bool *ret, Error *err) {
        const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index };
        Links links = { 0 };
        Answer answer = { .each = on_link, .user = &links };
        bool running;
        int r;

        r = ask(netlink, new_message(RTM_GETLINK, NLM_F_ACK, &header, sizeof(header)), &answer, err);
        running = links.n > 0 && links.links[0].running;
        free(links.links);
        if (r < 0 && r != -ENODEV)
                return error_prefix(err, "looking at a link");
        error_clear(err);
        *ret = running;
        return 0;
}

static int set_link(Netlink *netlink, uint32_t index, int type, const void *data, size_t size, Error *err) {
        const struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index };
        struct nl_msg *message = new_message(RTM_NEWLINK, NLM_F_ACK, &header, sizeof(header));

        put(message, type, data, size);
        return change(netlink, message, err);
}

int netlink_set_name(Netlink *netlink, uint32_t index, const char *name, Error *err) {
        return set_link(netlink, index, IFLA_IFNAME, name, strlen(name) + 1, err);
}

int netlink_set_mac(Netlink *netlink, uint32_t index, const uint8_t mac[MAC_SIZE], Error *err) {
        return set_link(netlink, index, IFLA_ADDRESS, mac, MAC_SIZE, err);
}

int netlink_set_mtu(Netlink *netlink, uint32_t index, uint32_t mtu, Error *err) {
        return set_link(netlink, index, IFLA_MTU, &mtu, sizeof(mtu), err);
}

int netlink_set_up(Netlink *netlink, uint32_t index, bool up, Error *err) {
        const struct ifinfomsg header = {
                .ifi_family = AF_UNSPEC,
                .ifi_index = (int)index,
                .ifi_flags = up ? IFF_UP : 0,
                .ifi_change = IFF_UP,
        };

        return change(netlink, new_message(RTM_NEWLINK, NLM_F_ACK, &header, sizeof(header)), err);
}

/* ---- reading items ---- */

static void get_ip(const struct nlattr *attribute, uint8_t family, IpAddress *ret) {
        if (!attribute || nla_len(attribute) != ip_size(family))
                return;
        ret->family = family;
        memcpy(ret->bytes, nla_data(attribute), ip_size(family));
}

static uint32_t get_u32(const struct nlattr *attribute, uint32_t otherwise) {
        return attribute ? nla_get_u32(attribute) : otherwise;
}

static bool read_address(struct nl_msg *message, NetworkItem *item) {
        const struct ifaddrmsg *header = nlmsg_data(nlmsg_hdr(message));
        struct nlattr *attributes[IFA_MAX + 1];
        const struct nlattr *local;

        if (nlmsg_parse(nlmsg_hdr(message), sizeof(*header), attributes, IFA_MAX, NULL) < 0)
                return false;
        local = attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
        item->link = header->ifa_index;
        item->prefix = header->ifa_prefixlen;
        item->scope = header->ifa_scope;
        item->flags = get_u32(attributes[IFA_FLAGS], header->ifa_flags);
        get_ip(local, header->ifa_family, &item->address);
        get_ip(attributes[IFA_ADDRESS], header->ifa_family, &item->peer);
        get_ip(attributes[IFA_BROADCAST], header->ifa_family, &item->broadcast);
        return true;
}

static void get_gateway(struct nlattr *const *attributes, uint8_t family, IpAddress *ret) {
        const struct rtvia *via;

        get_ip(attributes[RTA_GATEWAY], family, ret);
        if (!attributes[RTA_VIA] || nla_len(attributes[RTA_VIA]) != (int)sizeof(*via) + ip_size(AF_INET6))
                return;
        via = nla_data(attributes[RTA_VIA]);
        ret->family = AF_INET6;
        memcpy(ret->bytes, via->rtvia_addr, ip_size(AF_INET6));
}

static bool read_route(struct nl_msg *message, NetworkItem *item) {
        const struct rtmsg *header = nlmsg_data(nlmsg_hdr(message));
        struct nlattr *attributes[RTA_MAX + 1], *metrics[RTAX_MAX + 1] = { 0 };

        if (nlmsg_parse(nlmsg_hdr(message), sizeof(*header), attributes, RTA_MAX, NULL) < 0 ||
            get_u32(attributes[RTA_TABLE], header->rtm_table) != RT_TABLE_MAIN ||
            (header->rtm_flags & RTM_F_CLONED))
                return false;
        if (attributes[RTA_METRICS] && nla_parse_nested(metrics, RTAX_MAX, attributes[RTA_METRICS], NULL) < 0)
                return false;
        item->link = get_u32(attributes[RTA_OIF], 0);
        item->metric = get_u32(attributes[RTA_PRIORITY], 0);
        item->mtu = get_u32(metrics[RTAX_MTU], 0);
        item->flags = header->rtm_flags;
        item->prefix = header->rtm_dst_len;
        item->scope = header->rtm_scope;
        item->type = header->rtm_type;
        item->protocol = header->rtm_protocol;
        get_ip(attributes[RTA_DST], header->rtm_family, &item->address);
        item->address.family = header->rtm_family; /* a default route has no destination */
        get_gateway(attributes, header->rtm_family, &item->gateway);
        get_ip(attributes[RTA_PREFSRC], header->rtm_family, &item->source);
        return true;
}

static bool read_neighbour(struct nl_msg *message, NetworkItem *item) {
        const struct ndmsg *header = nlmsg_data(nlmsg_hdr(message));
        struct nlattr *attributes[NDA_MAX + 1];

        if (nlmsg_parse(nlmsg_hdr(message), sizeof(*header), attributes, NDA_MAX, NULL) < 0 ||
            !(header->ndm_state & NUD_PERMANENT))
                return false;
        item->link = (uint32_t)header->ndm_ifindex;
        get_ip(attributes[NDA_DST], header->ndm_family, &item->address);
        copy_mac(attributes[NDA_LLADDR], item->mac);
        return true;
}

static const struct {
        int get, add, remove;
        bool (*read)(struct nl_msg *message, NetworkItem *item);
} kinds[] = {
        [ITEM_ADDRESS] = { RTM_GETADDR, RTM_NEWADDR, RTM_DELADDR, read_address },
        [ITEM_ROUTE] = { RTM_GETROUTE, RTM_NEWROUTE, RTM_DELROUTE, read_route },
        [ITEM_NEIGHBOUR] = { RTM_GETNEIGH, RTM_NEWNEIGH, RTM_DELNEIGH, read_neighbour },
};

typedef struct ItemReader {
        NetworkItemKind kind;
        uint8_t family;
        NetworkItems *items;
} ItemReader;

static int on_item(struct nl_msg *message, void *user) {
        ItemReader *reader = user;
        NetworkItem item = { .kind = (uint8_t)reader->kind };

        /* a kernel without this family lists another one */
        if (!kinds[reader->kind].read(message, &item) || item.address.family != reader->family)
                return NL_OK;
        network_item_normalize(&item);
        network_items_add(reader->items, &item);
        return NL_OK;
}

int netlink_items(Netlink *netlink, NetworkItemKind kind, NetworkItems *ret, Error *err) {
        static const uint8_t families[] = { AF_INET, AF_INET6 };

        for (size_t i = 0; i < ELEMENTS_OF(families); i++) {
                /* the headers of all three kinds begin with the family, and the rest is to be 0 */
                const struct rtmsg header = { .rtm_family = families[i] };
                ItemReader reader = { kind, families[i], ret };
                Answer answer = { .each = on_item, .user = &reader, .count = &ret->n };

                if (list(netlink, kinds[kind].get, &header, sizeof(header), &answer, err) < 0)
                        return error_prefix(err, "listing the network");
        }
        return 0;
}

/* ---- writing items ---- */

static struct nl_msg *address_message(int type, int flags, const NetworkItem *item) {
        const struct ifaddrmsg header = {
                .ifa_family = item->address.family,
                .ifa_prefixlen = item->prefix,
                .ifa_scope = item->scope,
                .ifa_index = item->link,
        };
        /* nobody else has a guest's address: it is usable at once */
        uint32_t more = item->flags | (item->address.family == AF_INET6 ? IFA_F_NODAD : 0);
        struct nl_msg *message = new_message(type, flags, &header, sizeof(header));

        put_ip(message, IFA_LOCAL, &item->address);
        put_ip(message, IFA_ADDRESS, item->peer.family ? &item->peer : &item->address);
        if (item->broadcast.family)
                put_ip(message, IFA_BROADCAST, &item->broadcast);
        put(message, IFA_FLAGS, &more, sizeof(more));
        return message;
}

static void put_gateway(struct nl_msg *message, const NetworkItem *item) {
        const IpAddress *gateway = &item->gateway;
        /* struct rtvia: the family, then the address */
        uint8_t via[sizeof(struct rtvia) + sizeof(gateway->bytes)] = { 0 };
        const uint16_t family = gateway->family;

        if (family == item->address.family) {
                put_ip(message, RTA_GATEWAY, gateway);
        } else if (family) {
                memcpy(via, &family, sizeof(family));
                memcpy(via + sizeof(struct rtvia), gateway->bytes, sizeof(gateway->bytes));
                put(message, RTA_VIA, via, sizeof(struct rtvia) + ip_size(gateway->family));
        }
}

static void put_route_mtu(struct nl_msg *message, uint32_t mtu) {
        struct nlattr *metrics = nla_nest_start(message, RTA_METRICS);

        if (!metrics)
                abort(); /* out of memory */
        put(message, RTAX_MTU, &mtu, sizeof(mtu));
        nla_nest_end(message, metrics);
}

static struct nl_msg *route_message(int type, int flags, const NetworkItem *item) {
        const struct rtmsg header = {
                .rtm_family = item->address.family,
                .rtm_dst_len = item->prefix,
                .rtm_table = RT_TABLE_MAIN,
                .rtm_protocol = item->protocol,
                .rtm_scope = item->scope,
                .rtm_type = item->type,
                .rtm_flags = item->flags,
        };
        struct nl_msg *message = new_message(type, flags, &header, sizeof(header));

        if (item->prefix > 0)
                put_ip(message, RTA_DST, &item->address);
        if (item->link)
                put(message, RTA_OIF, &item->link, sizeof(item->link));
        put_gateway(message, item);
        if (item->source.family)
                put_ip(message, RTA_PREFSRC, &item->source);
        if (item->metric)
                put(message, RTA_PRIORITY, &item->metric, sizeof(item->metric));
        if (item->mtu)
                put_route_mtu(message, item->mtu);
        return message;
}

static struct nl_msg *neighbour_message(int type, int flags, const NetworkItem *item) {
        const struct ndmsg header = {
                .ndm_family = item->address.family,
                .ndm_ifindex = (int)item->link,
                .ndm_state = NUD_PERMANENT,
        };
        struct nl_msg *message = new_message(type, flags, &header, sizeof(header));

        put_ip(message, NDA_DST, &item->address);
        put(message, NDA_LLADDR, item->mac, MAC_SIZE);
        return message;
}

static struct nl_msg *item_message(int type, int flags, const NetworkItem *item) {
        if (item->kind == ITEM_ADDRESS)
                return address_message(type, flags, item);
        if (item->kind == ITEM_ROUTE)
                return route_message(type, flags, item);
        return neighbour_message(type, flags, item);
}

int netlink_add(Netlink *netlink, const NetworkItem *item, Error *err) {
        /* a route beside others with the same destination, not in their place */
        int flags = NLM_F_ACK | NLM_F_CREATE | (item->kind == ITEM_ROUTE ? NLM_F_APPEND : NLM_F_REPLACE);

        if (change(netlink, item_message(kinds[item->kind].add, flags, item), err) < 0 && err->code != EEXIST)
                return -err->code;
        error_clear(err);
        return 0;
}

int netlink_remove(Netlink *netlink, const NetworkItem *item, Error *err) {
        if (change(netlink, item_message(kinds[item->kind].remove, NLM_F_ACK, item), err) < 0 &&
            err->code != ESRCH && err->code != EADDRNOTAVAIL && err->code != ENOENT && err->code != ENODEV)
                return -err->code;
        error_clear(err);
        return 0;
}
