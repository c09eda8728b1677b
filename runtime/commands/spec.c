/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/path.h"
#include "runtime/commands/command.h"

typedef struct Options {
        const char *bundle;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, bundle, "bundle", 'b', OPTION_STRING), "DIR",
          "Write it to this folder (default: the current one)" },
        {},
};

/* What a container gets that asks for nothing in particular: its own namespaces, few capabilities, no secrets of the
 * kernel. Inside a virtual machine that is the second wall, not the first. */
static const char default_config[] =
#include "runtime/commands/default-config.inc"
        ;

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup_free char *path = path_join(given->bundle ? given->bundle : ".", "config.json");
        cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

        if (fd < 0 && errno == EEXIST)
                return error_set(err, EEXIST, "File config.json exists. Remove it first");
        if (fd < 0)
                return error_errno(err, "%s", path);
        return fd_write_all(fd, default_config, strlen(default_config), err);
}

const Command command_spec = {
        .name = "spec",
        .only_looks = true,
        .summary = "Write a config.json to start from",
        .options = options,
        .options_size = sizeof(Options),
        .run = run,
};
