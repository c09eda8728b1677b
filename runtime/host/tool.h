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

/* Runs it to its end. ENOENT if it is not installed, EIO with the last line of what it said if it fails. */
int tool_run(const Tool *tool, Error *err);
