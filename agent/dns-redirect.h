/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Port 53 of NETWORK_DNS_ADDRESS, for the processes of a cgroup, is another port of it: BPF programs change the
 * address that a process connects or sends to, and change it back where the process is told who answered. No socket
 * has port 53 itself, so that the container can have one there, on all addresses too.
 */

#include <linux/bpf.h>
#include <stdint.h>

#include "common/base/error.h"

#define DNS_REDIRECTS 7U

typedef struct DnsPorts {
        uint16_t udp, tcp; /* host's byte order */
} DnsPorts;

typedef struct DnsRedirect {
        int links[DNS_REDIRECTS]; /* -1: not attached */
} DnsRedirect;

#define DNS_REDIRECT_NONE                                                                                    \
        {                                                                                                    \
                { -1, -1, -1, -1, -1, -1, -1 }                                                               \
        }

/* Only in the network namespace of the calling process. */
int dns_redirect_start(DnsRedirect *redirect, int cgroup, const DnsPorts *ports, Error *err);
void dns_redirect_stop(DnsRedirect *redirect);
