/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/warning.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/protocol/message.h"
#include "runtime/store/record.h"

#define GUEST_WARNINGS_MAX 16U
#define GUEST_WARNING_MAX  1024U /* bytes */

void show_warnings(char *const *warnings, bool foreground) {
        if (!foreground && !log_has_file() && !isatty(STDERR_FILENO))
                return;
        STRV_FOR_EACH (warning, warnings)
                if (log_takes(LOG_WARNING))
                        log_warning("%s", *warning);
                else if (
                        foreground) /* the log is an engine's, in which a line says that the command failed */
                        dprintf(STDERR_FILENO, "carrel: warning: %s\n", *warning);
}

void keep_warnings(char *const *warnings, int dir) {
        cleanup_close int fd = -1;

        if (warnings && *warnings)
                fd = record_open_log(dir);
        STRV_FOR_EACH (warning, warnings)
                if (fd >= 0)
                        log_write_to(fd, LOG_WARNING, *warning);
}

char **warnings_of_guest(const Frame *reply) {
        cleanup_error Error ignored = { 0 };
        CreateReply answer = { 0 };
        char **warnings = NULL;

        if (message_read(reply, create_reply_fields, &answer, &ignored) < 0)
                return NULL;
        for (size_t i = 0; answer.warnings && answer.warnings[i] && i < GUEST_WARNINGS_MAX; i++)
                strv_take(&warnings,
                          str_printable(answer.warnings[i], strlen(answer.warnings[i]), GUEST_WARNING_MAX));
        json_clear(create_reply_fields, &answer);
        return warnings;
}
