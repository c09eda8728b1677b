/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Taps: the host's ends of the guest's network cards, in the network namespace of the caller. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

/* Makes COUNT taps. With STAY each goes with the network namespace, which the kernel takes down when nobody waits for it;
 * else when its descriptor and QEMU's copy are closed, which then takes some 20 ms for each of them. FDS has room for them; the caller closes
 * them. On failure none is left. INDEXES (interface numbers, rtnetlink(7)) has room for as many. */
int taps_open(uint32_t count, bool stay, int *fds, uint32_t *indexes, Error *err);
