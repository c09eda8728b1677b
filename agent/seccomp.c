/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/seccomp-newer.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* A filter in the making. */
typedef struct Build {
        scmp_filter_ctx context;
        uint32_t default_action;
        uint32_t architectures[SECCOMP_MAX_ARCHITECTURES]; /* SCMP_ARCH_... */
        size_t n_architectures;
} Build;

/* ---- names ---- */

static int find_action(const char *name, const OptUint32 *errno_ret, uint32_t *ret, Error *err) {
        uint32_t code = errno_ret->set ? errno_ret->value : EPERM;

        if (code > 0xffff)
                return error_set(err, EINVAL, "errno %u is above 65535", code);
        if (streq(name, "SCMP_ACT_KILL") || streq(name, "SCMP_ACT_KILL_THREAD"))
                *ret = SCMP_ACT_KILL_THREAD;
        else if (streq(name, "SCMP_ACT_KILL_PROCESS"))
                *ret = SCMP_ACT_KILL_PROCESS;
        else if (streq(name, "SCMP_ACT_TRAP"))
                *ret = SCMP_ACT_TRAP;
        else if (streq(name, "SCMP_ACT_ERRNO"))
                *ret = SCMP_ACT_ERRNO(code);
        else if (streq(name, "SCMP_ACT_TRACE"))
                *ret = SCMP_ACT_TRACE(code);
        else if (streq(name, "SCMP_ACT_ALLOW"))
                *ret = SCMP_ACT_ALLOW;
        else if (streq(name, "SCMP_ACT_LOG"))
                *ret = SCMP_ACT_LOG;
        else if (streq(name, "SCMP_ACT_NOTIFY"))
                return error_set(
                        err, ENOTSUP,
                        "SCMP_ACT_NOTIFY: the supervisor runs on the host and cannot look into the virtual "
                        "machine");
        else
                return error_set(err, EINVAL, "unknown action \"%s\"", name ? name : "");
        return 0;
}

