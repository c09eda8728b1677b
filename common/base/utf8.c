/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/str.h"

size_t utf8_length(const char *s, size_t left) {
        const unsigned char *c = (const unsigned char *)s;
        size_t length = left == 0 ? 0 : c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
        uint32_t character;

        if (length <= 1)
                return length;
        if (c[0] < 0xc2 || c[0] > 0xf4 || length > left)
                return 0;
        character = c[0] & (0x7fU >> length);
        for (size_t i = 1; i < length; i++) {
                if ((c[i] & 0xc0) != 0x80)
                        return 0;
                character = character << 6 | (c[i] & 0x3fU);
        }
        if ((length == 3 && character < 0x800) || (length == 4 && character < 0x10000))
                return 0;
        if (character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
                return 0;
        return length;
}

static bool is_clean(const char *text, size_t length) {
        for (size_t i = 0, n; i < length; i += n) {
                n = utf8_length(text + i, length - i);
                if (n == 0)
                        return false;
        }
        return true;
}

char *utf8_clean(const char *text, size_t length) {
        StrBuf b = { 0 };

        if (is_clean(text, length))
                return xstrndup(text, length);
        for (size_t i = 0; i < length;) {
                size_t n = utf8_length(text + i, length - i);

                if (n > 0)
                        strbuf_append(&b, text + i, n);
                else
                        strbuf_puts(&b, UTF8_REPLACEMENT);
                i += n > 0 ? n : 1;
        }
        return strbuf_take(&b);
}
