/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Programs of the host that do a job for us and end. */

#include <stdbool.h>

#include "common/base/error.h"

typedef struct Tool {
        char *const *argv;
        const char *package; /* that has it, for the error; NULL: none is known */
        bool show;           /* its output goes to our standard error */
} Tool;

/* A program of ours that is not on PATH: installed beside the others, or, for a carrel in a build folder (.../runtime/carrel),
 * .../FOLDER/NAME. Owned by the caller; it need not exist. */
char *tool_of_ours(const char *folder, const char *name);

/* Runs it to its end. ENOENT if it is not installed, EIO with the last line of what it said if it fails. */
int tool_run(const Tool *tool, Error *err);
