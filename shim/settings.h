/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What engines set for an interface in /proc/sys of its namespace (docker: driver option
 * com.docker.network.endpoint.sysctls; CNI: the tuning plugin). */

#include "common/protocol/network.h"

/* Of the interfaces in CONFIG, in the network namespace of the caller: those of network_settings that are not as in
 * "default". */
void settings_read(NetworkConfig *config);
