/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *check(void *p) {
        static const char words[] = "carrel: out of memory\n";

        if (p)
                return p;
        if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
                abort();
        abort();
}

void *xmalloc(size_t size) {
        return check(malloc(size > 0 ? size : 1));
}

void *xcalloc(size_t count, size_t size) {
        return check(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *xreallocarray(void *p, size_t count, size_t size) {
        return check(reallocarray(p, count > 0 ? count : 1, size > 0 ? size : 1));
}

char *xstrdup(const char *s) {
        return check(strdup(s));
}

char *xstrndup(const char *s, size_t max) {
        return check(strndup(s, max));
}

char *xasprintf(const char *format, ...) {
        va_list ap;
        char *text;

        va_start(ap, format);
        text = xvasprintf(format, ap);
        va_end(ap);
        return text;
}

char *xvasprintf(const char *format, va_list ap) {
        char *text = NULL;

        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        return check(text);
}
