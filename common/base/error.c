/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static int set_message(Error *err, int code, char *message) {
        free(err->message);
        err->message = message;
        err->code = code;
        return -code;
}

int error_set(Error *err, int code, const char *format, ...) {
        va_list ap;
        char *text;

        va_start(ap, format);
        text = xvasprintf(format, ap);
        va_end(ap);
        return set_message(err, code > 0 ? code : EIO, text);
}

int error_errno(Error *err, const char *format, ...) {
        int code = errno > 0 ? errno : EIO;
        va_list ap;
        char *text, *whole;

        va_start(ap, format);
        text = xvasprintf(format, ap);
        va_end(ap);
        whole = xasprintf("%s: %s", text, strerror(code));
        free(text);
        return set_message(err, code, whole);
}

int error_prefix(Error *err, const char *format, ...) {
        va_list ap;
        char *text, *whole;

        va_start(ap, format);
        text = xvasprintf(format, ap);
        va_end(ap);
        whole = xasprintf("%s: %s", text, err->message ? err->message : "unknown error");
        free(text);
        return set_message(err, err->code > 0 ? err->code : EIO, whole);
}

int error_move(Error *to, Error *from) {
        int code = from->code;
        char *message = from->message;

        from->code = 0;
        from->message = NULL;
        return set_message(to, code, message);
}

void error_clear(Error *err) {
        free(err->message);
        err->message = NULL;
        err->code = 0;
}
