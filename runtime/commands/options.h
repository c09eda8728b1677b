/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Options of a command line by table. One table fills a struct, makes the text of --help, and is what the completion
 * and the man page are checked against. Parsing is argp's; every table has --help (-h) without naming it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

typedef enum OptionKind {
        OPTION_FLAG,   /* bool */
        OPTION_STRING, /* const char *, borrowed from argv; the last one counts */
        OPTION_LIST,   /* char ** (Strv), every one counts; freed by options_clear() */
        OPTION_NUMBER, /* uint32_t */
        _OPTION_KIND_MAX,
} OptionKind;

typedef struct Option {
        const char *name; /* long name without dashes; NULL ends a table */
        char letter;      /* 0: none */
        OptionKind kind;
        size_t offset;
        const char *value; /* what the help calls its value; NULL for flags */
        const char *help;  /* one line */
} Option;

#define OPTION_FIELD(type, member, name_, letter_, kind_)                                                    \
        .name = (name_), .letter = (letter_), .kind = (kind_), .offset = offsetof(type, member)

#define ARGS_ANY 4096U

/* A command line's shape. */
typedef struct Syntax {
        const char *program; /* "carrel create" */
        const char *name;    /* "create": in front of messages; NULL: nothing */
        const char *args;    /* "ID [SIGNAL]"; NULL: none */
        const char *summary; /* shown above the options; may have more lines */
        const Option *options;
        unsigned min_args, max_args;
        unsigned
                open_after; /* what follows the n-th argument is taken as it is; 0: options may stand anywhere */
} Syntax;

typedef enum OptionsResult {
        OPTIONS_OK,
        OPTIONS_HELP, /* --help was given; nothing else was checked */
} OptionsResult;

/* ARGV[0] is skipped. *object is zeroed by the caller; *ret_args (Strv) is owned by the caller. Returns an
 * OptionsResult, or EINVAL with a line that says what is wrong. */
int options_parse(const Syntax *syntax, int argc, char **argv, void *object, char ***ret_args, Error *err);

/* Frees what the table owns in *object. */
void options_clear(const Option *options, void *object);

/* The text of --help on standard output. */
void options_print_help(const Syntax *syntax);
