/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroup-devices.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/bpf.h"
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

static void add_start(BpfCode *code) {
        const unsigned load = BPF_LDX | BPF_MEM | BPF_W;

        bpf_add(code, load, R_KIND, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
        bpf_add(code, BPF_ALU64 | BPF_MOV | BPF_X, R_ACCESS, R_KIND, 0, 0);
        bpf_add(code, BPF_ALU | BPF_AND | BPF_K, R_KIND, 0, 0, 0xffff);
        bpf_add(code, BPF_ALU | BPF_RSH | BPF_K, R_ACCESS, 0, 0, 16);
        bpf_add(code, load, R_MAJOR, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
        bpf_add(code, load, R_MINOR, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
}

/* Jumps over what is left of the rule unless REG is VALUE; the distance is filled in by add_rule(). */
static void add_condition(BpfCode *code, unsigned reg, int64_t value) {
        if (value != ANY)
                bpf_add(code, BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, value);
}

static void add_rule(BpfCode *code, const Rule *rule) {
        size_t start = code->n, conditions;

        add_condition(code, R_KIND, rule->kind);
        add_condition(code, R_MAJOR, rule->major);
        add_condition(code, R_MINOR, rule->minor);
        conditions = code->n;
        if (rule->allow) {
                bpf_add(code, BPF_ALU | BPF_AND | BPF_K, R_ACCESS, 0, 0, (int64_t)(~rule->access & USE));
                bpf_add(code, BPF_JMP32 | BPF_JNE | BPF_K, R_ACCESS, 0, 2, 0);
                bpf_add_answer(code, 1);
        } else {
                bpf_add(code, BPF_ALU64 | BPF_MOV | BPF_X, R_ANSWER, R_ACCESS, 0, 0);
                bpf_add(code, BPF_ALU | BPF_AND | BPF_K, R_ANSWER, 0, 0, rule->access);
                bpf_add(code, BPF_JMP32 | BPF_JEQ | BPF_K, R_ANSWER, 0, 2, 0);
                bpf_add_answer(code, 0);
        }
        for (size_t i = start; i < conditions; i++)
                code->insns[i].off = (int16_t)(code->n - i - 1);
}

int cgroup_device_program(const OciDeviceRule *rules, size_t n, struct bpf_insn **ret, size_t *ret_n,
                          Error *err) {
        const size_t n_defaults = ELEMENTS_OF(default_rules);
        cleanup_free struct bpf_insn *insns =
                xnew(struct bpf_insn, (n + n_defaults) * RULE_MAX_SIZE + FRAME_SIZE);
        BpfCode code = { .insns = insns };

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
        bpf_add_answer(&code, 0);
        *ret = TAKE_PTR(insns);
        *ret_n = code.n;
        return 0;
}

/* ---- the kernel ---- */

int cgroup_set_devices(int cgroup, const OciDeviceRule *rules, size_t n, int *attached, Error *err) {
        cleanup_free struct bpf_insn *insns = NULL;
        cleanup_close int program = -1;
        BpfCode code;

        if (cgroup_device_program(rules, n, &insns, &code.n, err) < 0)
                return -err->code;
        code.insns = insns;
        program = bpf_load(BPF_PROG_TYPE_CGROUP_DEVICE, 0, &code, err);
        if (program < 0 || bpf_attach(cgroup, program, BPF_CGROUP_DEVICE, *attached, err) < 0)
                return error_prefix(err, "linux.resources.devices");
        close_descriptor(attached);
        *attached = TAKE_FD(program);
        return 0;
}
