/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Comparing kernel releases as uname(2) has them: "6.1.0-18-amd64", "6.12-rc1". */

#include <stdbool.h>
#include <stdlib.h>

static inline bool kernel_release_at_least(const char *release, unsigned long major, unsigned long minor) {
        char *end;
        unsigned long has_major = strtoul(release, &end, 10),
                      has_minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

        return has_major > major || (has_major == major && has_minor >= minor);
}
