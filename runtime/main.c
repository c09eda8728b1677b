/* SPDX-License-Identifier: Apache-2.0 */

/* The command line: options in front of the command, the table of commands, and the one place that prints errors. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <config.h> /* the build's; "config.h" would be runtime/config.h */

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/commands/command.h"
#include "runtime/host/caller.h"

static const Command *const commands[] = {
        &command_cdi,      &command_checkpoint, &command_config,  &command_console, &command_create,
        &command_delete,   &command_doctor,     &command_driver,  &command_events,  &command_exec,
        &command_features, &command_gpu,        &command_kill,    &command_list,    &command_pause,
        &command_plan,     &command_ps,         &command_restore, &command_resume,  &command_run,
        &command_spec,     &command_start,      &command_state,   &command_trace,   &command_update,
};

static const Option global_options[] = {
        { OPTION_FIELD(Globals, root, "root", 0, OPTION_STRING), "DIR",
          "Folder of the containers' state (/run/carrel; of users: $XDG_RUNTIME_DIR/carrel)" },
        { OPTION_FIELD(Globals, config, "config", 0, OPTION_STRING), "FILE",
          "Configuration instead of the system's" },
        { OPTION_FIELD(Globals, log, "log", 0, OPTION_STRING), "FILE", "Append messages to FILE" },
        { OPTION_FIELD(Globals, log_format, "log-format", 0, OPTION_STRING), "FORMAT",
          "text (default) or json" },
        { OPTION_FIELD(Globals, debug, "debug", 0, OPTION_FLAG), NULL,
          "Log more, and show the guest kernel's messages on its console" },
        { OPTION_FIELD(Globals, systemd_cgroup, "systemd-cgroup", 0, OPTION_FLAG), NULL,
          "Let systemd make the cgroup; cgroupsPath is slice:prefix:name" },
        { OPTION_FIELD(Globals, rootless, "rootless", 0, OPTION_STRING), "VALUE",
          "Accepted for compatibility, without effect" },
        { OPTION_FIELD(Globals, criu, "criu", 0, OPTION_STRING), "PATH",
          "Accepted for compatibility, without effect" },
        { OPTION_FIELD(Globals, version, "version", 'v', OPTION_FLAG), NULL, "Show the version" },
        {},
};

static const Syntax global_syntax = {
        .program = "carrel",
        .args = "COMMAND [ARG...]",
        .summary = "Runs OCI containers, each in a virtual machine of its own.",
        .options = global_options,
        .max_args = ARGS_ANY,
        .open_after = 1,
};

static void print_version(void) {
        printf("carrel version %s\ncommit: %s\nspec: 1.2.0\n", CARREL_VERSION, CARREL_COMMIT);
}

static void print_help(void) {
        options_print_help(&global_syntax);
        printf("\nCommands:\n");
        for (size_t i = 0; i < ELEMENTS_OF(commands); i++)
                printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
        printf("\n\"carrel COMMAND --help\" explains a command, carrel(8) all of them.\n");
}

static int open_log(const Globals *globals, Error *err) {
        LogFormat format = LOG_FORMAT_TEXT;

        if (streq(globals->log_format, "json"))
                format = LOG_FORMAT_JSON;
        else if (globals->log_format && !streq(globals->log_format, "text"))
                return error_set(err, EINVAL, "--log-format: expected text or json, found \"%s\"",
                                 globals->log_format);
        /* Some engines take the whole JSON log for the one object that says why a command failed. */
        log_set_level(globals->debug ? LOG_DEBUG : format == LOG_FORMAT_JSON ? LOG_ERROR : LOG_WARNING);
        if (globals->log && *globals->log)
                return log_open(globals->log, format, err);
        log_set_fd(STDERR_FILENO, format);
        return 0;
}

