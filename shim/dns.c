/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Each query has a socket of its own, so that an answer needs no number to find its question, and a time limit. What a
 * guest can make us hold is bounded: so many queries at once, 64 KiB each, and none while it does not read its answers.
 */
#include "shim/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/network.h"

#define PORT         53
#define QUERIES_MAX  256U
#define ANSWER_MAX   65535U
#define QUEUED_MAX   (4U << 20) /* bytes of answers that wait for the guest */
#define TIMEOUT_USEC (10ULL * 1000 * 1000)

typedef struct Query {
        Dns *dns;
        uint32_t number;
        bool tcp;
        int fd;
        LoopSource *source, *timer;
        StrBuf out; /* TCP: what is still to be sent */
        StrBuf in;  /* TCP: length and answer, as far as they are here */
} Query;

struct Dns {
        Loop *loop;
        Channel *agent;
        Query *queries[QUERIES_MAX];
        size_t count;
};

Dns *dns_new(Loop *loop, Channel *agent) {
        Dns *dns = xnew(Dns, 1);

        dns->loop = loop;
        dns->agent = agent;
        return dns;
}

static void query_free(Query *query) {
        loop_source_free(query->source);
        loop_source_free(query->timer);
        if (query->fd >= 0)
                close(query->fd);
        strbuf_done(&query->out);
        strbuf_done(&query->in);
        free(query);
}

Dns *dns_free(Dns *dns) {
        if (!dns)
                return NULL;
        while (dns->count > 0)
                query_free(dns->queries[--dns->count]);
        free(dns);
        return NULL;
}

/* The end of a query; LENGTH 0: no answer. */
static void answer(Query *query, const char *data, size_t length) {
        Dns *dns = query->dns;

        for (size_t i = 0; i < dns->count; i++)
                if (dns->queries[i] == query) {
                        dns->queries[i] = dns->queries[--dns->count];
                        break;
                }
        if (channel_queued(dns->agent) > QUEUED_MAX)
                length = 0;
        channel_send(dns->agent, FRAME_DNS_ANSWER, query->number, 0, data, length);
        query_free(query);
}

static void on_timeout(LoopSource *source, void *user) {
        Query *query = user;

        (void)source;
        query->timer = NULL;
        answer(query, NULL, 0);
}

static void on_datagram(Query *query) {
        char buffer[ANSWER_MAX];
        ssize_t n = recv(query->fd, buffer, sizeof(buffer), 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        answer(query, buffer, n > 0 ? (size_t)n : 0); /* ECONNREFUSED: nobody is there */
}

/* Bytes of the answer that TCP's first two bytes announce; SIZE_MAX: they are not here yet. */
static size_t announced(const Query *query) {
        const unsigned char *in = (const unsigned char *)query->in.data;

        return query->in.length < 2 ? SIZE_MAX : (size_t)in[0] << 8 | in[1];
}

static void on_stream(Query *query, uint32_t events) {
        char buffer[16384];
        ssize_t n;

        if (query->out.length > 0 && events & EPOLLOUT) {
                n = send(query->fd, query->out.data, query->out.length, MSG_NOSIGNAL);
                if (n > 0)
                        strbuf_consume(&query->out, (size_t)n);
                if (query->out.length == 0)
                        loop_source_set_events(query->source, EPOLLIN);
        }
        if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return;
        n = recv(query->fd, buffer, sizeof(buffer), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                answer(query, NULL, 0);
                return;
        }
        strbuf_append(&query->in, buffer, (size_t)n);
        if (announced(query) <= query->in.length - 2)
                answer(query, query->in.data + 2, announced(query));
        else if (query->in.length > ANSWER_MAX + 2)
                answer(query, NULL, 0);
}

static void on_event(LoopSource *source, int fd, uint32_t events, void *user) {
        Query *query = user;

        (void)source;
        (void)fd;
        if (query->tcp)
                on_stream(query, events);
        else
                on_datagram(query);
}

/* A socket that is connected, or will be, and takes the query. */
static int ask(Query *query, const char *data, size_t length, Error *err) {
        struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(PORT) };
        unsigned char prefix[2] = { (unsigned char)(length >> 8), (unsigned char)length };

        inet_pton(AF_INET, NETWORK_DNS_ADDRESS, &server.sin_addr);
        query->fd =
                socket(AF_INET, (query->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (query->fd < 0)
                return error_errno(err, "socket");
        if (connect(query->fd, (struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS)
                return error_errno(err, "connect");
        if (!query->tcp && send(query->fd, data, length, MSG_NOSIGNAL) < 0)
                return error_errno(err, "send");
        if (query->tcp) {
                strbuf_append(&query->out, prefix, sizeof(prefix));
                strbuf_append(&query->out, data, length);
        }
        return loop_add_fd(query->dns->loop, query->fd, query->tcp ? EPOLLIN | EPOLLOUT : EPOLLIN, on_event,
                           query, &query->source, err);
}

int dns_query(Dns *dns, const Frame *frame, Error *err) {
        cleanup_error Error failed = { 0 };
        Query *query;

        if (frame->length < 2 || frame->data[0] < 0 || frame->data[0] > 1)
                return error_set(err, EPROTO, "a dns-query frame without a query");
        if (dns->count == QUERIES_MAX || channel_queued(dns->agent) > QUEUED_MAX) {
                channel_send(dns->agent, FRAME_DNS_ANSWER, frame->stream, 0, NULL, 0);
                return 0;
        }
        query = xnew(Query, 1);
        query->dns = dns;
        query->number = frame->stream;
        query->tcp = frame->data[0] == 1;
        dns->queries[dns->count++] = query;
        if (ask(query, frame->data + 1, frame->length - 1, &failed) < 0)
                answer(query, NULL, 0);
        else
                loop_add_timer(dns->loop, TIMEOUT_USEC, on_timeout, query, &query->timer);
        return 0;
}
