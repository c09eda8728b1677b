/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "common/base/error.h"

/* Opens the network namespace PATH for a virtual machine that is to have it for itself: what arrives at its interfaces
 * goes to the guest from then on. So it must be neither the host's (EBUSY) nor that of running processes (EBUSY; the
 * error names one). Returns a descriptor. */
int netns_open(const char *path, Error *err);
