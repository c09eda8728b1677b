/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tables for people: columns as wide as they have to be, the first row is the heading. */

#include <stddef.h>

#include "common/base/str.h"

typedef struct Table {
        char ***rows; /* Strv each, all of the same length */
        size_t n_rows;
} Table;

/* Takes ROW over. */
void table_add(Table *table, char **row);
char *table_to_text(const Table *table); /* owned by the caller */
void table_print(const Table *table);
void table_done(Table *table);
#define cleanup_table cleanup(table_done)
