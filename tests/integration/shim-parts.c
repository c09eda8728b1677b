/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Parts of the shim, each called as the shim calls it:
 *
 *   shim-parts jail PLAN.json COMMAND...    the command as QEMU is run: in its jail, with its limits, still root
 *   shim-parts orphan PLAN.json             what is done when the command that made a container has died
 *
 * PLAN.json is a LaunchPlan. Exit status: the command's, or 125 with the error on stderr.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/spawn.h"
#include "common/protocol/launch.h"
#include "shim/jail.h"
#include "shim/orphan.h"

#define FAILED 125

static int read_plan(const char *path, LaunchPlan *ret, Error *err) {
        cleanup_free char *text = NULL;
        size_t length;
        int r = file_read(AT_FDCWD, path, 1U << 20, &text, &length, err);

        return r < 0 ? r : json_read_text(text, length, NULL, launch_plan_fields, ret, err);
}

static int run_jail(LaunchPlan *plan, char **argv, Error *err) {
        const SpawnFd fds[] = { { STDOUT_FILENO, STDOUT_FILENO }, { STDERR_FILENO, STDERR_FILENO } };
        const SpawnSpec spec = { .argv = argv, .fds = fds, .n_fds = 2, .setup = jail_enter, .user = plan };
        int status = 0, r;
        pid_t pid;

        r = spawn(&spec, &pid, NULL, err);
        if (r < 0)
                return r;
        waitpid(pid, &status, 0);
        return wait_status_to_exit(status);
}

int main(int argc, char **argv) {
        cleanup_error Error error = { 0 };
        LaunchPlan plan = { 0 };
        int r = 0;

        if (argc < 3)
                return FAILED;
        log_set_program("shim-parts");
        log_set_fd(STDERR_FILENO, LOG_FORMAT_TEXT);
        if (read_plan(argv[2], &plan, &error) < 0)
                r = -1;
        else if (strcmp(argv[1], "jail") == 0)
                r = run_jail(&plan, argv + 3, &error);
        else if (dup2(STDERR_FILENO, SHIM_FD_LOG) >= 0)
                orphan_clean_up(&plan);
        json_clear(launch_plan_fields, &plan);
        if (r >= 0)
                return r;
        fprintf(stderr, "%s\n", error.message);
        return FAILED;
}
