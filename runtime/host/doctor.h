/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * `carrel doctor`: can this host run virtual machines, how well, and what is to be done about what is missing. Looks,
 * changes nothing. Codes are stable: scripts may count on them; texts are not.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "runtime/config.h"
#include "runtime/host/accelerator.h"

typedef enum DoctorStatus {
        DOCTOR_OK,
        DOCTOR_WARN, /* works, but worse, or not everything */
        DOCTOR_FAIL, /* no VM can be started */
        _DOCTOR_STATUS_MAX,
} DoctorStatus;

typedef struct DoctorCheck {
        char *code;  /* "qemu", "kernel-config.EFI" */
        char *title; /* "QEMU" */
        DoctorStatus status;
        char *detail; /* one line */
        char *fix;    /* one line; NULL: nothing to do */
} DoctorCheck;

typedef struct DoctorReport {
        DoctorCheck *checks;
        size_t n_checks;
        char *summary;
} DoctorReport;

typedef struct DoctorContext {
        int root; /* the host: descriptor of "/", or of a fixture's tree (host-root.h) */
        const RuntimeConfig *config;
        const char *search;                   /* $PATH */
        const char *state_root;               /* --root */
        const AcceleratorReport *accelerator; /* NULL: /dev/kvm is probed */
} DoctorContext;

/* All checks of the host. */
int doctor_run(const DoctorContext *context, DoctorReport *ret, Error *err);

/* Only the kernel image PATH (relative to the folder DIR), thoroughly. Fails when there is no such file or it is no
 * kernel. */
int doctor_run_kernel(int dir, const char *path, DoctorReport *ret, Error *err);

/* No check failed. */
bool doctor_is_well(const DoctorReport *report);

/* Both owned by the caller, ending with a newline. */
char *doctor_to_text(const DoctorReport *report);
char *doctor_to_json(const DoctorReport *report);

void doctor_report_done(DoctorReport *report);
#define cleanup_doctor_report cleanup(doctor_report_done)
