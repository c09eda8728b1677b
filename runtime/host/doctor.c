/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/doctor.h"

#include <stdarg.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/descriptors.h"
#include "runtime/host/doctor-checks.h"
#include "runtime/host/facts.h"
#include "runtime/host/host-root.h"

DoctorCheck *doctor_add(DoctorReport *report, DoctorStatus status, const char *code, const char *title,
                        const char *fix, const char *format, ...) {
        DoctorCheck check = { .code = xstrdup(code), .title = xstrdup(title), .status = status };
        va_list ap;

        va_start(ap, format);
        check.detail = xvasprintf(format, ap);
        va_end(ap);
        check.fix = fix ? xstrdup(fix) : NULL;
        report->checks = xreallocarray(report->checks, report->n_checks + 1, sizeof(*report->checks));
        report->checks[report->n_checks] = check;
        return &report->checks[report->n_checks++];
}

static size_t count_failures(const DoctorReport *report) {
        size_t n = 0;

        for (size_t i = 0; i < report->n_checks; i++)
                n += report->checks[i].status == DOCTOR_FAIL;
        return n;
}

bool doctor_is_well(const DoctorReport *report) {
        return count_failures(report) == 0;
}

static char *summary(const Doctor *d) {
        size_t failures = count_failures(d->report);

        if (failures > 0)
                return xasprintf("This host cannot run virtual machines yet: %zu check%s failed.", failures,
                                 failures == 1 ? "" : "s");
        if (d->kvm->state != KVM_STATE_USABLE || streq(d->config->accelerator, "tcg"))
                return xstrdup(
                        "This host can run virtual machines, but emulates them (TCG): many times slower.");
        return xstrdup("This host can run virtual machines.");
}

/* In the order in which a person would look. */
static void (*const checks[])(Doctor *d) = {
        doctor_check_cpu,   doctor_check_kvm,       doctor_check_qemu,   doctor_check_user,
        doctor_check_qboot, doctor_check_ovmf,      doctor_check_kernel, doctor_check_virtiofsd,
        doctor_check_tun,   doctor_check_memory,    doctor_check_cgroup, doctor_check_seccomp,
        doctor_check_state, doctor_check_hugepages, doctor_check_vhost,  doctor_check_gpu,
};

int doctor_run(const DoctorContext *context, DoctorReport *ret, Error *err) {
        cleanup(host_facts_freep) HostFacts *facts =
                host_facts_collect(context->root, context->config, context->search);
        cleanup_accelerator_report AcceleratorReport probed = { 0 };
        cleanup_doctor_report DoctorReport report = { 0 };
        Doctor d = {
                .context = context,
                .config = context->config,
                .root = context->root,
                .facts = facts,
                .kvm = context->accelerator ? context->accelerator : &probed,
                .report = &report,
        };

        if (!context->accelerator && accelerator_probe(&probed, err) < 0)
                return -err->code;
        for (size_t i = 0; i < ELEMENTS_OF(checks); i++)
                checks[i](&d);
        report.summary = summary(&d);
        *ret = report;
        report = (DoctorReport){ 0 };
        return 0;
}

/* ---- printing ---- */

static const char *status_name(DoctorStatus status) {
        static const char *const names[] = {
                [DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"
        };

        return status >= 0 && status < _DOCTOR_STATUS_MAX ? names[status] : NULL;
}

char *doctor_to_text(const DoctorReport *report) {
        StrBuf b = { 0 };
        int width = 0;

        for (size_t i = 0; i < report->n_checks; i++) {
                int n = (int)strlen(report->checks[i].title);

                if (n > width)
                        width = n;
        }
        for (size_t i = 0; i < report->n_checks; i++) {
                const DoctorCheck *c = &report->checks[i];

                strbuf_printf(&b, "%-4s  %-*s  %s\n", status_name(c->status), width, c->title, c->detail);
                if (c->fix)
                        strbuf_printf(&b, "%*sfix: %s\n", width + 8, "", c->fix);
        }
        strbuf_printf(&b, "\n%s\n", report->summary);
        return strbuf_take(&b);
}

static void write_check(JsonWriter *w, const DoctorCheck *c) {
        json_begin_object(w);
        json_write_key(w, "code");
        json_write_string(w, c->code);
        json_write_key(w, "title");
        json_write_string(w, c->title);
        json_write_key(w, "status");
        json_write_string(w, status_name(c->status));
        json_write_key(w, "detail");
        json_write_string(w, c->detail);
        if (c->fix) {
                json_write_key(w, "fix");
                json_write_string(w, c->fix);
        }
        json_end_object(w);
}

char *doctor_to_json(const DoctorReport *report) {
        JsonWriter w = { .pretty = true };

        json_begin_object(&w);
        json_write_key(&w, "ok");
        json_write_bool(&w, doctor_is_well(report));
        json_write_key(&w, "summary");
        json_write_string(&w, report->summary);
        json_write_key(&w, "checks");
        json_begin_array(&w);
        for (size_t i = 0; i < report->n_checks; i++)
                write_check(&w, &report->checks[i]);
        json_end_array(&w);
        json_end_object(&w);
        strbuf_putc(&w.out, '\n');
        return strbuf_take(&w.out);
}

void doctor_report_done(DoctorReport *report) {
        for (size_t i = 0; i < report->n_checks; i++) {
                free(report->checks[i].code);
                free(report->checks[i].title);
                free(report->checks[i].detail);
                free(report->checks[i].fix);
        }
        free(report->checks);
        free(report->summary);
        *report = (DoctorReport){ 0 };
}
