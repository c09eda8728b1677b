/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The little of UTF-8 that reading and writing JSON needs. */

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Length of the character S begins with, of at most LEFT bytes; 0 if that is not one of well-formed UTF-8
 * (overlong forms, surrogates and what is above U+10FFFF are not). */
size_t utf8_length(const char *s, size_t left);

/* A copy of the text with every byte that belongs to no character replaced by U+FFFD; owned by the caller. */
char *utf8_clean(const char *text, size_t length);
