/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From the kernel's start of /init to an open channel, and the way out. Only for the guest: the tests start the agent
 * with a channel (see main.c) and get by without this module. */

#include <stdint.h>

#include "common/base/error.h"

/* Mounts what the guest needs, makes the root read-only, brings up the loopback interface, raises limits. */
int boot_prepare(Error *err);

/* Opens the agent's virtio-serial port once the host is connected to it; returns the descriptor. */
int boot_open_port(uint64_t timeout_usec, Error *err);

/* Writes what can be written and switches the machine off. */
void boot_power_off(void) __attribute__((noreturn));
