/* SPDX-License-Identifier: Apache-2.0 */

/* carrel-shim: the container's stand-in on the host (monitor), or an exec'ed process's (--exec). Started by carrel only;
 * its descriptors are those of common/protocol/launch.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/protocol/launch.h"
#include "config.h"
#include "shim/exec-proxy.h"
#include "shim/orphan.h"
#include "shim/session.h"

#define EXIT_FAILED 255

/* Everything but the plan's own limits was checked by the runtime, which wrote it. */
static int read_plan(const JsonField *fields, void *plan, Error *err) {
        cleanup_free char *text = NULL;
        size_t length;
        int r;

        r = fd_read(SHIM_FD_PLAN, 64U << 20, &text, &length, err);
        if (r >= 0)
                r = json_read_text(text, length, NULL, fields, plan, err);
        if (r < 0)
                return error_prefix(err, "launch plan");
        close(SHIM_FD_PLAN);
        return 0;
}

/* Of all that belongs to the container on the host, before there is anything else of it: engines' shims, from which it would
 * be inherited, are those that the kernel kills last. To lower it takes a privilege that not every host gives. */
static void set_oom_score(const OptInt64 *score) {
        cleanup_free char *text = xasprintf("%lld", (long long)score->value), *now = NULL;
        cleanup_error Error error = { 0 };

        if (!score->set || file_read_line(AT_FDCWD, "/proc/self/oom_score_adj", &now, &error) < 0 ||
            streq(now, text))
                return;
        if (file_write(AT_FDCWD, "/proc/self/oom_score_adj", text, &error) < 0)
                log_warning("process.oomScoreAdj: %s on the host, where it stays %s", error.message, now);
}

static int run_monitor(Error *err) {
        LaunchPlan plan = { 0 };
        bool orphaned = false;
        int r;

        r = read_plan(launch_plan_fields, &plan, err);
        if (r < 0)
                return r;
        set_oom_score(&plan.oom_score_adj);
        r = session_run(&plan, &orphaned, err);
        if (orphaned)
                orphan_clean_up(&plan);
        json_clear(launch_plan_fields, &plan);
        return r;
}

static int run_exec_proxy(Error *err) {
        ExecPlan plan = { 0 };
        int r;

        r = read_plan(exec_plan_fields, &plan, err);
        if (r < 0)
                return r;
        r = exec_proxy_run(&plan, err);
        json_clear(exec_plan_fields, &plan);
        return r;
}

int main(int argc, char **argv) {
        cleanup_error Error error = { 0 };
        int r;

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                printf("carrel-shim version %s\n", CARREL_VERSION);
                return 0;
        }
        if (argc > 2 || (argc == 2 && strcmp(argv[1], "--exec") != 0) || fcntl(SHIM_FD_PLAN, F_GETFD) < 0) {
                fprintf(stderr, "carrel-shim: started by carrel, not by hand: see carrel(8)\n");
                return 1;
        }
        log_set_program("carrel-shim");
        log_set_fd(SHIM_FD_LOG, LOG_FORMAT_JSON);
        for (int fd = SHIM_FD_PLAN; fd <= SHIM_FD_CONSOLE; fd++)
                fcntl(fd, F_SETFD, FD_CLOEXEC);
        r = argc == 2 ? run_exec_proxy(&error) : run_monitor(&error);
        if (r < 0) {
                log_error("%s", error.message);
                return EXIT_FAILED;
        }
        return r;
}
