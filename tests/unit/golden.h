/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tests whose cases lie in a folder: CASE.json describes one, CASE.txt is what the user gets to see. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/json.h"

/* R below 0 ends the test with what ERR says. */
void must(int r, Error *err);

/* FOLDER/NAME.json, owned by the caller. */
Json *golden_read(const char *folder, const char *name);
/* Whether FOLDER/NAME.txt is TEXT; prints both if not. UPDATE_GOLDEN=1 writes it anew. */
bool golden_same(const char *folder, const char *name, const char *text);
/* Calls DO with the name of every case but "base"; how many there are, and of how many it said false. */
void golden_each(const char *folder, bool (*do_)(const char *name), size_t *ret_cases, size_t *ret_bad);
