/* SPDX-License-Identifier: Apache-2.0 */

/* Prints what documents repeat of the program's tables: `documents support` for docs/spec-support.md, `documents keys`
 * for carrel-config(5), `documents example` for data/config.json, `documents gpu` for docs/gpu.md. tests/golden/run
 * compares and, if asked to, writes. */

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/config.h"
#include "runtime/gpu/diagnose.h"
#include "runtime/gpu/leftovers.h"
#include "runtime/plan/checks.h"

static void print_support(StrBuf *out) {
        strbuf_puts(out, "| setting | | why |\n|---|---|---|\n");
        checks_describe(out);
        gpu_leftovers_describe(out, verdict_name(VERDICT_NOTE));
        mounts_describe(out);
}

/* scdoc takes * and _ for emphasis. */
static void print_escaped(StrBuf *out, const char *text) {
        for (; *text; text++) {
                if (strchr("*_\\", *text))
                        strbuf_putc(out, '\\');
                strbuf_putc(out, *text);
        }
}

static const char *kind_words(JsonKind kind) {
        switch ((int)kind) {
        case JSON_KIND_STRV:
                return "array of strings";
        case JSON_KIND_STRING:
                return "string";
        case JSON_KIND_BOOL:
                return "true or false";
        default:
                return "number";
        }
}

static void print_keys(StrBuf *out) {
        for (const JsonField *field = runtime_config_fields; field->key; field++) {
                strbuf_printf(out, "%s*%s* (%s)\n\t", field == runtime_config_fields ? "" : "\n", field->key,
                              kind_words(field->kind));
                print_escaped(out, field->doc);
                strbuf_putc(out, '\n');
        }
}

/* The defaults, each key behind a comment sign. */
static void print_example(StrBuf *out) {
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        cleanup_free char *text = runtime_config_to_text(config, true);

        strbuf_puts(
                out,
                "// Configuration of carrel; see carrel-config(5). What stands here are the defaults: take a "
                "line out of its\n"
                "// comment to change it. Keys are separated by commas; the last one has none behind it.\n");
        for (char *line = text, *end; *line; line = end + 1) {
                const char *rest;

                end = strchr(line, '\n');
                *end = '\0';
                rest = str_after(line, "  \"");
                if (rest)
                        strbuf_printf(out, "  // \"%s\n", rest);
                else
                        strbuf_printf(out, "%s\n", line);
        }
}

int main(int argc, char **argv) {
        StrBuf out = { 0 };
        cleanup_free char *text = NULL;

        if (argc == 2 && streq(argv[1], "support"))
                print_support(&out);
        else if (argc == 2 && streq(argv[1], "keys"))
                print_keys(&out);
        else if (argc == 2 && streq(argv[1], "example"))
                print_example(&out);
        else if (argc == 2 && streq(argv[1], "gpu"))
                gpu_codes_describe(&out);
        else
                return 2;
        text = strbuf_take(&out);
        fputs(text, stdout);
        return 0;
}
