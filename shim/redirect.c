/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Each of the two devices gets an ingress qdisc with one u32 filter that takes every packet and has mirred send it out
 * of the other device (tc-u32(8), tc-mirred(8)): the widest supported way, and bytes are never copied to us. The
 * namespace's own network stack then sees nothing that arrives; its addresses stay where engines look for them.
 *
 * One program may need that stack: Docker's name server listens on 127.0.0.11 here and asks other servers through this
 * very interface. So with PASS_DNS more filters come first: ARP goes both ways (the guest and the namespace have the
 * same address and hardware address, so two equal answers do no harm), and so do IPv6's answers about neighbours; answers
 * of name servers to the range of ports that is set aside for this namespace go up instead of across.
 */
#include "shim/redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <netinet/icmp6.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "common/protocol/network.h"

/* Byte offsets into IPv4, for headers without options (u32 finds longer ones by "nexthdr", which few senders of DNS use),
 * and IPv6 without extension headers. */
#define IPV4_PROTOCOL_WORD 8
#define IPV4_DATA_WORD     20
#define IPV6_PROTOCOL_WORD 4
#define IPV6_DATA_WORD     40

typedef struct Filter {
        uint32_t priority;
        uint16_t protocol; /* ETH_P_… */
        struct {
                uint32_t value, mask; /* host order */
                int offset;
        } keys[2];
        unsigned n_keys; /* 0: every packet */
        uint32_t target; /* where it goes; 0: up the stack */
        bool copy;       /* there, and up the stack */
} Filter;

static struct tcmsg header(uint32_t interface, uint32_t parent, uint32_t handle, uint32_t info) {
        return (struct tcmsg){
                .tcm_family = AF_UNSPEC,
                .tcm_ifindex = (int)interface,
                .tcm_parent = parent,
                .tcm_handle = handle,
                .tcm_info = info,
        };
}

static struct nlattr *begin(struct nl_msg *msg, int type) {
        struct nlattr *nest = nla_nest_start(msg, type);

        if (!nest)
                abort(); /* messages have a page; these are short */
        return nest;
}

static void put(struct nl_msg *msg, int type, size_t length, const void *data) {
        if (nla_put(msg, type, (int)length, data) < 0)
                abort();
}

static void put_mirred(struct nl_msg *msg, const Filter *filter) {
        struct tc_mirred mirred = {
                .action = filter->copy ? TC_ACT_OK : TC_ACT_STOLEN,
                .eaction = filter->copy ? TCA_EGRESS_MIRROR : TCA_EGRESS_REDIR,
                .ifindex = filter->target,
        };
        struct nlattr *actions = begin(msg, TCA_U32_ACT), *first = begin(msg, 1), *options;

        put(msg, TCA_ACT_KIND, sizeof("mirred"), "mirred");
        options = begin(msg, TCA_ACT_OPTIONS);
        put(msg, TCA_MIRRED_PARMS, sizeof(mirred), &mirred);
        nla_nest_end(msg, options);
        nla_nest_end(msg, first);
        nla_nest_end(msg, actions);
}

static int add_filter(Netlink *netlink, uint32_t interface, const Filter *filter, const char *name,
                      Error *err) {
        struct tcmsg tc = header(interface, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), 0,
                                 TC_H_MAKE(filter->priority << 16, htons(filter->protocol)));
        struct nl_msg *msg = netlink_request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof(tc));
        struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
        struct tc_u32_key keys[2] = { 0 };
        char u32[sizeof(sel) + sizeof(keys)]; /* the keys follow the selector */
        struct nlattr *options;

        for (unsigned i = 0; i < filter->n_keys; i++) {
                keys[i].val = htonl(filter->keys[i].value);
                keys[i].mask = htonl(filter->keys[i].mask);
                keys[i].off = filter->keys[i].offset;
                sel.nkeys = (unsigned char)(i + 1);
        }
        memcpy(u32, &sel, sizeof(sel));
        memcpy(u32 + sizeof(sel), keys, sizeof(keys));
        put(msg, TCA_KIND, sizeof("u32"), "u32");
        options = begin(msg, TCA_OPTIONS);
        if (!filter->target) {
                uint32_t class = 1; /* a filter without an action needs one; it means nothing here */

                put(msg, TCA_U32_CLASSID, sizeof(class), &class);
        }
        put(msg, TCA_U32_SEL, sizeof(sel) + sel.nkeys * sizeof(keys[0]), u32);
        if (filter->target)
                put_mirred(msg, filter);
        nla_nest_end(msg, options);
        return netlink_send(netlink, msg, err, "joining interface %s and the guest's card (tc filter)", name);
}

