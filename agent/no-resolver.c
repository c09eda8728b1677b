/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libnl can turn names of hosts and protocols into numbers, which nobody here asks it to. With these in place of
 * libc's functions the agent stays without NSS: smaller by it, and with nothing that would have to be loaded.
 */

#include <netdb.h>
#include <stddef.h>

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): theirs are reserved names */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret) {
        (void)node;
        (void)service;
        (void)hints;
        *ret = NULL;
        return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *list) {
        (void)list;
}

const char *gai_strerror(int code) {
        (void)code;
        return "no names are looked up here";
}

struct protoent *getprotobyname(const char *name) {
        (void)name;
        return NULL;
}

struct protoent *getprotobynumber(int number) {
        (void)number;
        return NULL;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
