/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Capabilities: from names to the five sets of a process. */

#include <stdint.h>

#include "common/oci/spec.h"

typedef struct CapSets {
        uint64_t bounding, effective, inheritable, permitted, ambient;
} CapSets;

/* CAPABILITIES NULL: none at all. Ambient capabilities are limited to those that are permitted and
 * inheritable too, since the kernel takes no others. RET_UNKNOWN (may be NULL): names the C library or the
 * kernel does not know, owned by the caller; they are left out of the sets. */
void caps_parse(const OciCapabilities *capabilities, CapSets *ret, char ***ret_unknown);

/* In this order: the bounding set while the caller may still change it; keep capabilities over the change of
 * ids; the rest. */
int caps_drop_bounding(const CapSets *sets, Error *err);
int caps_keep_over_setuid(Error *err);
int caps_regain(Error *err); /* what is permitted becomes effective again, after the change of ids */
int caps_apply(const CapSets *sets, Error *err);
