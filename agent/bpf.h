/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Small BPF programs of a cgroup: putting them together, and handing them to the kernel. */

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

typedef struct BpfCode {
        struct bpf_insn *insns; /* room for all that is added; owned by whoever made it */
        size_t n;
} BpfCode;

void bpf_add(BpfCode *code, unsigned op, unsigned to, unsigned from, int offset, int64_t value);
/* TO = VALUE, of 64 bits: two instructions. */
void bpf_add_wide(BpfCode *code, unsigned to, uint64_t value);
/* The program ends with this answer. */
void bpf_add_answer(BpfCode *code, int answer);

/* The descriptor of the program. ATTACH: BPF_CGROUP_…, where its type leaves a choice; else 0. */
int bpf_load(enum bpf_prog_type type, enum bpf_attach_type attach, const BpfCode *code, Error *err);

/* In place of the program REPLACED (-1: beside others). It stays until the cgroup goes. */
int bpf_attach(int cgroup, int program, enum bpf_attach_type attach, int replaced, Error *err);
/* Returns a descriptor; the program is attached as long as that is open. */
int bpf_link(int cgroup, int program, enum bpf_attach_type attach, Error *err);