static int add_qdisc(Netlink *netlink, uint32_t interface, const char *name, Error *err) {
        struct tcmsg tc = header(interface, TC_H_INGRESS, TC_H_MAKE(TC_H_INGRESS, 0), 0);
        struct nl_msg *msg = netlink_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof(tc));

        put(msg, TCA_KIND, sizeof("ingress"), "ingress");
        return netlink_send(netlink, msg, err, "joining interface %s and the guest's card (tc qdisc)", name);
}

int redirect_part(Netlink *netlink, uint32_t interface, Error *err) {
        struct tcmsg tc = header(interface, TC_H_INGRESS, TC_H_MAKE(TC_H_INGRESS, 0), 0);
        struct nl_msg *msg = netlink_request(RTM_DELQDISC, 0, &tc, sizeof(tc));
        cleanup_error Error error = { 0 };

        /* the kernel says ENOENT or EINVAL when there is none */
        if (netlink_send(netlink, msg, &error, "interface %u", interface) < 0 && error.code == EPERM)
                return error_set(err, EPERM, "%s", error.message);
        return 0;
}

static int splice(Netlink *netlink, uint32_t from, uint32_t to, const char *name, Error *err) {
        Filter all = { .priority = NETWORK_FILTER_PRIORITY, .protocol = ETH_P_ALL, .target = to };

        if (redirect_part(netlink, from, err) < 0 || add_qdisc(netlink, from, name, err) < 0)
                return -err->code;
        return add_filter(netlink, from, &all, name, err);
}

static int pass_dns_up(Netlink *netlink, uint32_t interface, uint32_t tap, const char *name, Error *err) {
        static const uint32_t ports = 53U << 16 | REDIRECT_LOCAL_PORTS_BASE,
                              ports_mask = 0xffff0000 | REDIRECT_LOCAL_PORTS_BASE;
        const Filter filters[] = {
                { .protocol = ETH_P_ARP, .target = tap, .copy = true },
                { .protocol = ETH_P_IP,
                  .keys = { { IPPROTO_UDP << 16, 0xff0000, IPV4_PROTOCOL_WORD },
                            { ports, ports_mask, IPV4_DATA_WORD } },
                  .n_keys = 2 },
                { .protocol = ETH_P_IP,
                  .keys = { { IPPROTO_TCP << 16, 0xff0000, IPV4_PROTOCOL_WORD },
                            { ports, ports_mask, IPV4_DATA_WORD } },
                  .n_keys = 2 },
                { .protocol = ETH_P_IPV6,
                  .keys = { { IPPROTO_ICMPV6 << 8, 0xff00, IPV6_PROTOCOL_WORD },
                            { (uint32_t)ND_NEIGHBOR_ADVERT << 24, 0xff000000, IPV6_DATA_WORD } },
                  .n_keys = 2,
                  .target = tap,
                  .copy = true },
                { .protocol = ETH_P_IPV6,
                  .keys = { { IPPROTO_UDP << 8, 0xff00, IPV6_PROTOCOL_WORD },
                            { ports, ports_mask, IPV6_DATA_WORD } },
                  .n_keys = 2 },
                { .protocol = ETH_P_IPV6,
                  .keys = { { IPPROTO_TCP << 8, 0xff00, IPV6_PROTOCOL_WORD },
                            { ports, ports_mask, IPV6_DATA_WORD } },
                  .n_keys = 2 },
        };

        for (uint32_t i = 0; i < ELEMENTS_OF(filters); i++) {
                Filter filter = filters[i];

                filter.priority = i + 1; /* one has one protocol */
                if (add_filter(netlink, interface, &filter, name, err) < 0)
                        return -err->code;
        }
        return 0;
}

int redirect_join(Netlink *netlink, uint32_t interface, uint32_t tap, bool pass_dns, const char *name,
                  Error *err) {
        int r = splice(netlink, tap, interface, name, err);

        if (r >= 0)
                r = splice(netlink, interface, tap, name, err);
        if (r >= 0 && pass_dns)
                r = pass_dns_up(netlink, interface, tap, name, err);
        return r;
}
