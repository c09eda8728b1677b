/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The host's time stamp counter, for guests that are emulated: they read it, but cannot find out its rate reliably. */

#include <stdint.h>

/* Measured for two milliseconds, to better than 0.01 %. 0: the kernel below ROOT (host-root.h) keeps time by something
 * else, and has its reasons. */
uint32_t host_tsc_khz(int root);
