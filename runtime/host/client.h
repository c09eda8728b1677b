/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The runtime's end of a conversation with a shim or an exec proxy: one request at a time, waited for. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/protocol/frame.h"

typedef struct Client Client;

/* Takes over FD, a connected stream socket. */
Client *client_new(int fd);
Client *client_free(Client *client);
DEFINE_CLEANUP(Client *, client_free);

/* The control socket in the state folder DIR. ESRCH "container not running" when nobody listens there. */
int client_connect(int dir, Client **ret, Error *err);

/* The process that listens at the other end; 0 if the kernel does not say. */
pid_t client_peer(const Client *client);

/* FIELDS NULL: {}. */
int client_send(Client *client, uint16_t type, uint32_t seq, const JsonField *fields, const void *object,
                Error *err);

/* The next frame, valid until the next call. TIMEOUT_MS -1: for ever. ETIMEDOUT; ECONNRESET when the other end is
 * gone. */
int client_receive(Client *client, int timeout_ms, Frame *ret, Error *err);

/* Sends a request and waits for its answer; other frames are skipped. An ERROR becomes *err as it is. */
int client_request(Client *client, uint16_t type, const JsonField *fields, const void *object, int timeout_ms,
                   Frame *ret, Error *err);
