/* SPDX-License-Identifier: Apache-2.0 */

/* The BPF program of a cgroup's devices, run by a small interpreter, and loaded where the kernel lets us. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/cgroup-devices.h"
#include "common/base/cleanup.h"
#include "common/base/str.h"

/* What the kernel hands to the program. */
typedef struct Request {
        char type;          /* c or b */
        const char *access; /* letters of "rwm" */
        unsigned major, minor;
} Request;

static uint32_t load_context(const Request *request, int offset) {
        uint32_t access = 0;

        for (const char *p = request->access; *p; p++)
                access |= *p == 'r'   ? BPF_DEVCG_ACC_READ
                          : *p == 'w' ? BPF_DEVCG_ACC_WRITE
                                      : BPF_DEVCG_ACC_MKNOD;
        switch (offset) {
        case offsetof(struct bpf_cgroup_dev_ctx, access_type):
                return access << 16 | (request->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
        case offsetof(struct bpf_cgroup_dev_ctx, major):
                return request->major;
        case offsetof(struct bpf_cgroup_dev_ctx, minor):
                return request->minor;
        default:
                fail_msg("a load at %d", offset);
                return 0;
        }
}

/* The few instructions there are; anything else fails the test. */
static int interpret(const struct bpf_insn *code, size_t n, const Request *request) {
        uint64_t reg[11] = { 0 };

        for (size_t pc = 0; pc < n; pc++) {
                const struct bpf_insn *i = &code[pc];
                uint32_t low = (uint32_t)reg[i->dst_reg], imm = (uint32_t)i->imm;

                switch (i->code) {
                case BPF_LDX | BPF_MEM | BPF_W:
                        reg[i->dst_reg] = load_context(request, i->off);
                        break;
                case BPF_ALU64 | BPF_MOV | BPF_X:
                        reg[i->dst_reg] = reg[i->src_reg];
                        break;
                case BPF_ALU64 | BPF_MOV | BPF_K:
                        reg[i->dst_reg] = (uint64_t)(int64_t)i->imm;
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        reg[i->dst_reg] = low & imm;
                        break;
                case BPF_ALU | BPF_RSH | BPF_K:
                        reg[i->dst_reg] = low >> imm;
                        break;
                case BPF_JMP32 | BPF_JNE | BPF_K:
                        pc += low != imm ? (size_t)i->off : 0;
                        break;
                case BPF_JMP32 | BPF_JEQ | BPF_K:
                        pc += low == imm ? (size_t)i->off : 0;
                        break;
                case BPF_JMP | BPF_EXIT:
                        return (int)reg[0];
                default:
                        fail_msg("instruction %zu is unknown: %#x", pc, i->code);
                }
        }
        fail_msg("the program does not end");
        return -1;
}

static int ask(const OciDeviceRule *rules, size_t n, const Request *request) {
        cleanup_error Error error = { 0 };
        cleanup_free struct bpf_insn *code = NULL;
        size_t n_code = 0;

        assert_int_equal(cgroup_device_program(rules, n, &code, &n_code, &error), 0);
        return interpret(code, n_code, request);
}

static char any_type[] = "a", block[] = "b", character[] = "c", all[] = "rwm", read_only[] = "r",
            write_only[] = "w";

static void test_defaults(void **state) {
        static const struct {
                Request request;
                int answer;
        } cases[] = {
                { { 'c', "rw", 1, 3 }, 1 },    { { 'c', "rwm", 1, 9 }, 1 },  { { 'c', "r", 136, 7 }, 1 },
                { { 'c', "rw", 5, 2 }, 1 },    { { 'c', "m", 10, 200 }, 1 }, { { 'b', "m", 8, 0 }, 1 },
                { { 'b', "r", 1, 3 }, 0 },     { { 'c', "r", 10, 200 }, 0 }, { { 'b', "rw", 254, 0 }, 0 },
                { { 'c', "rm", 10, 200 }, 0 }, { { 'c', "w", 1, 1 }, 0 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
                assert_int_equal(ask(NULL, 0, &cases[i].request), cases[i].answer);
}

/* The last rule that speaks of it decides, for each kind of access by itself. */
static void test_order(void **state) {
        const OciDeviceRule rules[] = {
                { .allow = false, .access = all },
                { .allow = true,
                  .type = character,
                  .major = { true, 10 },
                  .minor = { true, 200 },
                  .access = all },
                { .allow = true,
                  .type = block,
                  .major = { true, 8 },
                  .minor = { true, -1 },
                  .access = read_only },
                { .allow = true, .type = block, .major = { true, 9 }, .access = all },
                { .allow = false,
                  .type = block,
                  .major = { true, 9 },
                  .minor = { true, 1 },
                  .access = write_only },
        };
        static const struct {
                Request request;
                int answer;
        } cases[] = {
                { { 'c', "rw", 10, 200 }, 1 }, { { 'c', "rw", 10, 201 }, 0 }, { { 'b', "r", 10, 200 }, 0 },
                { { 'b', "r", 8, 5 }, 1 },     { { 'b', "rw", 8, 5 }, 0 },    { { 'b', "w", 8, 5 }, 0 },
                { { 'b', "rw", 9, 0 }, 1 },    { { 'b', "r", 9, 1 }, 1 },     { { 'b', "rw", 9, 1 }, 0 },
                { { 'c', "rw", 1, 3 }, 1 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
                assert_int_equal(ask(rules, ELEMENTS_OF(rules), &cases[i].request), cases[i].answer);
}

static void test_privileged(void **state) {
        const OciDeviceRule rules[] = {
                { .allow = false, .type = any_type, .access = all },
                { .allow = true, .type = any_type, .access = all },
        };
        const Request request = { 'b', "rw", 4000000000U, 1 };

        (void)state;
        assert_int_equal(ask(rules, 2, &request), 1);
        assert_int_equal(ask(rules, 1, &request), 0);
}

static void test_refused(void **state) {
        char odd_type[] = "x", odd_access[] = "rx";
        const OciDeviceRule type = { .allow = true, .type = odd_type },
                            access = { .allow = true, .access = odd_access };
        const OciDeviceRule number = { .allow = true, .major = { true, INT64_C(1) << 40 } };
        cleanup_error Error error = { 0 };
        struct bpf_insn *code;
        size_t n;

        (void)state;
        assert_int_equal(cgroup_device_program(&type, 1, &code, &n, &error), -EINVAL);
        assert_string_equal(error.message,
                            "linux.resources.devices[0]: type: expected a, b or c, found \"x\"");
        assert_int_equal(cgroup_device_program(&access, 1, &code, &n, &error), -EINVAL);
        assert_int_equal(cgroup_device_program(&number, 1, &code, &n, &error), -EINVAL);
}

/* The kernel's verifier takes it, long ones too. */
static void test_load(void **state) {
        static OciDeviceRule rules[500];
        static const char license[] = "Apache-2.0";
        cleanup_error Error error = { 0 };
        cleanup_free struct bpf_insn *code = NULL;
        union bpf_attr attr = { 0 };
        size_t n;
        int fd;

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(rules); i++)
                rules[i] = (OciDeviceRule){
                        .allow = i % 3 != 0,
                        .type = i % 2 ? block : character,
                        .major = { true, (int64_t)i },
                        .access = i % 5 ? read_only : all,
                };
        assert_int_equal(cgroup_device_program(rules, ELEMENTS_OF(rules), &code, &n, &error), 0);
        attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
        attr.insns = (uint64_t)(uintptr_t)code;
        attr.insn_cnt = (uint32_t)n;
        attr.license = (uint64_t)(uintptr_t)license;
        fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
        if (fd < 0 && (errno == EPERM || errno == ENOSYS))
                skip();
        assert_true(fd >= 0);
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),   cmocka_unit_test(test_order),
                cmocka_unit_test(test_privileged), cmocka_unit_test(test_refused),
                cmocka_unit_test(test_load),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
