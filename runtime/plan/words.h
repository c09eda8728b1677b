/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Constant sets of words, written as one string: "proc sysfs tmpfs". */

#include <stdbool.h>
#include <string.h>

#include "common/base/str.h"

static inline bool word_in(const char *list, const char *word) {
        size_t length = strlen(word);

        while (length > 0 && *list) {
                size_t n = strcspn(list, " ");

                if (n == length && memcmp(list, word, n) == 0)
                        return true;
                list += n + (list[n] == ' ');
        }
        return false;
}

/* A mount option that gives SELinux labels. */
static inline bool is_label_option(const char *option) {
        return str_after(option, "context=") || str_after(option, "fscontext=") ||
               str_after(option, "defcontext=") || str_after(option, "rootcontext=");
}
