/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Splices an interface onto a tap: what arrives on either leaves on the other, by the kernel alone (tc: u32, mirred). */

#include <stdbool.h>

#include "shim/netlink.h"

/* PASS_DNS: what Docker's name server in this namespace needs of INTERFACE still reaches the namespace: ARP, IPv6's
 * neighbours, and answers from port 53 to REDIRECT_LOCAL_PORTS. NAME is for messages. What was spliced before is replaced. */
int redirect_join(Netlink *netlink, uint32_t interface, uint32_t tap, bool pass_dns, const char *name,
                  Error *err);

/* Undoes it on INTERFACE. No error if there is nothing, or no such interface any more. */
int redirect_part(Netlink *netlink, uint32_t interface, Error *err);

/* Ports that programs in the namespace itself (not in the guest) may take for connections: 61440 to 65535. Linux guests
 * take theirs from 32768 to 60999 unless told otherwise. */
#define REDIRECT_LOCAL_PORTS      "61440 65535"
#define REDIRECT_LOCAL_PORTS_BASE 0xf000U /* also the mask */
