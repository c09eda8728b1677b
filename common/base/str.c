/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/utf8.h"

void strbuf_append(StrBuf *b, const void *data, size_t length) {
        if (b->size - b->length < length + 1) {
                size_t size = b->size < 64 ? 64 : b->size;

                while (size - b->length < length + 1)
                        size *= 2;
                b->data = xreallocarray(b->data, size, 1);
                b->size = size;
        }
        if (length > 0)
                memcpy(b->data + b->length, data, length);
        b->length += length;
        b->data[b->length] = '\0';
}

void strbuf_puts(StrBuf *b, const char *s) {
        strbuf_append(b, s, strlen(s));
}

void strbuf_putc(StrBuf *b, char c) {
        strbuf_append(b, &c, 1);
}

void strbuf_printf(StrBuf *b, const char *format, ...) {
        cleanup_free char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = xvasprintf(format, ap);
        va_end(ap);
        strbuf_puts(b, text);
}

void strbuf_consume(StrBuf *b, size_t length) {
        if (length > b->length)
                length = b->length;
        if (length == 0)
                return;
        memmove(b->data, b->data + length, b->length - length + 1);
        b->length -= length;
}

char *strbuf_take(StrBuf *b) {
        char *text = b->data ? b->data : xstrdup("");

        *b = (StrBuf){ 0 };
        return text;
}

void strbuf_done(StrBuf *b) {
        free(b->data);
        *b = (StrBuf){ 0 };
}

size_t strv_length(char *const *v) {
        size_t n = 0;

        while (v && v[n])
                n++;
        return n;
}

void strv_take(char ***v, char *s) {
        size_t n = strv_length(*v);

        *v = xreallocarray(*v, n + 2, sizeof(char *));
        (*v)[n] = s;
        (*v)[n + 1] = NULL;
}

void strv_append(char ***v, const char *s) {
        strv_take(v, xstrdup(s));
}

void strv_printf(char ***v, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        strv_take(v, xvasprintf(format, ap));
        va_end(ap);
}

void strv_extend(char ***v, char *const *more) {
        STRV_FOR_EACH (s, more)
                strv_append(v, *s);
}

char **strv_copy(char *const *v) {
        char **copy = xnew(char *, strv_length(v) + 1);

        for (size_t i = 0; v && v[i]; i++)
                copy[i] = xstrdup(v[i]);
        return copy;
}

bool strv_contains(char *const *v, const char *s) {
        STRV_FOR_EACH (item, v)
                if (strcmp(*item, s) == 0)
                        return true;
        return false;
}

char *strv_join(char *const *v, const char *separator) {
        StrBuf b = { 0 };

        STRV_FOR_EACH (s, v) {
                if (s != v)
                        strbuf_puts(&b, separator);
                strbuf_puts(&b, *s);
        }
        return strbuf_take(&b);
}

char **strv_split(const char *s, const char *separators) {
        char **v = xnew(char *, 1);

        while (*s) {
                size_t n = strcspn(s, separators);

                if (n > 0)
                        strv_take(&v, xstrndup(s, n));
                s += n;
                s += strspn(s, separators);
        }
        return v;
}

char **strv_free(char **v) {
        for (size_t i = 0; v && v[i]; i++)
                free(v[i]);
        free(v);
        return NULL;
}

const char *str_after(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_ends_with(const char *s, const char *suffix) {
        size_t n = strlen(s), k = strlen(suffix);

        return n >= k && strcmp(s + n - k, suffix) == 0;
}

bool str_to_u64(const char *s, int base, uint64_t max, uint64_t *ret) {
        unsigned long long value;
        char *end;

        if (!s || !((*s >= '0' && *s <= '9') || (base == 16 && strchr("abcdefABCDEF", *s) && *s)))
                return false;
        errno = 0;
        value = strtoull(s, &end, base);
        if (errno != 0 || *end || value > max)
                return false;
        *ret = value;
        return true;
}

char *str_printable(const char *data, size_t length, size_t max) {
        StrBuf b = { 0 };

        for (size_t i = 0; i < length;) {
                unsigned char c = (unsigned char)data[i];
                size_t n = utf8_length(data + i, length - i);

                if (b.length >= max) {
                        strbuf_puts(&b, "…");
                        break;
                }
                /* 0xc2 0x80 … 0x9f are control characters too, some terminals obey them */
                if (n == 0 || c < 32 || c == 127 || (c == 0xc2 && (unsigned char)data[i + 1] < 0xa0)) {
                        strbuf_printf(&b, "\\x%02x", c);
                        i++;
                } else {
                        strbuf_append(&b, data + i, n);
                        i += n;
                }
        }
        return strbuf_take(&b);
}
