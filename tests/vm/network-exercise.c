/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Both ends of small conversations, for tests of networks:
 *
 *   network-exercise serve PORT TEXT                  answers everybody with TEXT, by TCP and UDP, IPv4 and IPv6
 *   network-exercise ask PORT (tcp|udp) ADDRESS...    prints what each one says; ends with 1 when one does not
 *
 * "ask" tries once and does nothing else before: run as the program of a container it tells whether the network was
 * there at its first instruction. A datagram is not sent again.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_SECONDS 5

static void must(int r, const char *what) {
        if (r >= 0)
                return;
        perror(what);
        exit(1);
}

static int open_port(int type, const char *port) {
        struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
        int fd = socket(AF_INET6, type, 0), no = 0, yes = 1;

        must(fd, "socket");
        must(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)), "IPv4");
        must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), "SO_REUSEADDR");
        must(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind");
        return fd;
}

static void answer(struct pollfd *fds, const char *text) {
        struct sockaddr_in6 peer;
        socklen_t size = sizeof(peer);
        char buffer[512];

        if (fds[0].revents) {
                int fd = accept(fds[0].fd, NULL, NULL);

                if (fd >= 0) {
                        send(fd, text, strlen(text), MSG_NOSIGNAL);
                        close(fd);
                }
        }
        if (fds[1].revents &&
            recvfrom(fds[1].fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &size) >= 0)
                sendto(fds[1].fd, text, strlen(text), 0, (struct sockaddr *)&peer, size);
}

static int serve(const char *port, const char *text) {
        struct pollfd fds[] = { { .fd = open_port(SOCK_STREAM, port), .events = POLLIN },
                                { .fd = open_port(SOCK_DGRAM, port), .events = POLLIN } };

        must(listen(fds[0].fd, 16), "listen");
        puts("ready");
        fflush(stdout);
        while (poll(fds, 2, -1) > 0)
                answer(fds, text);
        return 1;
}

static int ask(const char *port, const char *protocol, const char *text) {
        struct timeval limit = { .tv_sec = TIMEOUT_SECONDS };
        struct sockaddr_in6 ip6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
        struct sockaddr_in ip4 = { .sin_family = AF_INET, .sin_port = ip6.sin6_port };
        bool is_ip6 = strchr(text, ':'), udp = strcmp(protocol, "udp") == 0;
        int fd = socket(is_ip6 ? AF_INET6 : AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
        char buffer[512];
        ssize_t n;

        must(fd, "socket");
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        must(inet_pton(is_ip6 ? AF_INET6 : AF_INET, text,
                       is_ip6 ? (void *)&ip6.sin6_addr : (void *)&ip4.sin_addr) == 1
                     ? 0
                     : -1,
             text);
        must(is_ip6 ? connect(fd, (struct sockaddr *)&ip6, sizeof(ip6))
                    : connect(fd, (struct sockaddr *)&ip4, sizeof(ip4)),
             text);
        if (udp)
                must((int)send(fd, "?", 1, MSG_NOSIGNAL), text);
        n = recv(fd, buffer, sizeof(buffer), 0);
        must((int)n, text);
        printf("%.*s\n", (int)n, buffer);
        close(fd);
        return n > 0 ? 0 : 1;
}

int main(int argc, char **argv) {
        int r = 0;

        if (argc == 4 && strcmp(argv[1], "serve") == 0)
                return serve(argv[2], argv[3]);
        if (argc < 5 || strcmp(argv[1], "ask") != 0)
                return 2;
        for (int i = 3; i + 1 < argc; i += 2)
                r |= ask(argv[2], argv[i], argv[i + 1]);
        return r;
}
