/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "common/base/error.h"
#include "common/base/json.h"

/* What a journal has to know of the network namespace PATH for netns_release(); owned by the caller. NULL: there is none,
 * which joined_open() will say. */
Json *netns_note(const char *path);
/* Undoes what a shim that was killed has left in it: filters that lead to the machine's network cards, without which the
 * interfaces work again for whoever comes next. A namespace that is gone, or that another machine has, is left alone. */
int netns_release(const Json *note, Error *err);