static int find_operator(const char *name, enum scmp_compare *ret, Error *err) {
        static const struct {
                const char *name;
                enum scmp_compare value;
        } operators[] = {
                { "SCMP_CMP_NE", SCMP_CMP_NE },
                { "SCMP_CMP_LT", SCMP_CMP_LT },
                { "SCMP_CMP_LE", SCMP_CMP_LE },
                { "SCMP_CMP_EQ", SCMP_CMP_EQ },
                { "SCMP_CMP_GE", SCMP_CMP_GE },
                { "SCMP_CMP_GT", SCMP_CMP_GT },
                { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
        };

        for (size_t i = 0; i < ELEMENTS_OF(operators); i++)
                if (streq(operators[i].name, name)) {
                        *ret = operators[i].value;
                        return 0;
                }
        return error_set(err, EINVAL, "unknown operator \"%s\"", name ? name : "");
}

/* "SCMP_ARCH_X86_64" is libseccomp's "x86_64". 0: unknown. */
static uint32_t find_architecture(const char *name) {
        const char *rest = str_after(name, "SCMP_ARCH_");
        cleanup_free char *lower = rest ? xstrdup(rest) : NULL;

        for (char *p = lower; p && *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char)(*p - 'A' + 'a');
        return lower ? seccomp_arch_resolve_name(lower) : 0;
}

static int find_flags(const OciSeccomp *spec, unsigned *ret, Error *err) {
        unsigned flags = 0;

        /* As runc: no speculation mitigation for programs that did not ask for it. */
        if (!spec->flags)
                flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        STRV_FOR_EACH (name, spec->flags) {
                if (streq(*name, "SECCOMP_FILTER_FLAG_TSYNC"))
                        flags |= SECCOMP_FILTER_FLAG_TSYNC;
                else if (streq(*name, "SECCOMP_FILTER_FLAG_LOG"))
                        flags |= SECCOMP_FILTER_FLAG_LOG;
                else if (streq(*name, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"))
                        flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
                else if (streq(*name, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"))
                        return error_set(err, ENOTSUP,
                                         "flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV goes with "
                                         "SCMP_ACT_NOTIFY, which "
                                         "cannot be had in a virtual machine");
                else
                        return error_set(err, EINVAL, "flags: unknown flag \"%s\"", *name);
        }
        *ret = flags;
        return 0;
}

/* ---- rules ---- */

static int convert_arguments(const OciSyscall *call, struct scmp_arg_cmp *args, Error *err) {
        for (size_t i = 0; i < call->n_args; i++) {
                const OciSeccompArg *arg = &call->args[i];
                enum scmp_compare op = SCMP_CMP_EQ;

                if (arg->index > 5)
                        return error_set(err, EINVAL, "args[%zu].index: a system call has no argument %u", i,
                                         arg->index);
                if (find_operator(arg->op, &op, err) < 0)
                        return error_prefix(err, "args[%zu].op", i);
                /* With a mask: value is the mask, valueTwo what must be left of the argument. */
                args[i] = (struct scmp_arg_cmp){
                        .arg = arg->index,
                        .op = op,
                        .datum_a = arg->value,
                        .datum_b = arg->value_two,
                };
        }
        return 0;
}

static bool repeats_argument(const OciSyscall *call) {
        unsigned seen = 0;

        for (size_t i = 0; i < call->n_args; i++) {
                if (seen >> call->args[i].index & 1)
                        return true;
                seen |= 1U << call->args[i].index;
        }
        return false;
}

static int add_rule(const Build *build, uint32_t action, const char *name, const struct scmp_arg_cmp *args,
                    size_t n_args, bool each_alone, Error *err) {
        int number = seccomp_syscall_resolve_name(name), r = 0;

        if (number == __NR_SCMP_ERROR)
                return 0; /* newer than libseccomp, or of no architecture: as runc, nothing to filter */
        if (!each_alone)
                r = seccomp_rule_add_array(build->context, action, number, (unsigned)n_args, args);
        /* libseccomp takes one condition for an argument: several are alternatives, as with runc. */
        for (size_t i = 0; each_alone && r >= 0 && i < n_args; i++)
                r = seccomp_rule_add_array(build->context, action, number, 1, &args[i]);
        if (r < 0)
                return error_set(err, -r, "%s: %s", name, strerror(-r));
        return 0;
}

static int add_syscall(const Build *build, const OciSyscall *call, Error *err) {
        cleanup_free struct scmp_arg_cmp *args = xnew(struct scmp_arg_cmp, call->n_args + 1);
        uint32_t action;

        if (find_action(call->action, &call->errno_ret, &action, err) < 0)
                return error_prefix(err, "action");
        if (convert_arguments(call, args, err) < 0)
                return -err->code;
        if (action == build->default_action)
                return 0;
        STRV_FOR_EACH (name, call->names)
                if (add_rule(build, action, *name, args, call->n_args, repeats_argument(call), err) < 0)
                        return -err->code;
        return 0;
}

static int add_architectures(Build *build, const OciSeccomp *spec, Error *err) {
        build->architectures[build->n_architectures++] = seccomp_arch_native();
        STRV_FOR_EACH (name, spec->architectures) {
                uint32_t architecture = find_architecture(*name);
                int r;

                if (architecture == 0)
                        return error_set(err, EINVAL, "architectures: unknown architecture \"%s\"", *name);
                r = seccomp_arch_add(build->context, architecture);
                if (r == -EEXIST)
                        continue;
                if (r < 0)
                        return error_set(err, -r, "architectures: %s: %s", *name, strerror(-r));
                if (build->n_architectures < ELEMENTS_OF(build->architectures))
                        build->architectures[build->n_architectures++] = architecture;
        }
        return 0;
}

static int build_filter(Build *build, const OciSeccomp *spec, Error *err) {
        int r;

        if (find_action(spec->default_action, &spec->default_errno_ret, &build->default_action, err) < 0)
                return error_prefix(err, "defaultAction");
        build->context = seccomp_init(build->default_action);
        if (!build->context)
                return error_set(err, EINVAL, "libseccomp takes no such default action");
        r = seccomp_attr_set(build->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r < 0)
                return error_set(err, -r, "binary tree: %s", strerror(-r));
        if (add_architectures(build, spec, err) < 0)
                return -err->code;
        for (size_t i = 0; i < spec->n_syscalls; i++)
                if (add_syscall(build, &spec->syscalls[i], err) < 0)
                        return error_prefix(err, "syscalls[%zu]", i);
        return 0;
}

/* ---- the program ---- */

static int export_filter(const Build *build, const OciSeccomp *spec, Seccomp *seccomp, Error *err) {
        cleanup_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
        cleanup_free char *code = NULL;
        size_t length;
        int r;

        if (fd < 0)
                return error_errno(err, "memfd_create");
        r = seccomp_export_bpf(build->context, fd);
        if (r < 0)
                return error_set(err, -r, "making the program: %s", strerror(-r));
        if (lseek(fd, 0, SEEK_SET) < 0)
                return error_errno(err, "memfd");
        if (fd_read(fd, sizeof(struct sock_filter) * BPF_MAXINSNS, &code, &length, err) < 0)
                return error_prefix(err, "the program");
        return seccomp_refuse_newer(spec, build->architectures, build->n_architectures,
                                    (const struct sock_filter *)(const void *)code,
                                    length / sizeof(struct sock_filter), &seccomp->code, &seccomp->n_code,
                                    err);
}

int seccomp_new(const OciSeccomp *spec, Seccomp **ret, Error *err) {
        cleanup(seccomp_freep) Seccomp *seccomp = NULL;
        Build build = { 0 };
        int r;

        if (!spec) {
                *ret = NULL;
                return 0;
        }
        if (spec->listener_path && *spec->listener_path)
                return error_set(err, ENOTSUP,
                                 "linux.seccomp.listenerPath: the supervisor runs on the host and cannot "
                                 "look into the "
                                 "virtual machine");
        seccomp = xnew(Seccomp, 1);
        r = find_flags(spec, &seccomp->flags, err);
        if (r >= 0)
                r = build_filter(&build, spec, err);
        if (r >= 0)
                r = export_filter(&build, spec, seccomp, err);
        if (build.context)
                seccomp_release(build.context);
        if (r < 0)
                return error_prefix(err, "linux.seccomp");
        *ret = build.default_action == SCMP_ACT_ALLOW && spec->n_syscalls == 0 ? NULL : TAKE_PTR(seccomp);
        return 0;
}

Seccomp *seccomp_free(Seccomp *seccomp) {
        if (!seccomp)
                return NULL;
        free(seccomp->code);
        free(seccomp);
        return NULL;
}

int seccomp_apply(const Seccomp *seccomp, Error *err) {
        struct sock_fprog program = { 0 };

        if (!seccomp)
                return 0;
        program.len = seccomp->n_code;
        program.filter = seccomp->code;
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, seccomp->flags, &program) != 0)
                return error_errno(err, "linux.seccomp: loading the filter");
        return 0;
}
