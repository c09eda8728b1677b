/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Requests to the agent that wait for their answer. */

#include "common/protocol/channel.h"

typedef struct Requests Requests;

/* REPLY is the REPLY frame, or NULL with ERROR set. */
typedef void (*RequestFn)(const Frame *reply, const Error *error, void *user, uint32_t tag);

Requests *requests_new(void);
Requests *requests_free(Requests *requests);

/* Sends a request; FN is called exactly once, with ECONNRESET when requests_fail() ends it. EBUSY (through FN) when
 * too many wait. TAG is handed through. */
void requests_send(Requests *requests, Channel *channel, uint16_t type, const void *data, size_t length,
                   RequestFn fn, void *user, uint32_t tag);

/* A container of a pod. */
typedef struct RequestTarget {
        Channel *channel;
        uint32_t container;
} RequestTarget;

void requests_send_to(Requests *requests, const RequestTarget *target, uint16_t type, const void *data,
                      size_t length, RequestFn fn, void *user, uint32_t tag);

/* A REPLY or ERROR arrived. EPROTO when nobody waits for it. */
int requests_answer(Requests *requests, const Frame *frame, Error *err);

/* USER goes away: its answers are dropped. */
void requests_forget(Requests *requests, void *user);

/* Fails all that wait. */
void requests_fail(Requests *requests, const char *why);
