/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Wishes that name a device come first, then those for one of a model, then counts, so that a count never takes what
 * another wish names. What belongs to a chosen device is added, and then everything that goes is judged together: a
 * group that two wishes fill between them is whole. Devices that were named must be free of obstacles, and the first
 * one is the error; a model or a count passes over those that are not.
 */
#include "runtime/gpu/select.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define NODES_MAX   64
#define REASONS_MAX 3U /* devices of which a message says why they are not free */

typedef struct Selection {
        const GpuFacts *facts;
        const GpuPreference *preference;
        const PciDevice **chosen;
        size_t n_chosen;
} Selection;

static bool is_chosen(const Selection *s, const PciDevice *device) {
        for (size_t i = 0; i < s->n_chosen; i++)
                if (s->chosen[i] == device)
                        return true;
        return false;
}

static void choose(Selection *s, const PciDevice *device) {
        if (!is_chosen(s, device))
                s->chosen[s->n_chosen++] = device; /* room for all of the host's */
}

/* ---- what was named ---- */

static int choose_address(Selection *s, const GpuWish *wish, Error *err) {
        const PciDevice *device = gpu_facts_find(s->facts, &wish->address);
        char text[PCI_ADDRESS_SIZE];

        if (!device) {
                pci_address_format(&wish->address, text);
                return error_set(err, ENODEV, "%s: gpu %s: the host has no such device (carrel gpu list)",
                                 wish->source, text);
        }
        choose(s, device);
        return 0;
}

static int choose_group(Selection *s, const GpuWish *wish, Error *err) {
        size_t n = 0;

        for (size_t i = 0; i < s->facts->n_devices; i++) {
                const PciDevice *d = &s->facts->devices[i];

                if (d->group < 0 || (uint32_t)d->group != wish->number || pci_is_bridge(d))
                        continue;
                choose(s, d);
                n++;
        }
        return n > 0 ? 0
                     : error_set(err, ENODEV,
                                 "%s: IOMMU group %" PRIu32
                                 " holds no device (carrel gpu list shows the groups)",
                                 wish->source, wish->number);
}

/* Whether engines' words for NVIDIA's GPUs mean those here, or all there are: a host without one has others. */
static bool is_meant(const Selection *s, uint32_t vendor, const PciDevice *d) {
        if (vendor == 0 || d->vendor == vendor)
                return pci_is_gpu(d);
        for (size_t i = 0; i < s->facts->n_devices; i++)
                if (s->facts->devices[i].vendor == vendor && pci_is_gpu(&s->facts->devices[i]))
                        return false;
        return pci_is_gpu(d);
}

static int choose_index(Selection *s, const GpuWish *wish, Error *err) {
        uint32_t n = 0;

        for (size_t i = 0; i < s->facts->n_devices; i++) {
                const PciDevice *d = &s->facts->devices[i];

                if (!is_meant(s, PCI_VENDOR_NVIDIA, d) || d->physical)
                        continue; /* nvidia-smi counts no virtual functions */
                if (n++ != wish->number)
                        continue;
                choose(s, d);
                return 0;
        }
        return error_set(err, ENODEV,
                         "%s: there is no GPU %" PRIu32 ": the host has %" PRIu32
                         ", counted from 0 (carrel gpu list)",
                         wish->source, wish->number, n);
}

/* Whatever a fabric manager in the guest has to set up. */
static void choose_nvswitches(Selection *s) {
        bool nvidia = false;

        for (size_t i = 0; i < s->n_chosen; i++)
                nvidia = nvidia || (s->chosen[i]->vendor == PCI_VENDOR_NVIDIA && pci_is_gpu(s->chosen[i]));
        for (size_t i = 0; nvidia && i < s->facts->n_devices; i++)
                if (pci_is_nvswitch(&s->facts->devices[i]))
                        choose(s, &s->facts->devices[i]);
}

