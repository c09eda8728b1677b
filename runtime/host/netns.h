/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "common/base/error.h"

/* Opens the network namespace PATH for a virtual machine: what arrives at its interfaces goes to the guest from then on.
 * So it must be neither the host's (EBUSY) nor, unless it is a pod's by its nature SHARED, that of running processes (EBUSY;
 * the error names one). Returns a descriptor. */
int netns_open(const char *path, bool shared, Error *err);
