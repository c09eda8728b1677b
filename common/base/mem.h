/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Allocation that does not fail: running out of memory aborts the program, which removes a third of all error
 * paths. Sizes that come from outside are bounded by their readers before they get here. */

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *xvasprintf(const char *format, va_list ap) __attribute__((format(printf, 1, 0), returns_nonnull));

#define xnew(type, count) ((type *)xcalloc((count), sizeof(type)))
