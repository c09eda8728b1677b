/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * A query that arrives gets a number and a place among those that wait, and keeps it until its answer is here, ten
 * seconds have passed, or the connection that it came by is gone. Without a free place it is dropped, as any name
 * server may do: who asked by UDP asks again, who asked by TCP sees the connection end.
 *
 * A TCP connection is read from only while it has taken its answers, and while few of its queries wait. So what it can
 * make us hold is bounded: one query of 64 KiB and a few answers.
 */
#include "agent/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/dns-redirect.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/network.h"

#define QUERIES_MAX          256U
#define CONNECTIONS_MAX      64U
#define CONNECTION_QUERIES   8U         /* of one connection at a time */
#define QUEUED_MAX           (1U << 20) /* bytes that wait for the host, beyond which nothing is asked */
#define MESSAGE_MAX          65535U
#define PREFIX_SIZE          2U  /* TCP: length of the message that follows */
#define BATCH                64U /* datagrams in a row, then others have their turn */
#define TIMEOUT_USEC         (10ULL * 1000 * 1000)
#define CONNECTION_IDLE_USEC TIMEOUT_USEC

#define BY_UDP 0
#define BY_TCP 1

typedef struct Connection {
        struct Connection *next;
        Dns *dns;
        int fd;
        LoopSource *source, *idle;
        StrBuf in, out;
        unsigned waiting; /* queries */
        bool ended;       /* nothing more will be asked */
} Connection;

typedef struct Query {
        struct Query *next;
        Dns *dns;
        uint32_t number;
        LoopSource *timer;
        Connection *connection; /* NULL: UDP */
        struct sockaddr_in asker;
} Query;

struct Dns {
        Loop *loop;
        Channel *channel;
        int udp, tcp; /* -1: stopped */
        LoopSource *udp_source, *tcp_source;
        DnsRedirect redirect;
        Query *queries;
        unsigned n_queries, n_connections;
        Connection *connections;
        uint32_t last_number;
};

/* ---- queries ---- */

static void query_free(Query *query) {
        Dns *dns = query->dns;

        for (Query **p = &dns->queries; *p; p = &(*p)->next)
                if (*p == query) {
                        *p = query->next;
                        break;
                }
        dns->n_queries--;
        if (query->connection)
                query->connection->waiting--;
        loop_source_free(query->timer);
        free(query);
}

static void connection_free(Connection *connection) {
        Dns *dns = connection->dns;
        Query *next;

        for (Query *q = dns->queries; q; q = next) {
                next = q->next;
                if (q->connection == connection)
                        query_free(q);
        }
        for (Connection **p = &dns->connections; *p; p = &(*p)->next)
                if (*p == connection) {
                        *p = connection->next;
                        break;
                }
        dns->n_connections--;
        loop_source_free(connection->source);
        loop_source_free(connection->idle);
        close(connection->fd);
        strbuf_done(&connection->in);
        strbuf_done(&connection->out);
        free(connection);
}

/* There is no answer, and will be none. */
static void give_up(Query *query) {
        if (query->connection)
                connection_free(query->connection);
        else
                query_free(query);
}

static void on_timeout(LoopSource *source, void *user) {
        Query *query = user;

        (void)source;
        query->timer = NULL;
        give_up(query);
}

static bool number_is_taken(const Dns *dns, uint32_t number) {
        for (const Query *q = dns->queries; q; q = q->next)
                if (q->number == number)
                        return true;
        return false;
}

/* False: there are too many. MESSAGE has room for one byte in front. */
static bool ask(Dns *dns, Connection *connection, const struct sockaddr_in *asker, char *message,
                size_t length) {
        Query *query;

        if (dns->n_queries == QUERIES_MAX || channel_queued(dns->channel) > QUEUED_MAX)
                return false;
        do
                dns->last_number++;
        while (number_is_taken(dns, dns->last_number));
        query = xnew(Query, 1);
        query->dns = dns;
        query->number = dns->last_number;
        query->connection = connection;
        if (connection)
                connection->waiting++;
        else
                query->asker = *asker;
        query->next = dns->queries;
        dns->queries = query;
        dns->n_queries++;
        loop_add_timer(dns->loop, TIMEOUT_USEC, on_timeout, query, &query->timer);
        message[-1] = connection ? BY_TCP : BY_UDP;
        channel_send(dns->channel, FRAME_DNS_QUERY, query->number, 0, message - 1, length + 1);
        return true;
}

