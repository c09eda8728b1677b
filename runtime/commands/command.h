/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A command of `carrel`: one file, one entry in the table of main.c. main parses the command's options into a struct
 * of the command's own, calls it, and prints the error it returns, once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/log.h"
#include "runtime/commands/options.h"

/* Options in front of the command. */
typedef struct Globals {
        const char *root;            /* absolute folder of all state */
        const char *log;             /* file; NULL: standard error */
        const char *log_format;      /* as given; NULL: text */
        const char *config;          /* configuration file; NULL: the system's */
        const char *rootless, *criu; /* taken for the sake of runc's callers, without effect */
        bool debug;
        bool systemd_cgroup;
        bool version;
        uint64_t begin_usec; /* now_usec() when the program began: zero of the boot timeline */
} Globals;

typedef struct CommandCall {
        const Globals *globals;
        const void *options; /* struct of the command, filled by its table */
        char **args;         /* positional, within the command's bounds; never NULL */
        size_t n_args;
        int *error_status; /* exit status when the command returns an error; 1 unless it says otherwise */
} CommandCall;

typedef struct Command {
        const char *name;
        const char *args;    /* "ID [SIGNAL]" */
        const char *summary; /* one line */
        const Option *options;
        size_t options_size;
        unsigned min_args, max_args;
        unsigned open_after; /* see Syntax */
        const char *refusal; /* why there is no such command here; NULL: there is */
        bool only_looks;     /* whoever owns --root; what it changes there, it asks for by itself */
        /* Returns the exit status (>= 0), or -err->code. */
        int (*run)(const CommandCall *call, Error *err);
} Command;

extern const Command command_cdi;
extern const Command command_checkpoint;
extern const Command command_config;
extern const Command command_console;
extern const Command command_create;
extern const Command command_delete;
extern const Command command_doctor;
extern const Command command_driver;
extern const Command command_events;
extern const Command command_exec;
extern const Command command_features;
extern const Command command_gpu;
extern const Command command_kill;
extern const Command command_list;
extern const Command command_pause;
extern const Command command_plan;
extern const Command command_ps;
extern const Command command_restore;
extern const Command command_resume;
extern const Command command_run;
extern const Command command_spec;
extern const Command command_start;
extern const Command command_state;
extern const Command command_trace;
extern const Command command_update;
