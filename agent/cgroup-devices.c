/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroup-devices.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define ANY (-1)

/* A rule as the program needs it. */
typedef struct Rule {
        bool allow;
        int kind;             /* BPF_DEVCG_DEV_..., or ANY */
        int64_t major, minor; /* or ANY */
        unsigned access;      /* BPF_DEVCG_ACC_... */
} Rule;

#define MAKE BPF_DEVCG_ACC_MKNOD
#define USE  (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

/* What a node may be made of says nothing of its use; terminals are those of the container's own devpts. */
static const Rule default_rules[] = {
        { true, BPF_DEVCG_DEV_CHAR, ANY, ANY, MAKE }, { true, BPF_DEVCG_DEV_BLOCK, ANY, ANY, MAKE },
        { true, BPF_DEVCG_DEV_CHAR, 1, 3, USE },      { true, BPF_DEVCG_DEV_CHAR, 1, 5, USE },
        { true, BPF_DEVCG_DEV_CHAR, 1, 7, USE },      { true, BPF_DEVCG_DEV_CHAR, 1, 8, USE },
        { true, BPF_DEVCG_DEV_CHAR, 1, 9, USE },      { true, BPF_DEVCG_DEV_CHAR, 5, 0, USE },
        { true, BPF_DEVCG_DEV_CHAR, 5, 2, USE },      { true, BPF_DEVCG_DEV_CHAR, 136, ANY, USE },
};

static int parse_rule(const OciDeviceRule *rule, Rule *ret, Error *err) {
        Rule result = { .allow = rule->allow, .kind = ANY, .major = ANY, .minor = ANY };

        if (streq(rule->type, "c") || streq(rule->type, "u"))
                result.kind = BPF_DEVCG_DEV_CHAR;
        else if (streq(rule->type, "b"))
                result.kind = BPF_DEVCG_DEV_BLOCK;
        else if (rule->type && *rule->type && !streq(rule->type, "a"))
                return error_set(err, EINVAL, "type: expected a, b or c, found \"%s\"", rule->type);
        if (rule->major.set && rule->major.value >= 0)
                result.major = rule->major.value;
        if (rule->minor.set && rule->minor.value >= 0)
                result.minor = rule->minor.value;
        if (result.major > UINT32_MAX || result.minor > UINT32_MAX)
                return error_set(err, EINVAL, "major, minor: not the number of a device");
        for (const char *p = rule->access ? rule->access : "rwm"; *p; p++) {
                if (*p == 'r')
                        result.access |= BPF_DEVCG_ACC_READ;
                else if (*p == 'w')
                        result.access |= BPF_DEVCG_ACC_WRITE;
                else if (*p == 'm')
                        result.access |= BPF_DEVCG_ACC_MKNOD;
                else
                        return error_set(err, EINVAL, "access: expected letters of \"rwm\", found \"%s\"",
                                         rule->access);
        }
        *ret = result;
        return 0;
}

/* ---- the program ---- */

enum {
        R_ANSWER = BPF_REG_0,
        R_CONTEXT = BPF_REG_1,
        R_KIND = BPF_REG_2,
        R_ACCESS = BPF_REG_3, /* what is asked for and not yet allowed */
        R_MAJOR = BPF_REG_4,
        R_MINOR = BPF_REG_5,
};

#define RULE_MAX_SIZE 8U /* instructions */
#define FRAME_SIZE    8U /* those before and after the rules, at most */

typedef struct Code {
        struct bpf_insn *insns;
        size_t n;
} Code;

static void add(Code *code, unsigned op, unsigned to, unsigned from, int offset, int64_t value) {
        code->insns[code->n++] = (struct bpf_insn){
                .code = (uint8_t)op,
                .dst_reg = (uint8_t)to & 0xf,
                .src_reg = (uint8_t)from & 0xf,
                .off = (int16_t)offset,
                .imm = (int32_t)(uint32_t)value,
        };
}

