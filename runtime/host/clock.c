/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/clock.h"

#include <time.h>
#include <x86intrin.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "runtime/host/host-root.h"

#define CLOCK_SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

#define MEASURE_NSEC 2000000U
#define TRIES        8U /* a sample is good when nothing came between its readings */

static uint64_t raw_nsec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
        return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* Both clocks at one moment: the closest of a few tries. */
ClockSample host_clock_sample(void) {
        ClockSample best = { 0 };
        uint64_t least = UINT64_MAX;

        for (unsigned i = 0; i < TRIES; i++) {
                uint64_t before = __rdtsc(), nsec = raw_nsec(), after = __rdtsc();

                if (after - before < least) {
                        least = after - before;
                        best = (ClockSample){ .ticks = before + (after - before) / 2, .nsec = nsec };
                }
        }
        return best;
}

uint32_t host_tsc_khz(int root, ClockSample first) {
        cleanup_free char *source = host_root_read(root, CLOCK_SOURCE, 64, NULL);
        ClockSample last;

        if (!source || (!streq(source, "tsc\n") && !streq(source, "tsc")))
                return 0;
        last = host_clock_sample();
        while (last.nsec - first.nsec < MEASURE_NSEC) {
                nanosleep(&(struct timespec){ .tv_nsec = (long)(MEASURE_NSEC - (last.nsec - first.nsec)) },
                          NULL);
                last = host_clock_sample();
        }
        return (uint32_t)((last.ticks - first.ticks) * 1000000U / (last.nsec - first.nsec));
}
