/* SPDX-License-Identifier: Apache-2.0 */

/* create, start, wait, delete in one: for people, and for engines that wait themselves. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/commands/creation.h"
#include "runtime/commands/foreground.h"
#include "runtime/commands/timeline.h"
#include "runtime/commands/warning.h"

typedef struct Options {
        CreateOptions create;
        bool detach, keep, no_subreaper, trace;
} Options;

static const Option options[] = {
        CREATE_OPTIONS(Options, create),
        { OPTION_FIELD(Options, detach, "detach", 'd', OPTION_FLAG), NULL, "Return when the program runs" },
        { OPTION_FIELD(Options, keep, "keep", 0, OPTION_FLAG), NULL,
          "Do not delete the container when it has stopped" },
        { OPTION_FIELD(Options, no_subreaper, "no-subreaper", 0, OPTION_FLAG), NULL,
          "Accepted for compatibility, without effect" },
        { OPTION_FIELD(Options, trace, "trace", 0, OPTION_FLAG), NULL,
          "Show the boot timeline on standard error at the end" },
        {},
};

/* As a shell has it: the program is not there, or may not be run. */
static int error_status(int r) {
        return r == -ENOENT ? 127 : r == -EACCES ? 126 : 1;
}

/* The agent's words for a program; anything else that is missing is no program. */
static bool is_about_program(const Error *err) {
        return strncmp(err->message, "exec: ", strlen("exec: ")) == 0;
}

/* Until the container has ended; its exit status. */
static int start_and_wait(const CommandCall *call, Created *made, Error *err) {
        cleanup(foreground_freep) Foreground *foreground = NULL;
        int r;

        r = foreground_new(&made->shim, made->terminal.master, &foreground, err);
        if (r >= 0)
                r = container_start(made->container, err);
        if (r < 0) {
                *call->error_status = error_status(r);
                shim_kill(&made->shim);
                return r;
        }
        store_unlock(made->container->entry);
        return foreground_wait(foreground, err);
}

/* What the shim has to say about a container that did not end by itself; or that somebody has killed the shim. */
static void tell_end(const CommandCall *call, const ShimStatus *shim, int status, Error *err) {
        if (shim->error)
                error_set(err, EIO, "%s", shim->error);
        else if (status > 128 && shim->timeline.stopped == 0)
                error_set(err, ECONNRESET, "carrel-shim ended unexpectedly");
        if (err->code)
                *call->error_status = status;
}

static void tell_of_memory(const Container *container) {
        cleanup_strv char **warnings = NULL;

        strv_append(&warnings, "the container was killed for lack of memory (linux.resources.memory.limit)");
        show_warnings(warnings, true);
        keep_warnings(warnings, container->entry->dir);
}

static int run_foreground(const CommandCall *call, Created *made, Error *err) {
        const Options *given = call->options;
        Container *container = made->container;
        cleanup_error Error failed = { 0 };
        int status;

        status = start_and_wait(call, made, err);
        if (container_lock(container, &failed) < 0)
                return err->code ? -err->code : status; /* somebody else has deleted it */
        if (given->trace)
                timeline_print(&container->shim, stderr);
        if (status >= 0)
                tell_end(call, &container->shim, status, err);
        if (status == 128 + SIGKILL && container->shim.oom_killed && !err->code)
                tell_of_memory(container);
        if (!given->keep && container_destroy(container, false, &failed) < 0 && !err->code)
                error_move(err, &failed);
        return err->code ? -err->code : status;
}

static bool is_bundle(const char *path) {
        cleanup_free char *config = path_join(path, "config.json");

        return access(config, F_OK) == 0;
}

static char *random_id(void) {
        uint32_t n = 0;

        if (getrandom(&n, sizeof(n), 0) < 0)
                n = (uint32_t)now_usec();
        return xasprintf("carrel-%08x", n);
}

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        CreateOptions create = given->create;
        cleanup_free char *id = NULL;
        cleanup_created Created made = CREATED_NONE;
        ContainerRequest request = {
                .globals = call->globals,
                .options = &create,
                .foreground = !given->detach,
                .show_warnings = true,
        };
        int r;

        if (!create.bundle && is_bundle(call->args[0])) {
                create.bundle = call->args[0];
                id = random_id();
        } else {
                id = xstrdup(call->args[0]);
        }
        request.id = id;
        r = container_create(&request, &made, err);
        if (r < 0) {
                if (!given->detach && is_about_program(err))
                        *call->error_status = error_status(r);
                return r;
        }
        if (!given->detach)
                return run_foreground(call, &made, err);
        r = container_start(made.container, err);
        if (r < 0) {
                cleanup_error Error failed = { 0 };

                shim_kill(&made.shim);
                container_destroy(made.container, true, &failed);
        }
        return r;
}

const Command command_run = {
        .name = "run",
        .args = "ID|DIR",
        .summary = "Create and start a container, wait for it and delete it; DIR is a bundle to run under an "
                   "id made up "
                   "for it",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
