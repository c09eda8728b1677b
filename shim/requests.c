/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/requests.h"

#include <errno.h>

#include "common/base/mem.h"
#include "common/protocol/message.h"

#define REQUESTS_MAX 1024U

typedef struct Request {
        uint32_t seq;
        RequestFn fn; /* NULL: forgotten */
        void *user;
        uint32_t tag;
} Request;

struct Requests {
        Request waiting[REQUESTS_MAX];
        size_t count;
        uint32_t last_seq;
};

Requests *requests_new(void) {
        return xnew(Requests, 1);
}

Requests *requests_free(Requests *requests) {
        free(requests);
        return NULL;
}

void requests_send(Requests *requests, Channel *channel, uint16_t type, const void *data, size_t length,
                   RequestFn fn, void *user, uint32_t tag) {
        requests_send_to(requests, &(RequestTarget){ .channel = channel }, type, data, length, fn, user, tag);
}

void requests_send_to(Requests *requests, const RequestTarget *target, uint16_t type, const void *data,
                      size_t length, RequestFn fn, void *user, uint32_t tag) {
        cleanup_error Error error = { 0 };

        if (requests->count == REQUESTS_MAX || length > FRAME_MAX_CONTROL) {
                error_set(&error, EBUSY,
                          requests->count == REQUESTS_MAX ? "too many requests wait for the guest"
                                                          : "request too long for the guest");
                fn(NULL, &error, user, tag);
                return;
        }
        if (++requests->last_seq == 0)
                requests->last_seq = 1;
        requests->waiting[requests->count++] =
                (Request){ .seq = requests->last_seq, .fn = fn, .user = user, .tag = tag };
        channel_send(target->channel, type, target->container, requests->last_seq, data, length);
}

int requests_answer(Requests *requests, const Frame *frame, Error *err) {
        cleanup_error Error error = { 0 };
        Request request;
        size_t i;

        for (i = 0; i < requests->count && requests->waiting[i].seq != frame->seq; i++)
                ;
        if (frame->seq == 0 || i == requests->count)
                return error_set(err, EPROTO, "answer to request %u that nobody made", frame->seq);
        request = requests->waiting[i];
        requests->waiting[i] = requests->waiting[--requests->count];
        if (!request.fn)
                return 0;
        if (frame->type == FRAME_ERROR) {
                message_to_error(frame, &error);
                request.fn(NULL, &error, request.user, request.tag);
        } else {
                request.fn(frame, NULL, request.user, request.tag);
        }
        return 0;
}

void requests_forget(Requests *requests, void *user) {
        for (size_t i = 0; i < requests->count; i++)
                if (requests->waiting[i].user == user)
                        requests->waiting[i].fn = NULL;
}

void requests_fail(Requests *requests, const char *why) {
        cleanup_error Error error = { 0 };

        error_set(&error, ECONNRESET, "%s", why);
        while (requests->count > 0) {
                Request request = requests->waiting[--requests->count];

                if (request.fn)
                        request.fn(NULL, &error, request.user, request.tag);
        }
}
