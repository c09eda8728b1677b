/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/json.h"

/* Opens the network namespace PATH for a virtual machine: what arrives at its interfaces goes to the guest from then on.
 * So it must be neither the host's (EBUSY) nor, unless it is a pod's by its nature SHARED, that of running processes (EBUSY;
 * the error names one). Returns a descriptor. */
int netns_open(const char *path, bool shared, Error *err);

/* What a journal has to know of the network namespace PATH for netns_release(); owned by the caller. NULL: there is none,
 * which netns_open() will say. */
Json *netns_note(const char *path);
/* Undoes what a shim that was killed has left in it: filters that lead to the machine's network cards, without which the
 * interfaces work again for whoever comes next. A namespace that is gone, or that another machine has, is left alone. */
int netns_release(const Json *note, Error *err);
