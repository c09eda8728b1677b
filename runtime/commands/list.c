/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/commands/container.h"

#define COLUMNS    6U
#define WIDTH_MIN  12U /* of a column, with the gap behind it */
#define COLUMN_GAP 3U

typedef struct Options {
        const char *format;
        bool quiet;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, format, "format", 'f', OPTION_STRING), "FORMAT", "table (default) or json" },
        { OPTION_FIELD(Options, quiet, "quiet", 'q', OPTION_FLAG), NULL, "Show only ids" },
        {},
};

typedef struct Row {
        char *cells[COLUMNS];
} Row;

static void add_row(Row **rows, size_t *n, Row row) {
        *rows = xreallocarray(*rows, *n + 1, sizeof(**rows));
        (*rows)[(*n)++] = row;
}

static void print_table(const Row *rows, size_t n) {
        size_t widths[COLUMNS];

        for (size_t column = 0; column < COLUMNS; column++) {
                widths[column] = WIDTH_MIN;
                for (size_t i = 0; i < n; i++) {
                        size_t width = strlen(rows[i].cells[column]) + COLUMN_GAP;

                        if (width > widths[column])
                                widths[column] = width;
                }
        }
        for (size_t i = 0; i < n; i++) {
                for (size_t column = 0; column + 1 < COLUMNS; column++)
                        printf("%-*s", (int)widths[column], rows[i].cells[column]);
                printf("%s\n", rows[i].cells[COLUMNS - 1]);
        }
}

static Row make_row(const Container *container) {
        const Record *record = container->record;
        bool stopped = container->status == OCI_STOPPED;

        return (Row){ {
                xstrdup(record->id),
                xasprintf("%lld", stopped ? 0LL : (long long)record->pid),
                xstrdup(oci_status_name(container->status)),
                xstrdup(record->bundle),
                xstrdup(record->created ? record->created : ""),
                xstrdup(record->owner ? record->owner : ""),
        } };
}

static void show_table(Container *const *containers, size_t n) {
        static const char *const titles[COLUMNS] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
        Row *rows = NULL, head;
        size_t n_rows = 0;

        for (size_t i = 0; i < COLUMNS; i++)
                head.cells[i] = xstrdup(titles[i]);
        add_row(&rows, &n_rows, head);
        for (size_t i = 0; i < n; i++)
                add_row(&rows, &n_rows, make_row(containers[i]));
        print_table(rows, n_rows);
        for (size_t i = 0; i < n_rows; i++)
                for (size_t column = 0; column < COLUMNS; column++)
                        free(rows[i].cells[column]);
        free(rows);
}

static void show_json(Container *const *containers, size_t n) {
        JsonWriter w = { 0 };
        cleanup_free char *text = NULL;

        if (n == 0) {
                printf("null\n");
                return;
        }
        json_begin_array(&w);
        for (size_t i = 0; i < n; i++) {
                cleanup_free char *state = container_state_text(containers[i], false);
                cleanup_error Error ignored = { 0 };
                cleanup_json Json *tree = NULL;

                if (json_parse(state, strlen(state), NULL, &tree, &ignored) >= 0)
                        json_write_tree(&w, tree);
        }
        json_end_array(&w);
        text = strbuf_take(&w.out);
        printf("%s\n", text);
}

/* What goes away or is being made while we look is left out. */
static Container **open_all(const Globals *globals, char *const *ids, size_t *ret_n) {
        Container **containers = xnew(Container *, strv_length(ids) + 1);
        size_t n = 0;

        STRV_FOR_EACH (id, ids) {
                cleanup_error Error ignored = { 0 };

                if (container_open(globals, *id, &containers[n], &ignored) >= 0)
                        n++;
                else if (ignored.code != ENOENT)
                        log_warning("%s", ignored.message);
        }
        *ret_n = n;
        return containers;
}

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup_strv char **ids = NULL;
        Container **containers;
        size_t n;
        int r;

        if (given->format && !streq(given->format, "table") && !streq(given->format, "json"))
                return error_set(err, EINVAL, "invalid format option");
        r = store_list(call->globals->root, &ids, err);
        if (r < 0)
                return r;
        containers = open_all(call->globals, ids, &n);
        if (given->quiet)
                for (size_t i = 0; i < n; i++)
                        printf("%s\n", containers[i]->record->id);
        else if (streq(given->format, "json"))
                show_json(containers, n);
        else
                show_table(containers, n);
        for (size_t i = 0; i < n; i++)
                container_free(containers[i]);
        free(containers);
        return 0;
}

const Command command_list = {
        .name = "list",
        .summary = "List the containers below --root",
        .options = options,
        .options_size = sizeof(Options),
        .run = run,
};
