/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/table.h"

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"

#define WIDTH_MIN  12U /* of a column, with the gap behind it */
#define COLUMN_GAP 3U

void table_add(Table *table, char **row) {
        table->rows = xreallocarray(table->rows, table->n_rows + 1, sizeof(*table->rows));
        table->rows[table->n_rows++] = row;
}

static size_t width_of(const Table *table, size_t column) {
        size_t widest = WIDTH_MIN;

        for (size_t i = 0; i < table->n_rows; i++) {
                size_t width = strlen(table->rows[i][column]) + COLUMN_GAP;

                if (width > widest)
                        widest = width;
        }
        return widest;
}

char *table_to_text(const Table *table) {
        size_t columns = table->n_rows > 0 ? strv_length(table->rows[0]) : 0;
        cleanup_free size_t *widths = xnew(size_t, columns + 1);
        StrBuf b = { 0 };

        for (size_t column = 0; column < columns; column++)
                widths[column] = width_of(table, column);
        for (size_t i = 0; i < table->n_rows; i++) {
                for (size_t column = 0; column + 1 < columns; column++)
                        strbuf_printf(&b, "%-*s", (int)widths[column], table->rows[i][column]);
                strbuf_printf(&b, "%s\n", table->rows[i][columns - 1]);
        }
        return strbuf_take(&b);
}

void table_print(const Table *table) {
        cleanup_free char *text = table_to_text(table);

        fputs(text, stdout);
}

void table_done(Table *table) {
        for (size_t i = 0; i < table->n_rows; i++)
                strv_free(table->rows[i]);
        free(table->rows);
        *table = (Table){ 0 };
}
