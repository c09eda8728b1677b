/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Relay for the guest's questions to Docker's name server, which listens in the shim's network namespace on 127.0.0.11.
 * Messages are passed on as they are; nobody here looks into them.
 */

#include "common/base/loop.h"
#include "common/protocol/channel.h"

typedef struct Dns Dns;

/* Answers go to AGENT, which is borrowed. */
Dns *dns_new(Loop *loop, Channel *agent);
Dns *dns_free(Dns *dns);

/* A DNS_QUERY frame. Answered with a DNS_ANSWER sooner or later, an empty one if nobody answers. EPROTO: nonsense. */
int dns_query(Dns *dns, const Frame *frame, Error *err);
