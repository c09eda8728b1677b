/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Behind a root port a BAR can lie above 4 GiB only if it is prefetchable and 64 bits wide (PCI-to-PCI Bridge
 * Architecture: the non-prefetchable window has 32 bits). A BAR is aligned to its size, and a bridge's window to the
 * largest BAR in it; so a port takes the sum of its BARs rounded up to its largest one. Ports of falling alignment
 * follow each other without gaps. Firmware aligns the window as a whole to the next power of two of its size, and
 * puts it above the RAM.
 */
#include "runtime/gpu/window.h"

#define GIB          (UINT64_C(1) << 30)
#define BRIDGE_GRAIN (UINT64_C(1) << 20) /* of a bridge's window */
/* RAM below 4 GiB on q35: the rest is mapped from 4 GiB up. */
#define RAM_LOW (UINT64_C(2) << 30)

/* No address space is larger; sums of sizes do not run over when they stop here. */
#define SIZE_LIMIT (UINT64_C(1) << 60)

static uint64_t add(uint64_t a, uint64_t b) {
        a = a < SIZE_LIMIT ? a : SIZE_LIMIT;
        b = b < SIZE_LIMIT ? b : SIZE_LIMIT;
        return a + b < SIZE_LIMIT ? a + b : SIZE_LIMIT;
}

static uint64_t larger(uint64_t a, uint64_t b) {
        b = b < SIZE_LIMIT ? b : SIZE_LIMIT;
        return a > b ? a : b;
}

static uint64_t round_up(uint64_t value, uint64_t grain) {
        return (value + grain - 1) / grain * grain;
}

static uint64_t power_of_two(uint64_t value) {
        uint64_t power = 1;

        while (power < value && power < UINT64_C(1) << 62)
                power <<= 1;
        return power;
}

typedef struct Port {
        uint64_t high, high_grain, low, low_grain;
} Port;

static void add_bar(Port *port, const PciBar *bar) {
        if (bar->io || bar->size == 0)
                return;
        if (bar->wide && bar->prefetchable && bar->index < 6) {
                port->high = add(port->high, bar->size);
                port->high_grain = larger(port->high_grain, bar->size);
        } else {
                port->low = add(port->low, bar->size);
                port->low_grain = larger(port->low_grain, bar->size);
        }
}

void gpu_window(const GpuChoice *choice, uint64_t memory, GpuWindow *ret) {
        uint64_t top = memory > RAM_LOW ? add(4 * GIB, memory - RAM_LOW) : 4 * GIB, base;
        GpuWindow w = { 0 };

        for (size_t i = 0; i < choice->n_slots; i++) {
                Port port = { .high_grain = BRIDGE_GRAIN, .low_grain = BRIDGE_GRAIN };

                for (size_t j = 0; j < choice->slots[i].n_functions; j++)
                        for (size_t k = 0; k < choice->slots[i].functions[j]->n_bars; k++)
                                add_bar(&port, &choice->slots[i].functions[j]->bars[k]);
                w.high = add(w.high, round_up(port.high, port.high_grain));
                w.low = add(w.low, round_up(port.low, port.low_grain));
        }
        /* the machine's own devices have BARs too: an eighth and a gibibyte are for them and for gaps */
        w.window = power_of_two(w.high + w.high / 8 + GIB);
        if (w.window < WINDOW_DEFAULT)
                w.window = WINDOW_DEFAULT;
        base = round_up(top, w.window);
        while (w.address_bits < 63 && UINT64_C(1) << w.address_bits < base + w.window)
                w.address_bits++;
        *ret = w;
}
