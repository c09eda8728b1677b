/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The journal: what of a container outlives the shim (cgroups, filters, later bound devices), written down before
 * it is made, so that whoever comes next can undo it, whatever was killed when. One JSON object a line; replayed from
 * the last to the first. The state folder needs no entry: it is what the journal lies in, and goes when all else has.
 */

#include "common/base/error.h"
#include "common/base/json.h"

typedef struct JournalKind {
        const char *name; /* NULL ends a table */
        /* Undoes one entry. What is not there (any more) is no error. */
        int (*release)(const Json *entry, Error *err);
} JournalKind;

/* Adds an entry before the act: ENTRY, an object, gets "kind" and is taken over. DIR is the state folder. */
int journal_add(int dir, const char *kind, Json *entry, Error *err);
/* Adds {"kind": KIND, "path": PATH} for each of the paths, in one go. */
int journal_add_paths(int dir, const char *kind, char *const *paths, Error *err);

/* Undoes all entries, last first, and goes on after a failure; the first failure is returned. A line cut short by a
 * crash was not acted upon and is skipped. No journal: nothing to do. */
int journal_replay(int dir, const JournalKind *kinds, Error *err);
