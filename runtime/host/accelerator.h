/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Is /dev/kvm what it seems to be? Some hosts have one that opens, makes a VM and then emulates every instruction,
 * hundreds of times slower than QEMU's own emulator (TCG): a guest seems to hang there. So a tiny VM is run and timed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"

typedef enum KvmState {
        KVM_STATE_USABLE,
        KVM_STATE_ABSENT,    /* no /dev/kvm, or nothing behind it */
        KVM_STATE_FORBIDDEN, /* may not be opened by this user, or by this cgroup */
        KVM_STATE_SLOW,      /* emulates instead of virtualising */
        KVM_STATE_REFUSED,   /* opens, but no VM comes to life */
        _KVM_STATE_MAX,
} KvmState;

typedef struct AcceleratorReport {
        KvmState state;
        uint64_t usec;         /* the probe's loop; 0 unless it came to its end */
        uint64_t instructions; /* of that loop */
        char *problem;         /* one line; NULL when usable */
} AcceleratorReport;

/* Runs the probe: well under 2 ms where KVM is real, at most a third of a second where it hangs. Whatever the answer,
 * it is in the report; an error means that the probe itself could not be made (no memory to map). */
int accelerator_probe(AcceleratorReport *ret, Error *err);
void accelerator_report_done(AcceleratorReport *report);

#define cleanup_accelerator_report cleanup(accelerator_report_done)

const char *kvm_state_name(KvmState state); /* "usable", "absent", ... */
