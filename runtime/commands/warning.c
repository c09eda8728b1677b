/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/warning.h"

#include <unistd.h>

#include "common/base/log.h"
#include "common/base/str.h"

void show_warnings(char *const *warnings, bool foreground) {
        if (!foreground && !log_has_file() && !isatty(STDERR_FILENO))
                return;
        STRV_FOR_EACH (warning, warnings)
                log_warning("%s", *warning);
}
