/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * A job goes through four stages: its cards are there (one that was just plugged in may take a moment); those that no
 * interface uses are hidden; links, addresses, routes and neighbours are made, which waits for nothing; the interfaces
 * have carriers. Between the stages the loop goes on: the kernel's news about links, the end of the hiding, or a
 * deadline, bring the job back here.
 *
 * To know what is no longer wanted, what was made is remembered; the kernel is asked only for what is there already.
 * So things that the container has added by itself are never touched, and things that the kernel makes (link-local
 * addresses, routes of addresses) are nobody's business.
 */
#include "agent/network.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "agent/network-links.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define CARD_WAIT_USEC    (5ULL * 1000 * 1000)
#define CARRIER_WAIT_USEC (2ULL * 1000 * 1000)
#define JOBS_MAX          16U

typedef struct Job {
        struct Job *next;
        Wish *wish;
        bool made;                    /* all but the carriers */
        const WishInterface *waiting; /* what the job waits for */
        uint32_t seq;
        NetworkDoneFn done;
        void *user;
} Job;

struct Network {
        Loop *loop;
        NetworkCards cards;
        NetworkItems items; /* made by us, with indices of links */
        Job *jobs;          /* the first one is at work */
        int events;
        LoopSource *watch, *timer;
        int hiding; /* readable when cards are hidden; -1: nothing is going on */
        LoopSource *hidden;
};

static Job *job_free(Job *job) {
        if (!job)
                return NULL;
        wish_free(job->wish);
        free(job);
        return NULL;
}

Network *network_new(Loop *loop, bool test) {
        Network *network = xnew(Network, 1);

        network->loop = loop;
        network->cards.test = test;
        network->events = network->hiding = -1;
        return network;
}

static void stop_waiting(Network *network) {
        network->watch = loop_source_free(network->watch);
        network->timer = loop_source_free(network->timer);
        close_descriptor(&network->events);
        network->events = -1;
}

static void stop_hiding(Network *network) {
        network->hidden = loop_source_free(network->hidden);
        close_descriptor(&network->hiding);
        network->hiding = -1;
}

Network *network_free(Network *network) {
        if (!network)
                return NULL;
        stop_waiting(network);
        stop_hiding(network);
        while (network->jobs) {
                Job *job = network->jobs;

                network->jobs = job->next;
                job_free(job);
        }
        network_items_done(&network->items);
        free(network);
        return NULL;
}

/* ---- addresses, routes, neighbours ---- */

/* The wish's items with indices of links, without what an interface cannot have. */
static void resolve(const Wish *wish, const NetworkLinks *links, NetworkItems *ret) {
        bool ip6[NETWORK_CARDS_MAX] = { 0 };

        for (size_t i = 0; i < wish->n_interfaces; i++)
                ip6[i] = network_links_have_ip6(wish->interfaces[i].name);
        for (size_t i = 0; i < wish->items.n; i++) {
                NetworkItem item = wish->items.items[i];

                if (item.address.family == AF_INET6 && item.link > 0 && item.link != WISH_LOOPBACK &&
                    !ip6[item.link - 1])
                        continue;
                item.link = network_links_index(links, item.link);
                network_items_add(ret, &item);
        }
}

static int fail(const NetworkItem *item, const NetworkLinks *links, Error *err) {
        cleanup_free char *text = network_item_text(item);

        for (size_t i = 0; i < links->n; i++)
                if (links->links[i].index == item->link)
                        return error_prefix(err, "interface %s: %s", links->links[i].name, text);
        return error_prefix(err, "%s", text);
}

/* Those of links that are gone went with them. */
static void forget_lost(NetworkItems *items, const NetworkLinks *links) {
        size_t kept = 0;

        for (size_t i = 0; i < items->n; i++) {
                bool there = items->items[i].link == 0;

                for (size_t j = 0; j < links->n; j++)
                        there = there || links->links[j].index == items->items[i].link;
                if (there)
                        items->items[kept++] = items->items[i];
        }
        items->n = kept;
}

static int remove_unwanted(Network *network, Netlink *netlink, const NetworkItems *wanted,
                           const NetworkLinks *links, Error *err) {
        NetworkItems unwanted = { 0 };
        int r = 0;

        forget_lost(&network->items, links);
        network_items_subtract(&network->items, wanted, &unwanted);
        /* backwards: routes before the addresses they need */
        for (size_t i = unwanted.n; i-- > 0 && r >= 0;) {
                r = netlink_remove(netlink, &unwanted.items[i], err);
                if (r < 0)
                        fail(&unwanted.items[i], links, err);
        }
        network_items_done(&unwanted);
        return r;
}

static int list_all(Netlink *netlink, NetworkItems *ret, Error *err) {
        for (NetworkItemKind kind = ITEM_ADDRESS; kind <= ITEM_NEIGHBOUR; kind++)
                if (netlink_items(netlink, kind, ret, err) < 0)
                        return -err->code;
        return 0;
}

static int add_missing(Netlink *netlink, const NetworkItems *wanted, const NetworkLinks *links, Error *err) {
        NetworkItems there = { 0 }, missing = { 0 };
        int r;

        r = list_all(netlink, &there, err);
        if (r >= 0)
                network_items_subtract(wanted, &there, &missing);
        for (size_t i = 0; i < missing.n && r >= 0; i++) {
                r = netlink_add(netlink, &missing.items[i], err);
                if (r < 0)
                        fail(&missing.items[i], links, err);
        }
        network_items_done(&there);
        network_items_done(&missing);
        return r;
}

