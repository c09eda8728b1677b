/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

/* argp's key of an option without a letter: above all characters. */
#define KEY_BASE 0x1000
#define KEY_HELP 'h'

typedef struct Parse {
        const Syntax *syntax;
        char *object;
        char **args;
        bool help;
        Error *err;
} Parse;

static const Option no_options[] = { {} };

static const Option *options_of(const Syntax *syntax) {
        return syntax->options ? syntax->options : no_options;
}

static int key_of(const Option *options, size_t i) {
        return options[i].letter ? options[i].letter : KEY_BASE + (int)i;
}

static int set_number(Parse *parse, const Option *option, const char *arg) {
        uint64_t n;

        if (!str_to_u64(arg, 10, UINT32_MAX, &n))
                return error_set(parse->err, EINVAL, "--%s: expected a number, found \"%s\"", option->name,
                                 arg);
        *(uint32_t *)(void *)(parse->object + option->offset) = (uint32_t)n;
        return 0;
}

static int set_option(Parse *parse, const Option *option, const char *arg) {
        void *field = parse->object + option->offset;

        switch (option->kind) {
        case OPTION_FLAG:
                *(bool *)field = true;
                return 0;
        case OPTION_STRING:
                *(const char **)field = arg;
                return 0;
        case OPTION_LIST:
                strv_append(field, arg);
                return 0;
        case OPTION_NUMBER:
                return set_number(parse, option, arg);
        case _OPTION_KIND_MAX:
        default:
                return 0;
        }
}

static void take_argument(Parse *parse, const char *arg, struct argp_state *state) {
        strv_append(&parse->args, arg);
        if (parse->syntax->open_after == 0 || strv_length(parse->args) != parse->syntax->open_after)
                return;
        if (state->next < state->argc && strcmp(state->argv[state->next], "--") == 0)
                state->next++;
        for (; state->next < state->argc; state->next++)
                strv_append(&parse->args, state->argv[state->next]);
}

/* argp has no words for a mistake when it must not print them; what it stumbled over stands before state->next. */
static void explain(Parse *parse, const struct argp_state *state) {
        const char *word = state->next > 0 ? state->argv[state->next - 1] : "";
        const char *name = str_after(word, "--");
        size_t length = name ? strcspn(name, "=") : 0;

        if (parse->err->code)
                return;
        for (const Option *o = options_of(parse->syntax); o->name; o++) {
                bool named = name ? strncmp(o->name, name, length) == 0 && !o->name[length]
                                  : word[0] == '-' && word[1] == o->letter && !word[2];

                if (!named)
                        continue;
                error_set(parse->err, EINVAL, "option \"%.*s\" %s", (int)(name ? length + 2 : 2), word,
                          o->kind == OPTION_FLAG ? "takes no value" : "needs a value");
                return;
        }
        error_set(parse->err, EINVAL, "unknown option \"%s\"; see \"%s --help\"", word,
                  parse->syntax->program);
}

static error_t on_key(int key, char *arg, struct argp_state *state) {
        Parse *parse = state->input;
        const Option *options = options_of(parse->syntax);

        if (key == ARGP_KEY_ARG) {
                take_argument(parse, arg, state);
                return 0;
        }
        if (key == ARGP_KEY_ERROR) {
                explain(parse, state);
                return 0;
        }
        if (key == KEY_HELP) {
                parse->help = true;
                return 0;
        }
        for (size_t i = 0; options[i].name; i++)
                if (key == key_of(options, i))
                        return -set_option(parse, &options[i], arg);
        return ARGP_ERR_UNKNOWN;
}

static struct argp_option *argp_table(const Syntax *syntax) {
        const Option *options = options_of(syntax);
        struct argp_option *table;
        size_t n = 0;

        while (options[n].name)
                n++;
        table = xnew(struct argp_option, n + 2);
        for (size_t i = 0; i < n; i++)
                table[i] = (struct argp_option){
                        .name = options[i].name,
                        .key = key_of(options, i),
                        .arg = options[i].value,
                        .doc = options[i].help,
                };
        table[n] = (struct argp_option){
                .name = "help",
                .key = KEY_HELP,
                .doc = "Show this help",
                .group = -1,
        };
        return table;
}

static int check_count(const Syntax *syntax, size_t count, Error *err) {
        const char *expected = syntax->args ? syntax->args : "no arguments";

        if (count < syntax->min_args)
                return error_set(err, EINVAL, "too few arguments: expected %s; see \"%s --help\"", expected,
                                 syntax->program);
        if (count > syntax->max_args)
                return error_set(err, EINVAL, "too many arguments: expected %s; see \"%s --help\"", expected,
                                 syntax->program);
        return 0;
}

int options_parse(const Syntax *syntax, int argc, char **argv, void *object, char ***ret_args, Error *err) {
        cleanup_free struct argp_option *table = argp_table(syntax);
        struct argp argp = { .options = table, .parser = on_key };
        Parse parse = { .syntax = syntax, .object = object, .err = err };
        int r;

        r = argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP | ARGP_NO_EXIT | ARGP_NO_ERRS, NULL,
                       &parse);
        if (parse.help)
                error_clear(err);
        else if (r != 0 && !err->code)
                error_set(err, r, "bad command line");
        else if (r == 0)
                check_count(syntax, strv_length(parse.args), err);
        if (err->code) {
                strv_free(parse.args);
                options_clear(syntax->options, object);
                return syntax->name ? error_prefix(err, "%s", syntax->name) : -err->code;
        }
        *ret_args = parse.args;
        return parse.help ? OPTIONS_HELP : OPTIONS_OK;
}

void options_clear(const Option *options, void *object) {
        for (const Option *o = options; o && o->name; o++)
                if (o->kind == OPTION_LIST) {
                        char ***list = (char ***)(void *)((char *)object + o->offset);

                        *list = strv_free(*list);
                }
}

void options_print_help(const Syntax *syntax) {
        cleanup_free struct argp_option *table = argp_table(syntax);
        struct argp argp = {
                .options = table,
                .parser = on_key,
                .args_doc = syntax->args,
                .doc = syntax->summary,
        };
        char *name = xstrdup(syntax->program);

        /* argp's note that "-b DIR" is as good as "--bundle=DIR" is no news */
        setenv("ARGP_HELP_FMT", "no-dup-args-note", 0);
        argp_help(&argp, stdout, ARGP_HELP_USAGE | ARGP_HELP_PRE_DOC | ARGP_HELP_LONG | ARGP_HELP_POST_DOC,
                  name);
        free(name);
}