/* Where the state is, as an absolute path: a relative one begins in the working directory. *RET is owned by the caller. */
static int find_root(const char *given, char **ret, Error *err) {
        cleanup_free char *here = NULL, *path = NULL;

        if (!given) {
                *ret = caller_default_root();
                return 0;
        }
        if (!*given)
                return error_set(err, EINVAL, "--root: expected a folder, found \"\"");
        here = *given == '/' ? xstrdup("/") : getcwd(NULL, 0);
        if (!here)
                return error_errno(err, "--root %s: the working directory", given);
        path = path_join(here, given);
        *ret = path_normalize(path);
        return 0;
}

static int run_command(const Command *command, const Globals *globals, char **argv, int *error_status,
                       Error *err) {
        cleanup_free char *program = xasprintf("carrel %s", command->name);
        cleanup_free void *options = xcalloc(1, command->options_size + 1);
        cleanup_strv char **args = NULL;
        char *none[] = { NULL };
        Syntax syntax = {
                .program = program,
                .name = command->name,
                .args = command->args,
                .summary = command->summary,
                .options = command->options,
                .min_args = command->min_args,
                .max_args = command->max_args,
                .open_after = command->open_after,
        };
        CommandCall call = { .globals = globals, .options = options, .error_status = error_status };
        int r;

        /* whatever its options are */
        if (command->refusal && !strv_contains(argv, "--help") && !strv_contains(argv, "-h"))
                return error_set(err, ENOTSUP, "%s: %s", command->name, command->refusal);
        r = options_parse(&syntax, (int)strv_length(argv), argv, options, &args, err);
        if (r < 0)
                return r;
        if (r == OPTIONS_HELP) {
                options_print_help(&syntax);
                return 0;
        }
        call.args = args ? args : none;
        call.n_args = strv_length(args);
        r = command->run(&call, err);
        options_clear(command->options, options);
        return r;
}

static const Command *find_command(const char *name, Error *err) {
        for (size_t i = 0; i < ELEMENTS_OF(commands); i++)
                if (streq(commands[i]->name, name))
                        return commands[i];
        error_set(err, EINVAL, "unknown command \"%s\"; see \"carrel --help\"", name);
        return NULL;
}

static void report(const Error *error) {
        log_error("%s", error->message);
        /* conmon shows standard error, containerd reads the log: both get it */
        if (log_has_file())
                dprintf(STDERR_FILENO, "carrel: %s\n", error->message);
}

static int run_main(int argc, char **argv, int *error_status, Error *err) {
        Globals globals = { .begin_usec = now_usec() };
        cleanup_strv char **args = NULL;
        cleanup_free char *root = NULL;
        const Command *command;
        int r;

        r = options_parse(&global_syntax, argc, argv, &globals, &args, err);
        if (r < 0)
                return r;
        if (r == OPTIONS_HELP || (!args && !globals.version) || (args && streq(args[0], "help"))) {
                print_help();
                return 0;
        }
        if (globals.version) {
                print_version();
                return 0;
        }
        r = open_log(&globals, err);
        if (r < 0)
                return r;
        command = find_command(args[0], err);
        if (!command)
                return -err->code;
        r = find_root(globals.root, &root, err);
        if (r < 0)
                return r;
        globals.root = root;
        if (!command->only_looks || !caller_look().rootless)
                r = caller_act_for_owner(globals.root, err);
        if (r < 0)
                return r;
        return run_command(command, &globals, args, error_status, err);
}

/* 0, 1 and 2 are handed to containers: nothing that is opened here may land there. */
static bool fill_standard_descriptors(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd < 0)
                return false;
        close(fd);
        return true;
}

int main(int argc, char **argv) {
        cleanup_error Error error = { 0 };
        int failure = 1, status;

        if (!fill_standard_descriptors())
                return failure;
        log_set_program("carrel");
        status = run_main(argc, argv, &failure, &error);
        if (status < 0) {
                report(&error);
                return failure;
        }
        if (fflush(stdout) != 0) {
                error_errno(&error, "standard output");
                report(&error);
                return failure;
        }
        return status;
}