/* The screen of the host stays, and what is there as virtual functions is taken as those. */
static int choose_all(Selection *s, const GpuWish *wish, Error *err) {
        const PciDevice *screen = NULL;
        size_t n = 0;

        for (size_t i = 0; i < s->facts->n_devices; i++) {
                const PciDevice *d = &s->facts->devices[i];

                if (!is_meant(s, wish->vendor, d) || d->virtuals > 0)
                        continue;
                if (d->boot_vga && !s->preference->needs->allow_boot_display) {
                        screen = d;
                        continue;
                }
                choose(s, d);
                n++;
        }
        choose_nvswitches(s);
        if (n > 0)
                return 0;
        if (screen)
                return error_set(
                        err, ENODEV,
                        "%s: the host has no GPU to pass but %s, the display that it booted with; on a host "
                        "that needs no screen, set gpuBootDisplay in carrel's configuration",
                        wish->source, screen->address);
        return error_set(err, ENODEV, "%s: the host has no GPU to pass (carrel gpu list)", wish->source);
}

static bool suits(const GpuWish *wish, const PciDevice *d) {
        if (wish->kind == GPU_WISH_MODEL)
                return d->vendor == wish->vendor && d->device == wish->device && !pci_is_bridge(d);
        return pci_is_gpu(d);
}

/* A host that has none has no use for advice about its IOMMU. */
static int look_for_any(const Selection *s, const GpuWish *wish, Error *err) {
        for (size_t i = 0; i < s->facts->n_devices; i++)
                if (suits(wish, &s->facts->devices[i]))
                        return 0;
        if (wish->kind == GPU_WISH_MODEL)
                return error_set(err, ENODEV,
                                 "%s: the host has no device %04" PRIx32 ":%04" PRIx32 " (carrel gpu list)",
                                 wish->source, wish->vendor, wish->device);
        return error_set(err, ENODEV, "%s: the host has no GPU (carrel gpu list)", wish->source);
}

static int choose_named(Selection *s, const GpuWish *wish, Error *err) {
        switch (wish->kind) {
        case GPU_WISH_ADDRESS:
                return choose_address(s, wish, err);
        case GPU_WISH_GROUP:
                return choose_group(s, wish, err);
        case GPU_WISH_INDEX:
                return choose_index(s, wish, err);
        case GPU_WISH_ALL:
                return choose_all(s, wish, err);
        case GPU_WISH_MODEL:
        case GPU_WISH_COUNT:
                return look_for_any(s, wish, err);
        case _GPU_WISH_KIND_MAX:
                break;
        }
        return 0;
}

/* ---- any that is free ---- */

typedef struct Reasons {
        StrBuf text;
        size_t count;
} Reasons;

/* D, and what suits as well and can only go with it: the other GPUs of its group. UNIT has room for all of the host's. */
static size_t unit_of(const Selection *s, const GpuWish *wish, const PciDevice *d, const PciDevice **unit) {
        size_t n = 0;

        unit[n++] = d;
        for (size_t i = 0; i < s->facts->n_devices; i++) {
                const PciDevice *other = &s->facts->devices[i];

                if (other != d && d->group >= 0 && other->group == d->group && suits(wish, other) &&
                    !gpu_is_companion(d, other) && !is_chosen(s, other))
                        unit[n++] = other;
        }
        return n;
}

/* Given that N others of UNIT, D among them, go too. */
static bool is_free(const Selection *s, const PciDevice *d, const PciDevice *const *unit, size_t n,
                    Reasons *why) {
        cleanup_gpu_findings GpuFindings found = { 0 };
        GpuNeeds needs = *s->preference->needs;
        const GpuFinding *blocker;

        if (is_chosen(s, d))
                return false;
        needs.also = unit;
        needs.n_also = n;
        gpu_diagnose_device(s->facts, d, &needs, &found);
        blocker = gpu_findings_blocker(&found);
        if (blocker && why->count++ < REASONS_MAX)
                strbuf_printf(&why->text, "%s%s: %s", why->count > 1 ? "; " : "", d->address, blocker->text);
        return !blocker;
}

/* The node to take GPUs from: the preferred one, else the one with most that are free. */
static int32_t best_node(const Selection *s, const PciDevice *const *candidates, size_t n) {
        size_t count[NODES_MAX] = { 0 };
        int32_t best = -1;

        if (s->preference->numa_node >= 0)
                return s->preference->numa_node;
        for (size_t i = 0; i < n; i++) {
                int32_t node = candidates[i]->numa_node;

                if (node < 0 || node >= NODES_MAX)
                        continue;
                count[node]++;
        }
        for (int32_t node = 0; node < NODES_MAX; node++)
                if (count[node] > 0 && (best < 0 || count[node] > count[best]))
                        best = node;
        return best;
}

