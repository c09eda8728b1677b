/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/nsfs.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/network.h"
#include "runtime/host/joined.h"

typedef struct TcRequest {
        struct nlmsghdr header;
        struct tcmsg tc;
        char attributes[16];
} TcRequest;

static bool tc_delete(int netlink, uint16_t type, const struct tcmsg *tc, const char *kind) {
        TcRequest request = {
                .header = { .nlmsg_len = NLMSG_LENGTH(sizeof(*tc)),
                            .nlmsg_type = type,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
                .tc = *tc,
        };
        struct {
                struct nlmsghdr header;
                struct nlmsgerr error;
                char rest[512]; /* the request, and words of the kernel */
        } answer;
        ssize_t n;

        if (kind) {
                struct rtattr *attribute = (struct rtattr *)request.attributes;

                attribute->rta_type = TCA_KIND;
                attribute->rta_len = (unsigned short)RTA_LENGTH(strlen(kind) + 1);
                memcpy(RTA_DATA(attribute), kind, strlen(kind) + 1);
                request.header.nlmsg_len += attribute->rta_len;
        }
        if (send(netlink, &request, request.header.nlmsg_len, 0) < 0)
                return false;
        n = recv(netlink, &answer, sizeof(answer), 0);
        return n >= (ssize_t)(sizeof(answer.header) + sizeof(answer.error)) &&
               answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error == 0;
}

/* In the namespace of the caller. Filters and qdiscs of others stay. */
static int remove_filters(Error *err) {
        cleanup_close int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        char tap[IFNAMSIZ];
        struct if_nameindex *links;

        snprintf(tap, sizeof(tap), NETWORK_TAP_NAME, 0U);
        if (if_nametoindex(tap) != 0)
                return 0; /* of a machine that lives: the filters are its own */
        if (netlink < 0)
                return error_errno(err, "netlink");
        links = if_nameindex();
        if (!links)
                return error_errno(err, "interfaces");
        for (const struct if_nameindex *link = links; link->if_index != 0; link++) {
                struct tcmsg filter = {
                        .tcm_ifindex = (int)link->if_index,
                        .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                        .tcm_info = TC_H_MAKE(NETWORK_FILTER_PRIORITY << 16, htons(ETH_P_ALL)),
                };
                struct tcmsg qdisc = {
                        .tcm_ifindex = (int)link->if_index,
                        .tcm_parent = TC_H_INGRESS,
                        .tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0),
                };

                if (tc_delete(netlink, RTM_DELTFILTER, &filter, "u32"))
                        tc_delete(netlink, RTM_DELQDISC, &qdisc, NULL);
        }
        if_freenameindex(links);
        return 0;
}

Json *netns_note(const char *path) {
        struct stat st;
        Json *note;

        if (stat(path, &st) < 0)
                return NULL;
        note = json_new_object();
        json_set(note, "path", json_new_string(path));
        json_set(note, "device", json_new_uint64(st.st_dev));
        json_set(note, "inode", json_new_uint64(st.st_ino));
        return note;
}

int netns_release(const Json *note, Error *err) {
        const char *path = json_string(json_get(note, "path"));
        cleanup_close int fd = -1, own = -1;
        uint64_t device, inode;
        struct stat st;
        int r;

        if (!path || !json_uint64(json_get(note, "device"), &device) ||
            !json_uint64(json_get(note, "inode"), &inode))
                return 0;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != device || st.st_ino != inode ||
            ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET || joined_is_host("network", &st))
                return 0;
        own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (own < 0 || setns(fd, CLONE_NEWNET) < 0)
                return error_errno(err, "network namespace %s", path);
        r = remove_filters(err);
        if (setns(own, CLONE_NEWNET) < 0)
                return error_errno(err, "going back from network namespace %s", path);
        return r < 0 ? error_prefix(err, "network namespace %s", path) : 0;
}
