/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Growing text (StrBuf) and NULL-terminated vectors of strings (Strv: a plain char **). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

typedef struct StrBuf {
        char *data; /* NUL-terminated once anything was appended; may hold NULs itself */
        size_t length;
        size_t size;
} StrBuf;

void strbuf_append(StrBuf *b, const void *data, size_t length);
void strbuf_puts(StrBuf *b, const char *s);
void strbuf_putc(StrBuf *b, char c);
void strbuf_printf(StrBuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first `length` bytes. */
void strbuf_consume(StrBuf *b, size_t length);
/* Hands the text out ("" if nothing was ever appended) and empties the buffer. */
char *strbuf_take(StrBuf *b);
void strbuf_done(StrBuf *b);

#define cleanup_strbuf cleanup(strbuf_done)

/* All strv functions take NULL for an empty vector. */
size_t strv_length(char *const *v);
void strv_append(char ***v, const char *s);
/* Appends and takes ownership of S. */
void strv_take(char ***v, char *s);
void strv_printf(char ***v, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strv_extend(char ***v, char *const *more);
char **strv_copy(char *const *v);
bool strv_contains(char *const *v, const char *s);
char *strv_join(char *const *v, const char *separator);
char **strv_split(const char *s, const char *separators); /* empty fields are dropped */
char **strv_free(char **v);

DEFINE_CLEANUP(char **, strv_free);
#define cleanup_strv cleanup(strv_freep)

#define STRV_FOR_EACH(item, v) for (char *const *item = (char *const *)(v); item && *item; item++)

static inline bool streq(const char *a, const char *b) {
        return a == b || (a && b && __builtin_strcmp(a, b) == 0);
}

/* The rest of S behind PREFIX, or NULL. */
const char *str_after(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);

/* "12", "0x1f" (base 0) … as a whole, no sign, no spaces. False if it is not a number or above MAX. */
bool str_to_u64(const char *s, int base, uint64_t max, uint64_t *ret);

/* Makes text of unknown origin fit for one line of a log or an error: control characters and what is not UTF-8 become
 * "\xHH", and what is longer than MAX bytes is cut with "…". The result is owned by the caller. */
char *str_printable(const char *data, size_t length, size_t max);