/* ---- UDP ---- */

static void on_datagram(LoopSource *source, int fd, uint32_t events, void *user) {
        char buffer[1 + MESSAGE_MAX];
        Dns *dns = user;

        (void)source;
        (void)events;
        for (unsigned i = 0; i < BATCH; i++) {
                struct sockaddr_in asker = { 0 };
                socklen_t size = sizeof(asker);
                ssize_t n =
                        recvfrom(fd, buffer + 1, MESSAGE_MAX, MSG_DONTWAIT, (struct sockaddr *)&asker, &size);

                if (n < 0)
                        return;
                if (n > 0)
                        ask(dns, NULL, &asker, buffer + 1, (size_t)n);
        }
}

/* ---- TCP ---- */

static void on_connection(LoopSource *source, int fd, uint32_t events, void *user);

static void on_idle(LoopSource *source, void *user) {
        Connection *connection = user;

        (void)source;
        connection->idle = NULL;
        /* those that wait have limits of their own */
        if (connection->waiting == 0 || connection->out.length > 0)
                connection_free(connection);
}

static void expect_something(Connection *connection) {
        connection->idle = loop_source_free(connection->idle);
        loop_add_timer(connection->dns->loop, CONNECTION_IDLE_USEC, on_idle, connection, &connection->idle);
}

static bool may_ask(const Connection *connection) {
        return connection->out.length == 0 && connection->waiting < CONNECTION_QUERIES;
}

/* Hands on the queries that are here as a whole. False: the connection is gone. */
static bool ask_all(Connection *connection) {
        size_t used = 0;

        while (may_ask(connection)) {
                unsigned char *in = (unsigned char *)connection->in.data + used;
                size_t left = connection->in.length - used, length;

                if (left < PREFIX_SIZE)
                        break;
                length = (size_t)in[0] << 8 | in[1];
                if (left - PREFIX_SIZE < length)
                        break;
                /* the byte in front is one of the prefix */
                if (length == 0 ||
                    !ask(connection->dns, connection, NULL, (char *)in + PREFIX_SIZE, length)) {
                        connection_free(connection);
                        return false;
                }
                used += PREFIX_SIZE + length;
        }
        if (used > 0)
                strbuf_consume(&connection->in, used);
        return true;
}

/* What it waits for now; it ends when that is nothing. */
static void settle(Connection *connection) {
        uint32_t events = 0;

        if (!ask_all(connection))
                return;
        if (connection->ended && connection->waiting == 0 && connection->out.length == 0) {
                connection_free(connection);
                return;
        }
        if (connection->out.length > 0)
                events |= EPOLLOUT;
        if (!connection->ended && may_ask(connection))
                events |= EPOLLIN;
        loop_source_set_events(connection->source, events);
}

/* False: the connection is gone. */
static bool write_out(Connection *connection) {
        ssize_t n;

        n = send(connection->fd, connection->out.data, connection->out.length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
                connection_free(connection);
                return false;
        }
        if (n > 0)
                strbuf_consume(&connection->out, (size_t)n);
        return true;
}

static bool read_in(Connection *connection) {
        char buffer[4096];
        ssize_t n = recv(connection->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN && errno != EINTR) {
                connection_free(connection);
                return false;
        }
        if (n > 0)
                strbuf_append(&connection->in, buffer, (size_t)n);
        else if (n == 0)
                connection->ended = true;
        return true;
}

static void on_connection(LoopSource *source, int fd, uint32_t events, void *user) {
        Connection *connection = user;

        (void)source;
        (void)fd;
        if (events & EPOLLERR || (events & EPOLLHUP && !(events & EPOLLIN))) {
                connection_free(connection);
                return;
        }
        expect_something(connection);
        if (events & EPOLLOUT && !write_out(connection))
                return;
        if (events & EPOLLIN && !read_in(connection))
                return;
        settle(connection);
}

