/* SPDX-License-Identifier: Apache-2.0 */
#include "common/oci/check.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/mem.h"

#define SHOWN_MAX 48U /* bytes of a value that a message shows */

static int unexpected(Error *err, const char *what, const char *value, const char *place) {
        cleanup_free char *shown = str_printable(value, strlen(value), SHOWN_MAX);

        return error_set(err, EINVAL, "%s: expected %s, found \"%s\"", place, what, shown);
}

int oci_unexpected(Error *err, const char *what, const char *value, const char *place, ...) {
        cleanup_free char *where = NULL;
        va_list ap;

        va_start(ap, place);
        where = xvasprintf(place, ap);
        va_end(ap);
        return unexpected(err, what, value, where);
}

int oci_check_absolute(Error *err, const char *path, const char *place, ...) {
        cleanup_free char *where = NULL;
        va_list ap;

        if (*path == '/')
                return 0;
        va_start(ap, place);
        where = xvasprintf(place, ap);
        va_end(ap);
        return unexpected(err, "an absolute path", path, where);
}