static int apply_items(Network *network, Netlink *netlink, const Wish *wish, const NetworkLinks *links,
                       Error *err) {
        NetworkItems wanted = { 0 }, also = { 0 };
        int r;

        resolve(wish, links, &wanted);
        r = remove_unwanted(network, netlink, &wanted, links, err);
        if (r >= 0)
                network_items_done(&network->items);
        /* whatever comes now, these may exist */
        network_items_subtract(&wanted, &network->items, &also);
        for (size_t i = 0; i < also.n; i++)
                network_items_add(&network->items, &also.items[i]);
        if (r >= 0)
                r = add_missing(netlink, &wanted, links, err);
        network_items_done(&also);
        network_items_done(&wanted);
        return r;
}

/* ---- jobs ---- */

static void on_deadline(LoopSource *source, void *user);

static void set_deadline(Network *network, uint64_t usec) {
        network->timer = loop_source_free(network->timer);
        loop_add_timer(network->loop, usec, on_deadline, network, &network->timer);
}

static void on_hidden(LoopSource *source, int fd, uint32_t events, void *user);

static int begin_hiding(Network *network, Error *err) {
        if (network_cards_hide(&network->cards, &network->hiding, err) < 0)
                return -err->code;
        if (loop_add_fd(network->loop, network->hiding, EPOLLIN, on_hidden, network, &network->hidden, err) <
            0) {
                stop_hiding(network);
                return -err->code;
        }
        return 0;
}

/* As far as it goes now: 1 when all is done. */
static int advance(Network *network, Job *job, Netlink *netlink, NetworkLinks *links, Error *err) {
        int r;

        if (network_links_read(&network->cards, netlink, job->wish, links, err) < 0)
                return -err->code;
        if (!job->made) {
                job->waiting = network_links_missing(links, job->wish);
                if (job->waiting || network->hiding >= 0)
                        return 0;
                r = network_links_hide(links, &network->cards, netlink, job->wish, err);
                if (r != 0)
                        return r < 0 ? r : begin_hiding(network, err);
                if (network_links_apply(links, &network->cards, netlink, job->wish, err) < 0 ||
                    apply_items(network, netlink, job->wish, links, err) < 0)
                        return -err->code;
                job->made = true;
                set_deadline(network, CARRIER_WAIT_USEC);
        }
        if (network_links_waiting(links, netlink, job->wish, &job->waiting, err) < 0)
                return -err->code;
        return job->waiting ? 0 : 1;
}

static void begin(Network *network);

/* The first job is over; so the next one begins. */
static void finish(Network *network, Error *error) {
        Job *job = network->jobs;

        if (error)
                error_prefix(error, "network");
        stop_waiting(network);
        network->jobs = job->next;
        job->done(job->seq, job->wish->dns, error, job->user);
        job_free(job);
        if (network->jobs && network->events < 0)
                begin(network);
}

static void step(Network *network) {
        cleanup(netlink_freep) Netlink *netlink = NULL;
        cleanup_error Error error = { 0 };
        NetworkLinks links = { 0 };
        int r;

        r = netlink_new(&netlink, &error);
        if (r >= 0)
                r = advance(network, network->jobs, netlink, &links, &error);
        network_links_done(&links);
        if (r != 0)
                finish(network, r < 0 ? &error : NULL);
}

static void on_event(LoopSource *source, int fd, uint32_t events, void *user) {
        (void)source;
        (void)events;
        netlink_drop_events(fd);
        step(user);
}

static void on_hidden(LoopSource *source, int fd, uint32_t events, void *user) {
        cleanup_error Error error = { 0 };
        Network *network = user;
        int r;

        (void)source;
        (void)events;
        r = network_cards_hidden(&network->cards, fd, &error);
        stop_hiding(network);
        if (r < 0)
                error_prefix(&error, "taking away cards that nobody uses");
        if (network->jobs && r < 0)
                finish(network, &error);
        else if (network->jobs)
                step(network);
}

static void on_deadline(LoopSource *source, void *user) {
        cleanup_error Error error = { 0 };
        Network *network = user;
        const Job *job = network->jobs;

        (void)source;
        network->timer = NULL;
        if (job->made) {
                log_warning("network: interface %s has no carrier", job->waiting->name);
                finish(network, NULL);
        } else if (!job->waiting) {
                error_set(&error, ETIMEDOUT, "the driver does not let go of unused cards for %llu seconds",
                          CARD_WAIT_USEC / 1000000);
                finish(network, &error);
        } else {
                error_set(&error, ETIMEDOUT, "interface %s: card %u has not appeared for %llu seconds",
                          job->waiting->name, job->waiting->card, CARD_WAIT_USEC / 1000000);
                finish(network, &error);
        }
}

static void begin(Network *network) {
        cleanup_error Error error = { 0 };

        /* before the first look, so that nothing happens unnoticed */
        if (netlink_open_events(&network->events, &error) < 0 ||
            loop_add_fd(network->loop, network->events, EPOLLIN, on_event, network, &network->watch, &error) <
                    0) {
                finish(network, &error);
                return;
        }
        set_deadline(network, CARD_WAIT_USEC);
        step(network);
}

int network_apply(Network *network, const NetworkConfig *config, uint32_t seq, NetworkDoneFn done, void *user,
                  Error *err) {
        Job **last = &network->jobs;
        Wish *wish = NULL;
        unsigned n = 0;

        for (; *last; last = &(*last)->next)
                n++;
        if (n >= JOBS_MAX)
                return error_set(err, EBUSY, "network: %u requests are waiting", n);
        if (wish_new(config, &wish, err) < 0)
                return error_prefix(err, "network");
        *last = xnew(Job, 1);
        **last = (Job){ .wish = wish, .seq = seq, .done = done, .user = user };
        if (n == 0)
                begin(network);
        return 0;
}
