/* SPDX-License-Identifier: Apache-2.0 */

/* Filters are loaded in a child, which then says what system calls answer. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/seccomp.h"
#include "common/base/str.h"
#include "common/oci/spec.h"

#define KILLED 256 /* an answer: the call ended the child with SIGSYS */

/* Reads linux.seccomp out of a whole config.json. */
static OciSpec *parse(const char *seccomp) {
        cleanup_error Error error = { 0 };
        cleanup_strbuf StrBuf text = { 0 };
        OciSpec *spec = NULL;

        strbuf_printf(&text,
                      "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
                      "\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"args\":[\"x\"]},"
                      "\"linux\":{\"seccomp\":%s}}",
                      seccomp);
        if (oci_spec_parse(text.data, text.length, &spec, &error) < 0)
                fail_msg("%s", error.message);
        return spec;
}

static Seccomp *compile(const char *text) {
        cleanup(oci_spec_freep) OciSpec *spec = parse(text);
        cleanup_error Error error = { 0 };
        Seccomp *seccomp = NULL;

        if (seccomp_new(spec->linux_->seccomp, &seccomp, &error) < 0)
                fail_msg("%s", error.message);
        return seccomp;
}

static void assert_refused(const char *text, const char *message) {
        cleanup(oci_spec_freep) OciSpec *spec = parse(text);
        cleanup_error Error error = { 0 };
        Seccomp *seccomp = NULL;

        assert_true(seccomp_new(spec->linux_->seccomp, &seccomp, &error) < 0);
        assert_string_equal(error.message, message);
        assert_null(seccomp);
}

/* errno of a system call under the filter, 0, or KILLED. */
static int answer(const Seccomp *seccomp, long number, long a, long b) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                Error error = { 0 };

                signal(SIGSYS, SIG_DFL); /* cmocka catches it */
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_apply(seccomp, &error) < 0)
                        _exit(255);
                /* not _exit(): a sanitizer has more to do then than the filter allows */
                syscall(SYS_exit_group, syscall(number, a, b, 0, 0, 0, 0) < 0 ? errno : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
                return KILLED;
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void test_actions(void **state) {
        cleanup(seccomp_freep) Seccomp *seccomp =
                compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
                        "{\"names\":[\"getppid\",\"no_such_call_ever\"],\"action\":\"SCMP_ACT_ERRNO\"},"
                        "{\"names\":[\"getuid\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":99},"
                        "{\"names\":[\"getgid\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
                        "{\"names\":[\"geteuid\"],\"action\":\"SCMP_ACT_TRAP\"},"
                        "{\"names\":[\"getegid\"],\"action\":\"SCMP_ACT_LOG\"},"
                        "{\"names\":[\"getpgrp\"],\"action\":\"SCMP_ACT_KILL\"}]}");

        (void)state;
        assert_int_equal(answer(seccomp, SYS_getppid, 0, 0), EPERM);
        assert_int_equal(answer(seccomp, SYS_getuid, 0, 0), 99);
        assert_int_equal(answer(seccomp, SYS_getgid, 0, 0), KILLED);
        assert_int_equal(answer(seccomp, SYS_geteuid, 0, 0), KILLED);
        assert_int_equal(answer(seccomp, SYS_getegid, 0, 0), 0);
        assert_int_equal(answer(seccomp, SYS_getpgrp, 0, 0), KILLED);
        assert_int_equal(answer(seccomp, SYS_getpid, 0, 0), 0);
}

static void test_arguments(void **state) {
        cleanup(seccomp_freep) Seccomp *seccomp = compile(
                "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
                "{\"names\":[\"alarm\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":70,"
                " \"args\":[{\"index\":0,\"op\":\"SCMP_CMP_MASKED_EQ\",\"value\":240,\"valueTwo\":32}]},"
                "{\"names\":[\"getpgid\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":71,"
                " \"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":0},"
                "           {\"index\":1,\"op\":\"SCMP_CMP_GT\",\"value\":5}]},"
                "{\"names\":[\"getsid\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":72,"
                " \"args\":[{\"index\":1,\"op\":\"SCMP_CMP_EQ\",\"value\":3},"
                "           {\"index\":1,\"op\":\"SCMP_CMP_EQ\",\"value\":4}]}]}");

        (void)state;
        assert_int_equal(answer(seccomp, SYS_alarm, 0x2f, 0), 70);
        assert_int_equal(answer(seccomp, SYS_alarm, 0x3f, 0), 0);
        /* conditions on different arguments must all hold */
        assert_int_equal(answer(seccomp, SYS_getpgid, 0, 6), 71);
        assert_int_equal(answer(seccomp, SYS_getpgid, 0, 5), 0);
        /* those on the same one are alternatives */
        assert_int_equal(answer(seccomp, SYS_getsid, 0, 3), 72);
        assert_int_equal(answer(seccomp, SYS_getsid, 0, 4), 72);
        assert_int_equal(answer(seccomp, SYS_getsid, 0, 5), 0);
}

