/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/commands/container.h"
#include "runtime/commands/table.h"

typedef struct Options {
        const char *format;
        bool quiet;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, format, "format", 'f', OPTION_STRING), "FORMAT", "table (default) or json" },
        { OPTION_FIELD(Options, quiet, "quiet", 'q', OPTION_FLAG), NULL, "Show only ids" },
        {},
};

static char **make_row(const Container *container) {
        const Record *record = container->record;
        bool stopped = container->status == OCI_STOPPED;
        char **row = NULL;

        strv_append(&row, record->id);
        strv_printf(&row, "%lld", stopped ? 0LL : (long long)record->pid);
        strv_append(&row, oci_status_name(container->status));
        strv_append(&row, record->bundle);
        strv_append(&row, record->created ? record->created : "");
        strv_append(&row, record->owner ? record->owner : "");
        return row;
}

static void show_table(Container *const *containers, size_t n) {
        cleanup_table Table table = { 0 };

        table_add(&table, strv_split("ID PID STATUS BUNDLE CREATED OWNER", " "));
        for (size_t i = 0; i < n; i++)
                table_add(&table, make_row(containers[i]));
        table_print(&table);
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