static void on_accept(LoopSource *source, int fd, uint32_t events, void *user) {
        cleanup_close int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        cleanup_error Error ignored = { 0 };
        Connection *connection;
        Dns *dns = user;

        (void)source;
        (void)events;
        if (accepted < 0 || dns->n_connections == CONNECTIONS_MAX)
                return;
        connection = xnew(Connection, 1);
        connection->dns = dns;
        connection->fd = TAKE_FD(accepted);
        connection->next = dns->connections;
        dns->connections = connection;
        dns->n_connections++;
        expect_something(connection);
        if (loop_add_fd(dns->loop, connection->fd, EPOLLIN, on_connection, connection, &connection->source,
                        &ignored) < 0)
                connection_free(connection);
}

/* ---- answers ---- */

void dns_answer(Dns *dns, const Frame *frame) {
        Query *query = dns->queries;
        Connection *connection;

        while (query && query->number != frame->stream)
                query = query->next;
        if (!query)
                return;
        if (frame->length == 0 || frame->length > MESSAGE_MAX) {
                give_up(query);
                return;
        }
        connection = query->connection;
        if (connection) {
                const char prefix[PREFIX_SIZE] = { (char)(frame->length >> 8), (char)frame->length };

                query_free(query);
                strbuf_append(&connection->out, prefix, sizeof(prefix));
                strbuf_append(&connection->out, frame->data, frame->length);
                expect_something(connection);
                if (write_out(connection))
                        settle(connection);
        } else {
                sendto(dns->udp, frame->data, frame->length, MSG_DONTWAIT | MSG_NOSIGNAL,
                       (const struct sockaddr *)&query->asker, sizeof(query->asker));
                query_free(query);
        }
}

/* ---- from beginning to end ---- */

Dns *dns_new(Loop *loop, Channel *channel) {
        Dns *dns = xnew(Dns, 1);

        *dns = (Dns){ .loop = loop, .channel = channel, .udp = -1, .tcp = -1, .redirect = DNS_REDIRECT_NONE };
        return dns;
}

Dns *dns_free(Dns *dns) {
        if (!dns)
                return NULL;
        dns_stop(dns);
        free(dns);
        return NULL;
}

static int open_port(int type, uint16_t *ret, Error *err) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = inet_addr(NETWORK_DNS_ADDRESS) };
        cleanup_close int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(address);

        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, size) < 0 ||
            getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
            (type == SOCK_STREAM && listen(fd, CONNECTIONS_MAX) < 0))
                return error_errno(err, "a port of " NETWORK_DNS_ADDRESS);
        *ret = ntohs(address.sin_port);
        return TAKE_FD(fd);
}

static int start(Dns *dns, int cgroup, Error *err) {
        DnsPorts ports;

        dns->udp = open_port(SOCK_DGRAM, &ports.udp, err);
        if (dns->udp < 0)
                return dns->udp;
        dns->tcp = open_port(SOCK_STREAM, &ports.tcp, err);
        if (dns->tcp < 0)
                return dns->tcp;
        if (loop_add_fd(dns->loop, dns->udp, EPOLLIN, on_datagram, dns, &dns->udp_source, err) < 0 ||
            loop_add_fd(dns->loop, dns->tcp, EPOLLIN, on_accept, dns, &dns->tcp_source, err) < 0)
                return -err->code;
        return dns_redirect_start(&dns->redirect, cgroup, &ports, err);
}

int dns_start(Dns *dns, int cgroup, Error *err) {
        if (dns->udp >= 0)
                return 0;
        if (start(dns, cgroup, err) < 0) {
                dns_stop(dns);
                return error_prefix(err, "dns");
        }
        return 0;
}

void dns_stop(Dns *dns) {
        dns_redirect_stop(&dns->redirect);
        while (dns->connections)
                connection_free(dns->connections);
        while (dns->queries)
                query_free(dns->queries);
        dns->udp_source = loop_source_free(dns->udp_source);
        dns->tcp_source = loop_source_free(dns->tcp_source);
        close_descriptor(&dns->udp);
        close_descriptor(&dns->tcp);
        dns->udp = dns->tcp = -1;
}
