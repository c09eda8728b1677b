/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bpf.h"

#include <sys/syscall.h>
#include <unistd.h>

void bpf_add(BpfCode *code, unsigned op, unsigned to, unsigned from, int offset, int64_t value) {
        code->insns[code->n++] = (struct bpf_insn){
                .code = (uint8_t)op,
                .dst_reg = (uint8_t)to & 0xf,
                .src_reg = (uint8_t)from & 0xf,
                .off = (int16_t)offset,
                .imm = (int32_t)(uint32_t)value,
        };
}

void bpf_add_wide(BpfCode *code, unsigned to, uint64_t value) {
        bpf_add(code, BPF_LD | BPF_IMM | BPF_DW, to, 0, 0, (int64_t)(value & UINT32_MAX));
        bpf_add(code, 0, 0, 0, 0, (int64_t)(value >> 32));
}

void bpf_add_answer(BpfCode *code, int answer) {
        bpf_add(code, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, answer);
        bpf_add(code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int bpf(int command, union bpf_attr *attr) {
        return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int bpf_load(enum bpf_prog_type type, enum bpf_attach_type attach, const BpfCode *code, Error *err) {
        static const char license[] = "Apache-2.0";
        union bpf_attr attr = { 0 };
        int fd;

        attr.prog_type = type;
        attr.expected_attach_type = attach;
        attr.insns = (uint64_t)(uintptr_t)code->insns;
        attr.insn_cnt = (uint32_t)code->n;
        attr.license = (uint64_t)(uintptr_t)license;
        fd = bpf(BPF_PROG_LOAD, &attr);
        return fd < 0 ? error_errno(err, "loading the BPF program") : fd;
}

int bpf_attach(int cgroup, int program, enum bpf_attach_type attach, int replaced, Error *err) {
        union bpf_attr attr = { 0 };

        attr.target_fd = (uint32_t)cgroup;
        attr.attach_bpf_fd = (uint32_t)program;
        attr.attach_type = attach;
        attr.attach_flags = BPF_F_ALLOW_MULTI;
        if (replaced >= 0) {
                attr.attach_flags |= BPF_F_REPLACE;
                attr.replace_bpf_fd = (uint32_t)replaced;
        }
        return bpf(BPF_PROG_ATTACH, &attr) < 0 ? error_errno(err, "attaching the BPF program") : 0;
}

int bpf_link(int cgroup, int program, enum bpf_attach_type attach, Error *err) {
        union bpf_attr attr = { 0 };
        int fd;

        attr.link_create.prog_fd = (uint32_t)program;
        attr.link_create.target_fd = (uint32_t)cgroup;
        attr.link_create.attach_type = attach;
        fd = bpf(BPF_LINK_CREATE, &attr);
        return fd < 0 ? error_errno(err, "attaching the BPF program") : fd;
}