#define ALLOWED "\"exit_group\",\"exit\",\"rt_sigreturn\",\"prctl\",\"seccomp\",\"getpid\",\"write\""

/* What is newer than the profile says ENOSYS; what is old and not named, the default action. */
static void test_newer(void **state) {
        cleanup(seccomp_freep) Seccomp *seccomp = compile(
                "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,"
                "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],"
                "\"syscalls\":[{\"names\":[" ALLOWED ",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
        cleanup(seccomp_freep) Seccomp *kills =
                compile("{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\","
                        "\"syscalls\":[{\"names\":[" ALLOWED "],\"action\":\"SCMP_ACT_ALLOW\"}]}");
        cleanup(seccomp_freep) Seccomp *own =
                compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
                        "\"syscalls\":[{\"names\":[" ALLOWED "],\"action\":\"SCMP_ACT_ALLOW\"}]}");

        (void)state;
        assert_int_equal(answer(seccomp, SYS_getpid, 0, 0), 0);
        assert_int_equal(answer(seccomp, SYS_getppid, 0, 0), EPERM);
        assert_int_equal(answer(seccomp, SYS_openat2 + 1, 0, 0), ENOSYS);
        assert_int_equal(answer(seccomp, 5000, 0, 0), ENOSYS);
        assert_int_equal(answer(seccomp, -1, 0, 0), EPERM);
        /* getpid by the x32 table */
        assert_int_not_equal(answer(seccomp, 0x40000000L + SYS_getppid, 0, 0), 0);
        assert_int_equal(answer(kills, SYS_getppid, 0, 0), KILLED);
        assert_int_equal(answer(kills, 5000, 0, 0), ENOSYS);
        assert_int_equal(answer(own, SYS_getppid, 0, 0), ENOSYS);
        assert_int_equal(answer(own, 5000, 0, 0), ENOSYS);
}

static void test_flags(void **state) {
        cleanup(seccomp_freep) Seccomp *none = compile("{\"defaultAction\":\"SCMP_ACT_LOG\",\"flags\":[]}");
        cleanup(seccomp_freep) Seccomp *all =
                compile("{\"defaultAction\":\"SCMP_ACT_LOG\",\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\","
                        "\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]}");
        cleanup(seccomp_freep) Seccomp *unsaid = compile("{\"defaultAction\":\"SCMP_ACT_LOG\"}");
        cleanup(seccomp_freep) Seccomp *nothing = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");

        (void)state;
        assert_int_equal(none->flags, 0);
        assert_int_equal(all->flags, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
                                             SECCOMP_FILTER_FLAG_SPEC_ALLOW);
        assert_int_equal(unsaid->flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
        assert_null(nothing);
        assert_int_equal(answer(all, SYS_getpid, 0, 0), 0);
        assert_int_equal(answer(NULL, SYS_getpid, 0, 0), 0);
}

static void test_refused(void **state) {
        (void)state;
        assert_refused("{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}",
                       "linux.seccomp: defaultAction: SCMP_ACT_NOTIFY: the supervisor runs on the host and "
                       "cannot look "
                       "into the virtual machine");
        assert_refused("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/run/x\"}",
                       "linux.seccomp.listenerPath: the supervisor runs on the host and cannot look into the "
                       "virtual "
                       "machine");
        assert_refused("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_"
                       "RECV\"]}",
                       "linux.seccomp: flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV goes with "
                       "SCMP_ACT_NOTIFY, which "
                       "cannot be had in a virtual machine");
        assert_refused("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_PDP11\"]}",
                       "linux.seccomp: architectures: unknown architecture \"SCMP_ARCH_PDP11\"");
        assert_refused("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
                       "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":65536}]}",
                       "linux.seccomp: syscalls[0]: action: errno 65536 is above 65535");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_actions), cmocka_unit_test(test_arguments),
                cmocka_unit_test(test_newer),   cmocka_unit_test(test_flags),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
