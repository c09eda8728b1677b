/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/gpu-report.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/commands/table.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* The rest of a card goes without saying, unless it is what is wrong with it. */
static bool is_part(const GpuFacts *facts, const PciDevice *d) {
        for (size_t i = 0; i < facts->n_devices; i++)
                if (gpu_is_companion(d, &facts->devices[i]) && pci_is_accelerator(&facts->devices[i]))
                        return !d->quarantine;
        return false;
}

static bool is_listed(const GpuFacts *facts, const PciDevice *d) {
        if (pci_is_accelerator(d) || pci_is_bmc_display(d) || pci_is_nvswitch(d))
                return true;
        return (d->holder || d->left_by || d->quarantine ||
                (streq(d->driver, "vfio-pci") && !pci_is_bridge(d))) &&
               !is_part(facts, d);
}

/* "80 GiB", "256 MiB", "4 KiB" */
static char *size_words(uint64_t size) {
        if (size >= GIB && size % GIB == 0)
                return xasprintf("%" PRIu64 " GiB", size / GIB);
        return size >= MIB ? xasprintf("%" PRIu64 " MiB", size / MIB)
                           : xasprintf("%" PRIu64 " KiB", size >> 10);
}

static char *name_words(const PciDevice *d) {
        const char *vendor = pci_vendor_words(d->vendor);

        return xasprintf("%s%s%04" PRIx32 ":%04" PRIx32, vendor ? vendor : "", vendor ? " " : "", d->vendor,
                         d->device);
}

/* The host's faults are every device's. */
static void judge(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs, GpuFindings *ret) {
        gpu_diagnose_host(facts, needs, ret);
        gpu_diagnose_device(facts, device, needs, ret);
}

static char *state_words(const PciDevice *d, const GpuFindings *findings) {
        const GpuFinding *blocker = gpu_findings_blocker(findings);

        if (d->holder)
                return xasprintf("held by %s", d->holder);
        if (blocker)
                return xasprintf("blocked: %s", blocker->code);
        return d->left_by ? xasprintf("left by %s", d->left_by) : xstrdup("free");
}

/* ---- list ---- */

char *gpu_list_to_text(const GpuFacts *facts, const GpuNeeds *needs) {
        cleanup_table Table table = { 0 };

        table_add(&table, strv_split("ADDRESS DEVICE CLASS MEMORY GROUP NODE DRIVER STATE", " "));
        for (size_t i = 0; i < facts->n_devices; i++) {
                const PciDevice *d = &facts->devices[i];
                cleanup_gpu_findings GpuFindings findings = { 0 };
                char **row = NULL;

                if (!is_listed(facts, d))
                        continue;
                judge(facts, d, needs, &findings);
                strv_append(&row, d->address);
                strv_take(&row, name_words(d));
                strv_append(&row, pci_class_words(d->class_code));
                strv_take(&row, pci_largest_bar(d) > 0 ? size_words(pci_largest_bar(d)) : xstrdup("-"));
                strv_take(&row, d->group >= 0 ? xasprintf("%" PRId32, d->group) : xstrdup("-"));
                strv_take(&row, d->numa_node >= 0 ? xasprintf("%" PRId32, d->numa_node) : xstrdup("-"));
                strv_append(&row, d->driver ? d->driver : "-");
                strv_take(&row, state_words(d, &findings));
                table_add(&table, row);
        }
        if (table.n_rows == 1)
                return xstrdup(
                        "This host has no GPU, and no device that is set aside for virtual machines.\n");
        return table_to_text(&table);
}

static void write_finding(JsonWriter *w, const GpuFinding *f) {
        json_begin_object(w);
        json_write_key(w, "code");
        json_write_string(w, f->code);
        json_write_key(w, "status");
        json_write_string(w, gpu_severity_name(f->severity));
        json_write_key(w, "detail");
        json_write_string(w, f->text);
        if (f->fix) {
                json_write_key(w, "fix");
                json_write_string(w, f->fix);
        }
        json_end_object(w);
}

static void write_device(JsonWriter *w, const PciDevice *device, const GpuFindings *findings) {
        json_begin_object(w);
        json_write_key(w, "ok");
        json_write_bool(w, !gpu_findings_blocker(findings));
        json_write_key(w, "device");
        json_write(w, pci_device_fields, device);
        json_write_key(w, "findings");
        json_begin_array(w);
        for (size_t i = 0; i < findings->count; i++)
                write_finding(w, &findings->items[i]);
        json_end_array(w);
        json_end_object(w);
}

char *gpu_list_to_json(const GpuFacts *facts, const GpuNeeds *needs) {
        JsonWriter w = { .pretty = true };

        json_begin_array(&w);
        for (size_t i = 0; i < facts->n_devices; i++) {
                cleanup_gpu_findings GpuFindings findings = { 0 };

                if (!is_listed(facts, &facts->devices[i]))
                        continue;
                judge(facts, &facts->devices[i], needs, &findings);
                write_device(&w, &facts->devices[i], &findings);
        }
        json_end_array(&w);
        strbuf_putc(&w.out, '\n');
        return strbuf_take(&w.out);
}

/* ---- why ---- */

char *gpu_why_to_text(const PciDevice *device, const GpuFindings *findings) {
        cleanup_free char *name = name_words(device);
        StrBuf b = { 0 };
        int width = 0;

        strbuf_printf(&b, "%s: %s, %s\n", device->address, name, pci_class_words(device->class_code));
        for (size_t i = 0; i < findings->count; i++) {
                int n = (int)strlen(findings->items[i].code);

                width = n > width ? n : width;
        }
        for (size_t i = 0; i < findings->count; i++) {
                const GpuFinding *f = &findings->items[i];

                strbuf_printf(&b, "%-7s  %-*s  %s\n", gpu_severity_name(f->severity), width, f->code,
                              f->text);
                if (f->fix)
                        strbuf_printf(&b, "%*sfix: %s\n", width + 11, "", f->fix);
        }
        strbuf_printf(&b, "\n%s\n",
                      gpu_findings_blocker(findings) ? "It cannot be passed to a container."
                                                     : "It can be passed to a container.");
        return strbuf_take(&b);
}

char *gpu_why_to_json(const PciDevice *device, const GpuFindings *findings) {
        JsonWriter w = { .pretty = true };

        write_device(&w, device, findings);
        strbuf_putc(&w.out, '\n');
        return strbuf_take(&w.out);
}
