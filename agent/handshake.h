/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the agent and a child that is to become a process of the container say to each other before the child runs its
 * program: a socket pair that closes by itself when exec(2) succeeds.
 *
 *   agent                child
 *          GO →                       (namespaces have their id maps)
 *             ← TERMINAL + master     (only with a terminal)
 *             ← WARNING               (any number, before READY: for the log)
 *             ← READY                 (all is set up)
 *          START →                    (limits are set; for the container's init: START was asked for)
 *             ← ERROR                 (any time: the child ends itself)
 *             ← end of file           (the program runs)
 */

#include <stdint.h>

#include "common/base/error.h"

typedef enum HandshakeStep {
        HANDSHAKE_GO = 1,
        HANDSHAKE_TERMINAL,
        HANDSHAKE_READY,
        HANDSHAKE_START,
        HANDSHAKE_ERROR,
        HANDSHAKE_WARNING,
} HandshakeStep;

typedef struct HandshakeMessage {
        uint32_t step;
        int32_t code; /* of ERROR */
        char text[2048];
} HandshakeMessage;

int handshake_new(int *ret_agent, int *ret_child, Error *err);

/* FD: -1 or a descriptor to send along. */
int handshake_send(int sock, HandshakeStep step, int fd, Error *err);
/* For the agent's log, which is not the child's. */
void handshake_send_warning(int sock, const char *text);
/* The last words of a child. */
void handshake_send_error(int sock, const Error *error);

/* The child waits for a step; ECANCELED when the agent closed its end. */
int handshake_wait(int sock, HandshakeStep step, Error *err);

typedef enum HandshakeResult {
        HANDSHAKE_NOTHING, /* no message now */
        HANDSHAKE_MESSAGE,
        HANDSHAKE_CLOSED, /* end of file */
} HandshakeResult;

/* The agent's side; does not block. *ret_fd is -1 or a descriptor, which the caller owns. */
HandshakeResult handshake_receive(int sock, HandshakeMessage *ret, int *ret_fd);
