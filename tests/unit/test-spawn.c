/* SPDX-License-Identifier: Apache-2.0 */

/* Starting children: the exact descriptors, an error that names the step, identity, signals back to their defaults. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/spawn.h"

/* Runs a shell line with its output in RET (owned by the caller); returns the exit status. */
static int run_shell(const char *line, SpawnSpec *spec, const SpawnFd *more, size_t n_more, char **ret) {
        const char *argv[] = { "/bin/sh", "-c", line, NULL };
        cleanup_error Error error = { 0 };
        SpawnFd fds[8];
        int pipes[2], status;
        pid_t pid;

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        fds[0] = (SpawnFd){ .fd = pipes[1], .target = STDOUT_FILENO };
        if (n_more > 0)
                memcpy(fds + 1, more, n_more * sizeof(SpawnFd));
        memcpy(&spec->argv, &(const char *const *){ argv }, sizeof(spec->argv));
        spec->fds = fds;
        spec->n_fds = n_more + 1;
        assert_int_equal(spawn(spec, &pid, NULL, &error), 0);
        close(pipes[1]);
        assert_int_equal(fd_read(pipes[0], 65536, ret, NULL, &error), 0);
        close(pipes[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return wait_status_to_exit(status);
}

static void test_descriptors_are_exact(void **state) {
        cleanup_free char *out = NULL;
        SpawnSpec spec = { 0 };
        int stray = open("/", O_RDONLY | O_DIRECTORY), a = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void)state;
        /* stray has no O_CLOEXEC and still must not arrive; the shell's own listing opens one more */
        assert_int_equal(run_shell("for f in 0 2 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$f || echo -; done",
                                   &spec, (SpawnFd[]){ { .fd = a, .target = 5 } }, 1, &out),
                         0);
        assert_string_equal(out, "/dev/null\n/dev/null\n-\n-\n/etc\n-\n-\n-\n-\n");
        close(stray);
        close(a);
}

static void test_descriptors_can_swap(void **state) {
        cleanup_free char *out = NULL;
        int a = fcntl(open("/etc", O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 3);
        int b = fcntl(open("/usr", O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 3);
        SpawnFd swapped[] = { { .fd = a, .target = b }, { .fd = b, .target = a } };
        SpawnSpec spec = { 0 };
        char line[128];

        (void)state;
        snprintf(line, sizeof(line), "readlink /proc/$$/fd/%d; readlink /proc/$$/fd/%d", a, b);
        assert_int_equal(run_shell(line, &spec, swapped, 2, &out), 0);
        assert_string_equal(out, "/usr\n/etc\n");
        close(a);
        close(b);
}

static void test_missing_program(void **state) {
        char *argv[] = { (char[]){ "/no/such/program" }, NULL };
        SpawnSpec spec = { .argv = argv };
        cleanup_error Error error = { 0 };
        pid_t pid;

        (void)state;
        assert_int_equal(spawn(&spec, &pid, NULL, &error), -ENOENT);
        assert_string_equal(error.message,
                            "starting /no/such/program: /no/such/program: No such file or directory");
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static int refuse(void *user, Error *err) {
        return error_set(err, EBUSY, "%s", (const char *)user);
}

static void test_setup_error_is_the_callers(void **state) {
        char *argv[] = { (char[]){ "/bin/true" }, NULL };
        SpawnSpec spec = { .argv = argv, .setup = refuse, .user = (char[]){ "the step failed" } };
        cleanup_error Error error = { 0 };
        pid_t pid;

        (void)state;
        assert_int_equal(spawn(&spec, &pid, NULL, &error), -EBUSY);
        assert_string_equal(error.message, "starting /bin/true: the step failed");
}

static void test_signals_are_reset(void **state) {
        cleanup_free char *out = NULL;
        SpawnSpec spec = { 0 };
        sigset_t all;

        (void)state;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        signal(SIGPIPE, SIG_IGN);
        assert_int_equal(run_shell("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", &spec, NULL, 0, &out),
                         0);
        assert_string_equal(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
        sigprocmask(SIG_UNBLOCK, &all, NULL);
}

static void test_identity(void **state) {
        gid_t groups[] = { 7, 9 };
        SpawnSpec spec = { .set_identity = true,
                           .uid = 65534,
                           .gid = 65533,
                           .groups = groups,
                           .n_groups = 2,
                           .no_new_privs = true };
        cleanup_free char *out = NULL;

        (void)state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(run_shell("id -u; id -g; id -G; grep -E '^(CapEff|NoNewPrivs)' /proc/$$/status",
                                   &spec, NULL, 0, &out),
                         0);
        assert_string_equal(out, "65534\n65533\n65533 7 9\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_descriptors_are_exact),
                cmocka_unit_test(test_descriptors_can_swap),
                cmocka_unit_test(test_missing_program),
                cmocka_unit_test(test_setup_error_is_the_callers),
                cmocka_unit_test(test_signals_are_reset),
                cmocka_unit_test(test_identity),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