static void add_answer(Code *code, int answer) {
        add(code, BPF_ALU64 | BPF_MOV | BPF_K, R_ANSWER, 0, 0, answer);
        add(code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void add_start(Code *code) {
        const unsigned load = BPF_LDX | BPF_MEM | BPF_W;

        add(code, load, R_KIND, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
        add(code, BPF_ALU64 | BPF_MOV | BPF_X, R_ACCESS, R_KIND, 0, 0);
        add(code, BPF_ALU | BPF_AND | BPF_K, R_KIND, 0, 0, 0xffff);
        add(code, BPF_ALU | BPF_RSH | BPF_K, R_ACCESS, 0, 0, 16);
        add(code, load, R_MAJOR, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
        add(code, load, R_MINOR, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
}

/* Jumps over what is left of the rule unless REG is VALUE; the distance is filled in by add_rule(). */
static void add_condition(Code *code, unsigned reg, int64_t value) {
        if (value != ANY)
                add(code, BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, value);
}

static void add_rule(Code *code, const Rule *rule) {
        size_t start = code->n, conditions;

        add_condition(code, R_KIND, rule->kind);
        add_condition(code, R_MAJOR, rule->major);
        add_condition(code, R_MINOR, rule->minor);
        conditions = code->n;
        if (rule->allow) {
                add(code, BPF_ALU | BPF_AND | BPF_K, R_ACCESS, 0, 0, (int64_t)(~rule->access & USE));
                add(code, BPF_JMP32 | BPF_JNE | BPF_K, R_ACCESS, 0, 2, 0);
                add_answer(code, 1);
        } else {
                add(code, BPF_ALU64 | BPF_MOV | BPF_X, R_ANSWER, R_ACCESS, 0, 0);
                add(code, BPF_ALU | BPF_AND | BPF_K, R_ANSWER, 0, 0, rule->access);
                add(code, BPF_JMP32 | BPF_JEQ | BPF_K, R_ANSWER, 0, 2, 0);
                add_answer(code, 0);
        }
        for (size_t i = start; i < conditions; i++)
                code->insns[i].off = (int16_t)(code->n - i - 1);
}

int cgroup_device_program(const OciDeviceRule *rules, size_t n, struct bpf_insn **ret, size_t *ret_n,
                          Error *err) {
        const size_t n_defaults = ELEMENTS_OF(default_rules);
        cleanup_free struct bpf_insn *insns =
                xnew(struct bpf_insn, (n + n_defaults) * RULE_MAX_SIZE + FRAME_SIZE);
        Code code = { .insns = insns };

        add_start(&code);
        /* The last rule decides, so it is asked first. */
        for (size_t i = n_defaults; i-- > 0;)
                add_rule(&code, &default_rules[i]);
        for (size_t i = n; i-- > 0;) {
                Rule rule;

                if (parse_rule(&rules[i], &rule, err) < 0)
                        return error_prefix(err, "linux.resources.devices[%zu]", i);
                add_rule(&code, &rule);
        }
        add_answer(&code, 0);
        *ret = TAKE_PTR(insns);
        *ret_n = code.n;
        return 0;
}

/* ---- the kernel ---- */

static int bpf(int command, union bpf_attr *attr) {
        return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load(const struct bpf_insn *insns, size_t n, Error *err) {
        static const char license[] = "Apache-2.0";
        union bpf_attr attr = { 0 };
        int fd;

        attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
        attr.insns = (uint64_t)(uintptr_t)insns;
        attr.insn_cnt = (uint32_t)n;
        attr.license = (uint64_t)(uintptr_t)license;
        fd = bpf(BPF_PROG_LOAD, &attr);
        if (fd < 0)
                return error_errno(err, "linux.resources.devices: loading the BPF program");
        return fd;
}

int cgroup_set_devices(int cgroup, const OciDeviceRule *rules, size_t n, int *attached, Error *err) {
        cleanup_free struct bpf_insn *insns = NULL;
        cleanup_close int program = -1;
        union bpf_attr attr = { 0 };
        size_t n_insns;

        if (cgroup_device_program(rules, n, &insns, &n_insns, err) < 0)
                return -err->code;
        program = load(insns, n_insns, err);
        if (program < 0)
                return program;
        attr.target_fd = (uint32_t)cgroup;
        attr.attach_bpf_fd = (uint32_t)program;
        attr.attach_type = BPF_CGROUP_DEVICE;
        attr.attach_flags = BPF_F_ALLOW_MULTI;
        if (*attached >= 0) {
                attr.attach_flags |= BPF_F_REPLACE;
                attr.replace_bpf_fd = (uint32_t)*attached;
        }
        if (bpf(BPF_PROG_ATTACH, &attr) < 0)
                return error_errno(err, "linux.resources.devices: attaching the BPF program");
        close_descriptor(attached);
        *attached = TAKE_FD(program);
        return 0;
}
