/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "common/oci/names.h"
#include "runtime/commands/container.h"

typedef struct Options {
        bool all;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, all, "all", 'a', OPTION_FLAG), NULL,
          "Signal every process of the container" },
        {},
};

static int parse_signal(const char *text, Error *err) {
        uint64_t n;
        int signal_ = oci_signal_number(text);

        if (signal_ >= 0)
                return signal_;
        if (str_to_u64(text, 10, UINT64_MAX, &n))
                return error_set(err, EINVAL, "unable to signal init: invalid argument");
        return error_set(err, EINVAL, "unknown signal \"%s\"", text);
}

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup(container_freep) Container *container = NULL;
        int signal_ = SIGTERM, r;

        r = container_open(call->globals, call->args[0], &container, err);
        if (r >= 0 && call->n_args > 1)
                r = signal_ = parse_signal(call->args[1], err);
        if (r >= 0)
                r = oci_check_operation(container->status, given->all ? OCI_KILL_ALL : OCI_KILL,
                                        call->args[0], err);
        if (r < 0)
                return r;
        /* nothing outlives a container's virtual machine */
        if (container->status == OCI_STOPPED)
                return 0;
        return container_kill(container, signal_, given->all, err);
}

const Command command_kill = {
        .name = "kill",
        .args = "ID [SIGNAL]",
        .summary = "Send a signal (default: SIGTERM) to a container's program",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = 2,
        .run = run,
};
