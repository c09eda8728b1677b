/* SPDX-License-Identifier: Apache-2.0 */

/* The doctor's look at GPUs: how many could be passed, and what of the host stands in the way. A host without one has
 * nothing to repair, and a VM without a device needs none of it: nothing here is worse than a warning. */

#include "common/base/mem.h"
#include "runtime/host/doctor-checks.h"
#include "runtime/host/gpu-facts.h"

#define NAMED_MAX 3U /* GPUs that are blocked, by address */

typedef struct Count {
        size_t free, held, blocked;
        const PciDevice *screen; /* stays, since the configuration does not let it go */
        StrBuf names;            /* of those that are blocked, with the code */
} Count;

static void count_done(Count *count) {
        strbuf_done(&count->names);
}

static void count_one(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs, Count *count) {
        cleanup_gpu_findings GpuFindings findings = { 0 };
        const GpuFinding *blocker;

        gpu_diagnose_device(facts, device, needs, &findings);
        blocker = gpu_findings_blocker(&findings);
        if (device->holder) {
                count->held++;
        } else if (!blocker) {
                count->free++;
        } else {
                if (count->blocked++ < NAMED_MAX)
                        strbuf_printf(&count->names, "%s%s %s", count->blocked > 1 ? ", " : "",
                                      device->address, blocker->code);
        }
}

static void count_gpus(const GpuFacts *facts, const GpuNeeds *needs, Count *count) {
        for (size_t i = 0; i < facts->n_devices; i++) {
                const PciDevice *d = &facts->devices[i];

                if (!pci_is_gpu(d))
                        continue;
                if (d->boot_vga && !needs->allow_boot_display)
                        count->screen = d;
                else
                        count_one(facts, d, needs, count);
        }
}

static void report_count(Doctor *d, const Count *count, bool host_blocks) {
        size_t n = count->free + count->held + count->blocked;
        const char *fix = "carrel gpu list shows them, carrel gpu why ADDRESS says what to do";

        if (n == 0 && count->screen)
                doctor_add(d->report, DOCTOR_OK, "gpu", "GPUs", NULL,
                           "none to pass: %s is the display that the host booted with",
                           count->screen->address);
        else if (n == 0)
                doctor_add(d->report, DOCTOR_OK, "gpu", "GPUs", NULL, "no GPU");
        else if (host_blocks)
                doctor_add(d->report, DOCTOR_WARN, "gpu", "GPUs", "what is said of GPUs below",
                           "%zu, but none can be passed to a container on this host as it is", n);
        else if (count->blocked == 0)
                doctor_add(d->report, DOCTOR_OK, "gpu", "GPUs", NULL, "%zu free, %zu held by containers",
                           count->free, count->held);
        else
                doctor_add(d->report, count->free + count->held > 0 ? DOCTOR_OK : DOCTOR_WARN, "gpu", "GPUs",
                           fix, "%zu free, %zu held by containers, %zu blocked: %s%s", count->free,
                           count->held, count->blocked, count->names.data,
                           count->blocked > NAMED_MAX ? ", ..." : "");
}

static void report_host(Doctor *d, const GpuFindings *findings) {
        for (size_t i = 0; i < findings->count; i++) {
                const GpuFinding *f = &findings->items[i];
                const GpuCode *known = gpu_code_find(f->code);
                cleanup_free char *code = xasprintf("gpu-%s", f->code);
                cleanup_free char *title = xasprintf("GPUs: %s", known ? known->title : f->code);

                doctor_add(d->report, f->severity == GPU_OK ? DOCTOR_OK : DOCTOR_WARN, code, title, f->fix,
                           "%s", f->text);
        }
}

void doctor_check_gpu(Doctor *d) {
        cleanup(gpu_facts_freep) GpuFacts *facts = gpu_facts_collect(d->root);
        cleanup_gpu_findings GpuFindings findings = { 0 };
        cleanup(count_done) Count count = { 0 };
        GpuNeeds needs;

        gpu_needs_from_config(d->config, d->facts->address_bits, &needs);
        gpu_diagnose_host(facts, &needs, &findings);
        count_gpus(facts, &needs, &count);
        report_count(d, &count, gpu_findings_blocker(&findings) != NULL);
        if (count.free + count.held + count.blocked > 0)
                report_host(d, &findings);
}
