/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/seccomp-newer.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define X32_BIT 0x40000000U

/* Instructions of one architecture: see add_architecture(). */
#define STUB_SIZE 5U

typedef struct Stub {
        struct sock_filter code[1 + SECCOMP_MAX_ARCHITECTURES * STUB_SIZE];
        size_t n;
} Stub;

/* A filter that lets newer system calls through, or says ENOSYS anyway, needs no help. */
static bool is_needed(const OciSeccomp *spec) {
        if (streq(spec->default_action, "SCMP_ACT_ERRNO"))
                return !spec->default_errno_ret.set || spec->default_errno_ret.value != ENOSYS;
        return !streq(spec->default_action, "SCMP_ACT_ALLOW") && !streq(spec->default_action, "SCMP_ACT_LOG");
}

/* The largest number the profile names; -1: none. */
static int newest_call(const OciSeccomp *spec, uint32_t architecture) {
        int newest = -1;

        for (size_t i = 0; i < spec->n_syscalls; i++)
                STRV_FOR_EACH (name, spec->syscalls[i].names) {
                        int number = seccomp_syscall_resolve_name_arch(architecture, *name);

                        if (number > newest)
                                newest = number;
                }
        return newest;
}

static void add(Stub *stub, uint16_t code, uint8_t yes, uint8_t no, uint32_t k) {
        stub->code[stub->n++] = (struct sock_filter){ .code = code, .jt = yes, .jf = no, .k = k };
}

/*
 * With the architecture in the accumulator:
 *
 *         jeq  ARCHITECTURE, 0, next
 *         ld   number
 *         jgt  NEWEST, 0, filter        (x86_64: not above X32_BIT, which is the x32 architecture)
 *         ret  ENOSYS
 *   next:
 *
 * The filter itself begins with loading the architecture again, wherever it is entered.
 */
static void add_architecture(Stub *stub, uint32_t token, uint32_t newest, bool below_x32, size_t total) {
        size_t end = stub->n + STUB_SIZE;

        add(stub, BPF_JMP | BPF_JEQ | BPF_K, 0, STUB_SIZE - 1, token);
        add(stub, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
        add(stub, BPF_JMP | BPF_JGE | BPF_K, (uint8_t)(total - stub->n - 1), 0,
            below_x32 ? X32_BIT : UINT32_MAX);
        add(stub, BPF_JMP | BPF_JGT | BPF_K, 0, (uint8_t)(total - stub->n - 1), newest);
        add(stub, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
        stub->n = end;
}

static bool concerns(const OciSeccomp *spec, uint32_t architecture, int *ret_newest) {
        /* x32 shares the token of x86_64 and differs by a bit of the number; it is left to the filter. */
        if (architecture == SCMP_ARCH_X32)
                return false;
        *ret_newest = newest_call(spec, architecture);
        return *ret_newest >= 0;
}

static void make_stub(const OciSeccomp *spec, const uint32_t *architectures, size_t n_architectures,
                      Stub *stub) {
        size_t total = 1;
        int newest;

        for (size_t i = 0; i < n_architectures; i++)
                total += concerns(spec, architectures[i], &newest) ? STUB_SIZE : 0;
        if (total == 1)
                return;
        add(stub, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
        for (size_t i = 0; i < n_architectures; i++)
                if (concerns(spec, architectures[i], &newest))
                        add_architecture(stub, architectures[i], (uint32_t)newest,
                                         architectures[i] == SCMP_ARCH_X86_64, total);
}

int seccomp_refuse_newer(const OciSeccomp *spec, const uint32_t *architectures, size_t n_architectures,
                         const struct sock_filter *code, size_t n_code, struct sock_filter **ret,
                         unsigned short *ret_n, Error *err) {
        Stub stub = { 0 };
        struct sock_filter *all;

        if (is_needed(spec))
                make_stub(spec, architectures, n_architectures, &stub);
        if (stub.n + n_code > BPF_MAXINSNS)
                return error_set(err, E2BIG, "the filter has more than %d instructions", BPF_MAXINSNS);
        all = xnew(struct sock_filter, stub.n + n_code);
        memcpy(all, stub.code, stub.n * sizeof(*all));
        memcpy(all + stub.n, code, n_code * sizeof(*all));
        *ret = all;
        *ret_n = (unsigned short)(stub.n + n_code);
        return 0;
}
