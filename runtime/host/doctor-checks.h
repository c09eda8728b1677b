/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the doctor share: for doctor*.c alone. */

#include "common/base/str.h"
#include "runtime/host/doctor.h"
#include "runtime/plan/facts.h"

typedef struct Doctor {
        const DoctorContext *context;
        const RuntimeConfig *config;
        int root;
        const HostFacts *facts; /* as collected; programs and images that are not there are NULL */
        char **firmware_problems;
        const AcceleratorReport *kvm;
        DoctorReport *report;
} Doctor;

/* Adds a check; FIX may be NULL. Returns it, good until the next is added. */
DoctorCheck *doctor_add(DoctorReport *report, DoctorStatus status, const char *code, const char *title,
                        const char *fix, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* doctor-machine.c: CPU, KVM, memory, kernel features of the host */
void doctor_check_cpu(Doctor *d);
void doctor_check_kvm(Doctor *d);
void doctor_check_memory(Doctor *d);
void doctor_check_hugepages(Doctor *d);
void doctor_check_cgroup(Doctor *d);
void doctor_check_tun(Doctor *d);
void doctor_check_vhost(Doctor *d);
void doctor_check_seccomp(Doctor *d);

/* doctor-programs.c: what is installed */
void doctor_check_qemu(Doctor *d);
void doctor_check_user(Doctor *d);
void doctor_check_qboot(Doctor *d);
void doctor_check_ovmf(Doctor *d);
void doctor_check_virtiofsd(Doctor *d);
void doctor_check_state(Doctor *d);

/* doctor-gpu.c: devices that could be passed */
void doctor_check_gpu(Doctor *d);

/* doctor-kernel.c: guest kernel and initrd */
void doctor_check_kernel(Doctor *d);
