/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "common/base/error.h"

/* Connects to the control socket PATH, which may be longer than an address takes. ESRCH: its shim is gone. Returns a
 * descriptor. */
int control_connect(const char *path, Error *err);
