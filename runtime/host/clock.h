/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The host's time stamp counter, for guests that are emulated: they read it, but cannot find out its rate reliably. */

#include <stdint.h>

/* Both clocks at one moment: ticks of the counter, nanoseconds of CLOCK_MONOTONIC_RAW. */
typedef struct ClockSample {
        uint64_t ticks, nsec;
} ClockSample;

ClockSample host_clock_sample(void);

/* kHz, to better than 0.01 %; sleeps until FIRST is two milliseconds ago. 0: the kernel below ROOT (host-root.h) keeps
 * time by something else, and has its reasons. */
uint32_t host_tsc_khz(int root, ClockSample first);
