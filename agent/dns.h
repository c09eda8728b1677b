/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A name server at NETWORK_DNS_ADDRESS that knows nothing: it hands queries to the host's side as they are, and
 * answers as they come. Docker has a name server at this address in a container's network namespace, which the host's
 * side can ask and a guest cannot.
 */

#include <stdbool.h>

#include "common/base/loop.h"
#include "common/protocol/channel.h"

typedef struct Dns Dns;

/* CHANNEL is borrowed. */
Dns *dns_new(Loop *loop, Channel *channel);
Dns *dns_free(Dns *dns);

/* From now on, for the processes in the folder CGROUP and below; or no longer. What is so already stays so. */
int dns_start(Dns *dns, int cgroup, Error *err);
void dns_stop(Dns *dns);

/* A DNS_ANSWER. Numbers that are not known, or not any more, are ignored. */
void dns_answer(Dns *dns, const Frame *frame);
