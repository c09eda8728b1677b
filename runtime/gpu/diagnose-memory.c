/* SPDX-License-Identifier: Apache-2.0 */

/* A device's BARs: whether the host has them, how long they take, whether a guest has room for them. */

#include <inttypes.h>

#include "common/base/mem.h"
#include "runtime/gpu/diagnose.h"
#include "runtime/gpu/kernel-release.h"
#include "runtime/gpu/window.h"

#define MIB     (UINT64_C(1) << 20)
#define GIB     (UINT64_C(1) << 30)
#define BIG_BAR (16 * GIB)
/* Pages of 2 MiB and 1 GiB for mapped BARs came to vfio-pci with Linux 6.12 (huge_fault of vfio_pci_core). Before that a
 * BAR of 128 GiB is mapped in about half a minute, 4 KiB at a time. */
#define BIG_BAR_KERNEL_MAJOR        6U
#define BIG_BAR_KERNEL_MINOR        12U
#define BIG_BAR_SECONDS_PER_128_GIB 30U

/* "256 GiB", "544 MiB", rounded up */
static char *size_words(uint64_t size) {
        return size >= 8 * GIB ? xasprintf("%" PRIu64 " GiB", (size + GIB - 1) / GIB)
                               : xasprintf("%" PRIu64 " MiB", (size + MIB - 1) / MIB);
}

static bool is_memory(const PciBar *bar) {
        return !bar->io && bar->index < 6;
}

static void find_bars(const PciDevice *device, GpuFindings *f) {
        static const char fix[] =
                "turn on Above 4G Decoding in the firmware's setup, or boot the host with pci=realloc";
        size_t n = 0;

        for (size_t i = 0; i < device->n_bars; i++) {
                const PciBar *bar = &device->bars[i];
                cleanup_free char *size = bar->size > 0 ? size_words(bar->size) : NULL;

                n += is_memory(bar);
                if (!is_memory(bar) || bar->address != 0)
                        continue;
                gpu_findings_add(f, GPU_BLOCKED, "bar-unassigned", fix,
                                 "BAR %" PRIu32
                                 "%s%s%s has no address on the host: its firmware found no room",
                                 bar->index, size ? " (" : "", size ? size : "", size ? ")" : "");
                return;
        }
        if (n == 0 && pci_is_gpu(device) && !device->physical)
                gpu_findings_add(f, GPU_BLOCKED, "bar-missing", fix, "it has no memory BAR on the host");
}

static void find_slow_bar(const GpuFacts *facts, const PciDevice *device, GpuFindings *f) {
        uint64_t largest = pci_largest_bar(device);

        if (largest < BIG_BAR || !facts->kernel_release ||
            kernel_release_at_least(facts->kernel_release, BIG_BAR_KERNEL_MAJOR, BIG_BAR_KERNEL_MINOR))
                return;
        gpu_findings_add(f, GPU_WARN, "bar-slow",
                         "boot the host with Linux 6.12 or newer, and use QEMU 10.0 or newer",
                         "the host's kernel %s maps its BAR of %" PRIu64 " GiB in small pages: about %" PRIu64
                         " seconds of each start",
                         facts->kernel_release, largest / GIB,
                         (largest * BIG_BAR_SECONDS_PER_128_GIB + 128 * GIB - 1) / (128 * GIB));
}

void gpu_diagnose_window(const GpuWindow *window, const GpuNeeds *needs, GpuFindings *f) {
        cleanup_free char *all = size_words(window->high + window->low), *opened = size_words(window->window),
                          *low = size_words(window->low), *most = size_words(WINDOW_MAX),
                          *most_low = size_words(WINDOW_LOW_MAX);

        if (window->low > WINDOW_LOW_MAX)
                gpu_findings_add(f, GPU_BLOCKED, "bar-low", "pass fewer devices to one container",
                                 "BARs of %s must be below 4 GiB, where a guest has room for %s", low,
                                 most_low);
        else if (window->window > WINDOW_MAX)
                gpu_findings_add(f, GPU_BLOCKED, "window", "pass fewer devices to one container",
                                 "the BARs need a window of %s; the guest's firmware opens at most %s",
                                 opened, most);
        else if (needs->address_bits > 0 && window->address_bits > needs->address_bits)
                gpu_findings_add(f, GPU_BLOCKED, "address-bits",
                                 "give the guest less memory, pass fewer devices, or use a processor with "
                                 "more address bits",
                                 "memory and BARs need %" PRIu32
                                 " address bits in the guest; the host's processor has %" PRIu32,
                                 window->address_bits, needs->address_bits);
        else
                gpu_findings_add(
                        f, GPU_OK, "window", NULL,
                        "the BARs take %s of addresses with their alignment: a window of %s, %" PRIu32
                        " address bits",
                        all, opened, window->address_bits);
}

static void find_window(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                        GpuFindings *f) {
        const PciDevice *functions[8] = { device };
        GpuSlot slot = { .functions = functions, .n_functions = 1 };
        const GpuChoice choice = { .slots = &slot, .n_slots = 1 };
        GpuWindow window;

        for (size_t i = 0; i < facts->n_devices && slot.n_functions < ELEMENTS_OF(functions); i++)
                if (gpu_is_companion(device, &facts->devices[i]))
                        functions[slot.n_functions++] = &facts->devices[i];
        gpu_window(&choice, needs->memory, &window);
        gpu_diagnose_window(&window, needs, f);
}

void gpu_diagnose_bars(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                       GpuFindings *f) {
        find_bars(device, f);
        find_slow_bar(facts, device, f);
        find_window(facts, device, needs, f);
}
