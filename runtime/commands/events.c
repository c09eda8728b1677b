/* SPDX-License-Identifier: Apache-2.0 */

/* Statistics and out-of-memory kills, one JSON object a line, as runc prints them. The figures are the guest's. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/protocol/message.h"
#include "runtime/commands/container.h"
#include "runtime/host/client.h"

#define STATS_TIMEOUT_MS      10000
#define INTERVAL_DEFAULT_USEC 5000000U
#define INTERVAL_MAX_USEC     (UINT64_C(365) * 24 * 3600 * 1000000)
#define DURATION_DIGITS_MAX   15U

typedef struct Options {
        const char *interval;
        bool stats;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, interval, "interval", 0, OPTION_STRING), "DURATION",
          "Time between statistics, such as 500ms or 1m30s (default: 5s)" },
        { OPTION_FIELD(Options, stats, "stats", 0, OPTION_FLAG), NULL,
          "Show the statistics once, and nothing else" },
        {},
};

/* ---- durations, as Go writes them: "1m30s", "0.5s" ---- */

static const struct {
        const char *name;
        double usec;
} units[] = {
        { "ns", 0.001 }, { "us", 1 },   { "µs", 1 },     { "ms", 1e3 },
        { "s", 1e6 },    { "m", 60e6 }, { "h", 3600e6 },
};

/* "30s" at *P; false if it is none. */
static bool take_part(const char **p, double *usec) {
        size_t digits = strspn(*p, "0123456789."), length;
        double number;
        int used = 0;

        if (digits == 0 || digits > DURATION_DIGITS_MAX || sscanf(*p, "%lf%n", &number, &used) != 1 ||
            (size_t)used != digits)
                return false;
        *p += digits;
        length = strcspn(*p, "0123456789.");
        for (size_t i = 0; i < ELEMENTS_OF(units); i++)
                if (strlen(units[i].name) == length && memcmp(*p, units[i].name, length) == 0) {
                        *usec += number * units[i].usec;
                        *p += length;
                        return true;
                }
        return false;
}

static int parse_interval(const char *text, uint64_t *ret, Error *err) {
        const char *p = text;
        double usec = 0;

        if (!text) {
                *ret = INTERVAL_DEFAULT_USEC;
                return 0;
        }
        while (*p)
                if (!take_part(&p, &usec))
                        return error_set(err, EINVAL,
                                         "--interval: expected a duration such as 5s, found \"%s\"", text);
        if (usec < 1)
                return error_set(err, EINVAL, "duration interval must be greater than 0");
        *ret = usec > (double)INTERVAL_MAX_USEC ? INTERVAL_MAX_USEC : (uint64_t)usec;
        return 0;
}

/* ---- lines ---- */

/* DATA NULL: none. At once: whoever reads waits for it. */
static int print_event(const char *type, const char *id, const Json *data, Error *err) {
        cleanup_free char *text = NULL;
        JsonWriter w = { 0 };

        json_begin_object(&w);
        json_write_key(&w, "type");
        json_write_string(&w, type);
        json_write_key(&w, "id");
        json_write_string(&w, id);
        if (data) {
                json_write_key(&w, "data");
                json_write_tree(&w, data);
        }
        json_end_object(&w);
        text = strbuf_take(&w.out);
        if (printf("%s\n", text) < 0 || fflush(stdout) != 0)
                return error_errno(err, "standard output");
        return 0;
}

static int print_stats(const char *id, const Frame *frame, Error *err) {
        static const JsonLimits limits = { .bytes = FRAME_MAX_CONTROL };
        cleanup_json Json *data = NULL;

        if (json_parse(frame->data, frame->length, &limits, &data, err) < 0)
                return error_prefix(err, "statistics of the guest");
        if (json_type(data) != JSON_OBJECT)
                return error_set(err, EPROTO, "statistics of the guest: expected an object");
        return print_event("stats", id, data, err);
}

static int show_once(Client *client, const char *id, Error *err) {
        Frame reply;
        int r = client_request(client, FRAME_STATS, NULL, NULL, STATS_TIMEOUT_MS, &reply, err);

        return r < 0 ? container_check_answer(r, err) : print_stats(id, &reply, err);
}

/* ---- following ---- */

static int handle(const char *id, const Frame *frame, Error *err) {
        cleanup_error Error refused = { 0 };
        EventMessage message = { 0 };
        int r = 0;

        switch (frame->type) {
        case FRAME_REPLY:
                return print_stats(id, frame, err);
        case FRAME_ERROR:
                /* a paused one has none until it goes on */
                message_to_error(frame, &refused);
                log_debug("statistics: %s", refused.message);
                return 0;
        case FRAME_EVENT:
                r = message_read(frame, event_message_fields, &message, err);
                if (r >= 0 && streq(message.event, EVENT_OOM))
                        r = print_event("oom", id, NULL, err);
                json_clear(event_message_fields, &message);
                return r;
        default:
                return 0;
        }
}

/* Until the container ends. */
static int follow(Client *client, const char *id, uint64_t interval, Error *err) {
        uint64_t next = now_usec() + interval;
        uint32_t seq = 0;
        bool asked = false;

        for (;;) {
                uint64_t now = now_usec(), left = now >= next ? 0 : (next - now + 999) / 1000;
                Frame frame;
                int r = client_receive(client, left > INT32_MAX ? INT32_MAX : (int)left, &frame, err);

                if (r >= 0) {
                        asked = asked && frame.type != FRAME_REPLY && frame.type != FRAME_ERROR;
                        r = handle(id, &frame, err);
                } else if (r == -ETIMEDOUT) {
                        error_clear(err);
                        /* one question at a time, however slow the guest is */
                        r = asked ? 0 : client_send(client, FRAME_STATS, ++seq, NULL, NULL, err);
                        asked = true;
                        next = now_usec() + interval;
                }
                if (r == -ECONNRESET) {
                        error_clear(err);
                        return 0;
                }
                if (r < 0)
                        return r;
        }
}

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup(container_freep) Container *container = NULL;
        cleanup(client_freep) Client *client = NULL;
        const char *id = call->args[0];
        uint64_t interval = 0;
        int r;

        r = parse_interval(given->interval, &interval, err);
        if (r >= 0)
                r = container_open(call->globals, id, &container, err);
        if (r >= 0)
                r = oci_check_operation(container->status, OCI_EVENTS, id, err);
        if (r >= 0)
                r = client_connect(container->entry->dir, &client, err);
        if (r < 0)
                return r;
        return given->stats ? show_once(client, id, err) : follow(client, id, interval, err);
}

const Command command_events = {
        .name = "events",
        .args = "ID",
        .summary = "Show statistics and out-of-memory kills as JSON",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