static int refuse_short(const GpuWish *wish, uint32_t wanted, size_t n_free, Reasons *why, Error *err) {
        cleanup_free char *what =
                wish->kind == GPU_WISH_MODEL
                        ? xasprintf("device %04" PRIx32 ":%04" PRIx32, wish->vendor, wish->device)
                        : xasprintf("%" PRIu32 " GPU%s", wanted, wanted > 1 ? "s" : "");

        if (why->count == 0)
                return error_set(err, ENODEV, "%s: %s: the host has %zu (carrel gpu list)", wish->source,
                                 what, n_free);
        if (why->count > REASONS_MAX)
                strbuf_printf(&why->text, "; and %zu more", why->count - REASONS_MAX);
        return error_set(err, EBUSY, "%s: %s: %zu can be had (%s); carrel gpu why ADDRESS says what to do",
                         wish->source, what, n_free, why->text.data);
}

static void reasons_done(Reasons *reasons) {
        strbuf_done(&reasons->text);
}

/* Those that are free, with all that must go with them and no more than is WANTED. */
static size_t find_candidates(const Selection *s, const GpuWish *wish, uint32_t wanted, const PciDevice **ret,
                              Reasons *why) {
        cleanup_free const PciDevice **unit = xnew(const PciDevice *, s->facts->n_devices + 1);
        size_t n = 0;

        for (size_t i = 0; i < s->facts->n_devices; i++) {
                const PciDevice *d = &s->facts->devices[i];
                size_t n_unit;

                if (!suits(wish, d))
                        continue;
                n_unit = unit_of(s, wish, d, unit);
                if (is_free(s, d, unit, n_unit > wanted ? 0 : n_unit, why))
                        ret[n++] = d;
        }
        return n;
}

static bool contains(const PciDevice *const *list, size_t n, const PciDevice *d) {
        for (size_t i = 0; i < n; i++)
                if (list[i] == d)
                        return true;
        return false;
}

/* D and its unit, if all of that is free and not more than *WANTED. */
static void take_unit(Selection *s, const GpuWish *wish, const PciDevice *d,
                      const PciDevice *const *candidates, size_t n, uint32_t *wanted) {
        cleanup_free const PciDevice **unit = xnew(const PciDevice *, s->facts->n_devices + 1);
        size_t n_unit;

        if (is_chosen(s, d))
                return;
        n_unit = unit_of(s, wish, d, unit);
        for (size_t i = 0; i < n_unit; i++)
                if (!contains(candidates, n, unit[i]) || n_unit > *wanted)
                        return;
        for (size_t i = 0; i < n_unit; i++)
                choose(s, unit[i]);
        *wanted -= (uint32_t)n_unit;
}

static int choose_free(Selection *s, const GpuWish *wish, Error *err) {
        cleanup_free const PciDevice **candidates = xnew(const PciDevice *, s->facts->n_devices + 1);
        cleanup(reasons_done) Reasons why = { 0 };
        uint32_t wanted = wish->kind == GPU_WISH_COUNT ? wish->number : 1, left = wanted;
        size_t n = find_candidates(s, wish, wanted, candidates, &why);
        int32_t node = best_node(s, candidates, n);

        for (size_t pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < n && n >= wanted && left > 0; i++)
                        if (pass == 1 || candidates[i]->numa_node == node)
                                take_unit(s, wish, candidates[i], candidates, n, &left);
        return left > 0 ? refuse_short(wish, wanted, n, &why, err) : 0;
}

/* ---- what goes with them ---- */

static void add_companions(Selection *s) {
        size_t named = s->n_chosen;

        for (size_t i = 0; i < named; i++)
                for (size_t j = 0; j < s->facts->n_devices; j++)
                        if (gpu_is_companion(s->chosen[i], &s->facts->devices[j]))
                                choose(s, &s->facts->devices[j]);
}

