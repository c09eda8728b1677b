/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Warnings about a container. Engines call commands with the container's own standard error: there they would land in
 * the container's log. So they are shown in a log file or on a terminal, or when FOREGROUND says that a person waits;
 * and all are kept in the container's own log, which nobody takes for a failure. */

#include <stdbool.h>

#include "common/protocol/frame.h"

void show_warnings(char *const *warnings, bool foreground);
/* DIR is the state folder. */
void keep_warnings(char *const *warnings, int dir);
/* Those of the agent's answer to CREATE, fit to be shown; NULL: none. Owned by the caller. */
char **warnings_of_guest(const Frame *reply);
