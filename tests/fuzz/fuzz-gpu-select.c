/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Facts about any host ("facts"), what a container asks for ("ask", "group", "index", "near") and needs ("memory" in MiB,
 * "bits", "allowed", "screen", "self"): whatever is chosen can be passed. Its slots and IOMMU groups are whole, nothing in
 * it is anybody's, and nothing goes that nobody may have; and each function can be explained.
 */

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/commands/gpu-report.h"
#include "runtime/gpu/select.h"
#include "runtime/gpu/window.h"
#include "tests/fuzz/fuzz.h"

typedef struct Question {
        GpuFacts facts;
        char *ask;
        OptUint32 group, index;
        int32_t near;
        uint32_t memory_mib, address_bits;
        char **allowed;
        bool screen;
        char *self;
} Question;

static const JsonField question_fields[] = {
        { JSON_OBJECT_FIELD(Question, facts, "facts", gpu_facts_fields) },
        { JSON_FIELD(Question, ask, "ask", JSON_KIND_STRING) },
        { JSON_FIELD(Question, group, "group", JSON_KIND_OPT_UINT32) },
        { JSON_FIELD(Question, index, "index", JSON_KIND_OPT_UINT32) },
        { JSON_FIELD(Question, near, "near", JSON_KIND_INT32) },
        { JSON_FIELD(Question, memory_mib, "memory", JSON_KIND_UINT32) },
        { JSON_FIELD(Question, address_bits, "bits", JSON_KIND_UINT32) },
        { JSON_FIELD(Question, allowed, "allowed", JSON_KIND_STRV) },
        { JSON_FIELD(Question, screen, "screen", JSON_KIND_BOOL) },
        { JSON_FIELD(Question, self, "self", JSON_KIND_STRING) },
        {},
};

/* ---- what was chosen ---- */

static bool is_chosen(const GpuChoice *choice, const PciDevice *d) {
        for (size_t i = 0; i < choice->n_slots; i++)
                for (size_t j = 0; j < choice->slots[i].n_functions; j++)
                        if (choice->slots[i].functions[j] == d)
                                return true;
        return false;
}

static void check_function(const Question *q, const GpuChoice *choice, const PciDevice *d) {
        if (pci_is_bridge(d) || pci_is_behind_vmd(d) || d->dead || d->quarantine || d->virtuals > 0 ||
            d->group < 0 || d->node_missing || d->node_problem)
                abort();
        if (d->holder ? !streq(d->holder, q->self) : d->n_users > 0)
                abort();
        if (d->boot_vga && !q->screen)
                abort();
        for (size_t i = 0; i < q->facts.n_devices; i++) {
                const PciDevice *other = &q->facts.devices[i];

                if (gpu_is_companion(d, other) && !is_chosen(choice, other))
                        abort();
                if (other->group == d->group && !pci_is_bridge(other) && !pci_is_behind_vmd(other) &&
                    !is_chosen(choice, other))
                        abort();
        }
}

static void check_slot(const Question *q, const GpuChoice *choice, const GpuSlot *slot) {
        if (slot->n_functions < 1 || slot->n_functions > 8)
                abort();
        for (size_t i = 0; i < slot->n_functions; i++) {
                const PciDevice *d = slot->functions[i];

                check_function(q, choice, d);
                if (i > 0 && (pci_address_compare(&slot->functions[i - 1]->at, &d->at) >= 0 ||
                              !pci_address_same_slot(&slot->functions[0]->at, &d->at)))
                        abort();
        }
}

static void check_choice(const Question *q, const GpuNeeds *needs, const GpuChoice *choice) {
        cleanup_gpu_findings GpuFindings findings = { 0 };
        GpuWindow window;

        if (choice->n_slots > GPU_WISHES_MAX)
                abort();
        for (size_t i = 0; i < choice->n_slots; i++)
                check_slot(q, choice, &choice->slots[i]);
        gpu_window(choice, needs->memory, &window);
        gpu_diagnose_window(&window, needs, &findings);
        if (findings.count != 1 || window.window < window.high || (window.window & (window.window - 1)) != 0)
                abort();
}

/* ---- what is said ---- */

static void check_words(const Question *q, const GpuNeeds *needs) {
        cleanup_free char *list = gpu_list_to_text(&q->facts, needs),
                          *json = gpu_list_to_json(&q->facts, needs);
        cleanup_json Json *read = NULL;
        cleanup_error Error e = { 0 };

        if (!*list || json_parse(json, strlen(json), NULL, &read, &e) < 0)
                abort();
        for (size_t i = 0; i < q->facts.n_devices; i++) {
                cleanup_gpu_findings GpuFindings findings = { 0 };
                cleanup_free char *why = NULL;

                gpu_diagnose_host(&q->facts, needs, &findings);
                gpu_diagnose_device(&q->facts, &q->facts.devices[i], needs, &findings);
                for (size_t j = 0; j < findings.count; j++)
                        if (!gpu_code_find(findings.items[j].code) || !*findings.items[j].text)
                                abort();
                why = gpu_why_to_text(&q->facts.devices[i], &findings);
                if (!str_after(why, q->facts.devices[i].address))
                        abort();
        }
}

static void answer(const Question *q) {
        const GpuNeeds needs = {
                .memory = (uint64_t)q->memory_mib << 20,
                .address_bits = q->address_bits,
                .allowed = q->allowed,
                .allow_boot_display = q->screen,
                .self = q->self,
        };
        const GpuPreference preference = { .needs = &needs, .numa_node = q->near };
        const GpuWish group = { .kind = GPU_WISH_GROUP, .number = q->group.value };
        const GpuWish nth = { .kind = GPU_WISH_INDEX, .number = q->index.value };
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_gpu_choice GpuChoice choice = { 0 };
        cleanup_error Error e = { 0 };
        int r = q->ask ? gpu_request_parse(q->ask, "ask", &request, &e) : 0;

        if (r >= 0 && q->group.set)
                r = gpu_request_add(&request, &group, "group", &e);
        if (r >= 0 && q->index.set)
                r = gpu_request_add(&request, &nth, "index", &e);
        if (r >= 0)
                r = gpu_select(&request, &q->facts, &preference, &choice, &e);
        if (r < 0 && e.code <= 0)
                abort();
        if (r >= 0)
                check_choice(q, &needs, &choice);
        check_words(q, &needs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const JsonLimits limits = { .values = 20000 };
        cleanup_error Error e = { 0 };
        Question q = { 0 };

        if (json_read_text((const char *)data, size, &limits, question_fields, &q, &e) < 0)
                return 0;
        if (gpu_facts_complete(&q.facts, &e) >= 0)
                answer(&q);
        json_clear(question_fields, &q);
        return 0;
}