static int judge(const Selection *s, Error *err) {
        GpuNeeds needs = *s->preference->needs;

        needs.also = s->chosen;
        needs.n_also = s->n_chosen;
        for (size_t i = 0; i < s->n_chosen; i++) {
                cleanup_gpu_findings GpuFindings found = { 0 };
                const GpuFinding *blocker;

                gpu_diagnose_device(s->facts, s->chosen[i], &needs, &found);
                blocker = gpu_findings_blocker(&found);
                if (blocker)
                        return error_set(err, EBUSY, "gpu %s: %s%s%s", s->chosen[i]->address, blocker->text,
                                         blocker->fix ? "; " : "", blocker->fix ? blocker->fix : "");
        }
        return 0;
}

static int judge_host(const Selection *s, Error *err) {
        cleanup_gpu_findings GpuFindings found = { 0 };
        const GpuFinding *blocker;

        gpu_diagnose_host(s->facts, s->preference->needs, &found);
        blocker = gpu_findings_blocker(&found);
        if (!blocker)
                return 0;
        return error_set(err, ENOTSUP, "gpu: %s%s%s", blocker->text, blocker->fix ? "; " : "",
                         blocker->fix ? blocker->fix : "");
}

/* ---- slots ---- */

static int by_address(const void *a, const void *b) {
        const PciDevice *const *x = a, *const *y = b;

        return pci_address_compare(&(*x)->at, &(*y)->at);
}

static void fill_slots(const Selection *s, GpuChoice *choice) {
        const GpuSlot *last = NULL;

        choice->numa_node = s->n_chosen > 0 ? s->chosen[0]->numa_node : -1;
        choice->slots = xnew(GpuSlot, s->n_chosen + 1);
        for (size_t i = 0; i < s->n_chosen; i++) {
                const PciDevice *d = s->chosen[i];
                GpuSlot *slot;

                if (d->numa_node != choice->numa_node)
                        choice->numa_node = -1;
                if (!last || d->physical || !pci_address_same_slot(&last->functions[0]->at, &d->at))
                        choice->n_slots++;
                slot = &choice->slots[choice->n_slots - 1];
                slot->functions =
                        xreallocarray(slot->functions, slot->n_functions + 1, sizeof(const PciDevice *));
                slot->functions[slot->n_functions++] = d;
                last = slot;
        }
}

void gpu_choice_done(GpuChoice *choice) {
        for (size_t i = 0; i < choice->n_slots; i++)
                free(choice->slots[i].functions);
        free(choice->slots);
        *choice = (GpuChoice){ 0 };
}

static int choose_wishes(Selection *s, const GpuRequest *request, Error *err) {
        static const GpuWishKind free_kinds[] = { GPU_WISH_MODEL, GPU_WISH_COUNT };
        int r = 0;

        for (size_t i = 0; i < request->n_wishes && r >= 0; i++)
                r = choose_named(s, &request->wishes[i], err);
        if (r >= 0)
                r = judge_host(s, err);
        if (r >= 0)
                add_companions(s);
        for (size_t pass = 0; pass < ELEMENTS_OF(free_kinds); pass++)
                for (size_t i = 0; i < request->n_wishes && r >= 0; i++)
                        if (request->wishes[i].kind == free_kinds[pass])
                                r = choose_free(s, &request->wishes[i], err);
        if (r >= 0)
                add_companions(s);
        return r;
}

int gpu_select(const GpuRequest *request, const GpuFacts *facts, const GpuPreference *preference,
               GpuChoice *ret, Error *err) {
        cleanup_free const PciDevice **chosen = xnew(const PciDevice *, facts->n_devices + 1);
        Selection s = { .facts = facts, .preference = preference, .chosen = chosen };
        GpuChoice choice = { 0 };
        int r = choose_wishes(&s, request, err);

        if (r >= 0)
                r = judge(&s, err);
        if (r < 0)
                return r;
        qsort(chosen, s.n_chosen, sizeof(const PciDevice *), by_address);
        fill_slots(&s, &choice);
        if (choice.n_slots > GPU_WISHES_MAX) {
                gpu_choice_done(&choice);
                return error_set(err, E2BIG,
                                 "gpu: more than %u slots of devices are asked for: ask for fewer",
                                 GPU_WISHES_MAX);
        }
        *ret = choice;
        return 0;
}
