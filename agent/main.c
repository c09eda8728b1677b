/* SPDX-License-Identifier: Apache-2.0 */

/*
 * carrel-agent: PID 1 of the guest. It boots what little there is to boot, says hello to the host and does what it is
 * asked until the channel ends; then it switches the machine off.
 *
 * For tests without a virtual machine it also runs as PID 1 of a pid namespace, with mount and cgroup namespaces of
 * its own, the channel as a descriptor and the share as a folder:
 *
 *     unshare -pfmC --mount-proc carrel-agent --test-fd 3 --share /some/folder
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/boot.h"
#include "agent/boot-test.h"
#include "agent/session.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/str.h"
#include "config.h"

/* The host has its own, shorter limit; this one is for a guest that was started by hand. */
#define PORT_TIMEOUT_USEC (30ULL * 1000 * 1000)

static int run_guest(uint64_t kernel_usec, Error *err) {
        SessionOptions options = { .kernel_usec = kernel_usec };
        int r;

        r = boot_prepare(err);
        if (r < 0)
                return error_prefix(err, "boot");
        options.channel = boot_open_port(PORT_TIMEOUT_USEC, err);
        if (options.channel < 0)
                return error_prefix(err, "boot");
        return session_run(&options, err);
}

static int run_test(const BootTestOptions *test, uint64_t kernel_usec, Error *err) {
        SessionOptions options = { .kernel_usec = kernel_usec, .test = true, .channel = test->channel };
        int r;

        r = boot_test_prepare(test, err);
        return r < 0 ? r : session_run(&options, err);
}

static int run(int argc, char **argv, bool *ret_guest, Error *err) {
        uint64_t started = now_usec();
        BootTestOptions test = { .channel = -1 };
        int r;

        *ret_guest = false;
        if (argc == 2 && streq(argv[1], "--version")) {
                printf("carrel-agent version " CARREL_VERSION "\ncommit: " CARREL_COMMIT "\n");
                return 0;
        }
        r = boot_test_parse(argc, argv, &test, err);
        if (r < 0)
                return r;
        if (getpid() != 1)
                return error_set(err, EINVAL,
                                 "this is PID 1 of carrel's virtual machines, nothing to be run by hand");
        if (test.channel >= 0)
                return run_test(&test, started, err);
        /* a namespace of a running system, and no test: keep its mounts whole */
        if (access("/proc/self", F_OK) == 0)
                return error_set(err, EINVAL, "/proc is mounted: this machine is up already");
        *ret_guest = true; /* what the kernel's command line adds to ours is not for us */
        return run_guest(started, err);
}

int main(int argc, char **argv) {
        cleanup_error Error error = { 0 };
        bool guest;
        int r;

        log_set_program("carrel-agent");
        r = run(argc, argv, &guest, &error);
        if (r < 0)
                log_error("%s", error.message);
        if (guest)
                boot_power_off();
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
