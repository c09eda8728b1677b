/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "common/base/error.h"

/* Opens the namespace PATH of TYPE ("network", "ipc", "uts") of the host for a virtual machine. The guest has one of its own in its place (to
 * the network's interfaces it is connected), so processes that live in this one would be cut off: it must be neither the host's (EBUSY) nor, unless
 * it is a pod's by its nature SHARED, that of running processes (EBUSY; the error names one). Returns a descriptor. */
int joined_open(const char *type, const char *path, bool shared, Error *err);

/* Whether NAMESPACE is the one of TYPE that the host's processes, or we, are in. */
bool joined_is_host(const char *type, const struct stat *namespace);
