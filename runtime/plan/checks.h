/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What of the specification a virtual machine cannot honour, or honours in another way. docs/spec-support.md is
 * printed from these tables. */

#include "common/base/str.h"

typedef enum Verdict {
        VERDICT_NOTE,   /* done in another way, to the same effect */
        VERDICT_WARN,   /* the container runs without it */
        VERDICT_REFUSE, /* the container is not made */
        _VERDICT_MAX,
} Verdict;

/* Both append lines of a table in Markdown: key, verdict, reason. */
void checks_describe(StrBuf *out); /* checks.c */
void mounts_describe(StrBuf *out); /* mounts.c */

const char *verdict_name(Verdict v); /* "refused" */
