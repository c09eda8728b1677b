/* SPDX-License-Identifier: Apache-2.0 */

/* What the parser takes, the writer writes and the parser takes again, to the same text. The first byte chooses the
 * options. */

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "tests/fuzz/fuzz.h"

/* Every look-up there is, on every value. */
static void visit(const Json *v) {
        int64_t n;
        uint64_t u;

        if (json_int64(v, &n) && json_uint64(v, &u) && (uint64_t)n != u)
                abort();
        if (json_string(v) && json_type(v) != JSON_STRING)
                abort();
        for (size_t i = 0; i < json_count(v); i++) {
                const char *key = json_key(v, i);

                if (key && json_get(v, key) != json_item(v, i))
                        abort();
                visit(json_item(v, i));
        }
}

static void check_same(const char *text, const Json *v, bool pretty) {
        cleanup_free char *again = json_tree_to_text(v, pretty);

        if (strcmp(text, again) != 0)
                abort();
}

static void check_round_trip(const Json *v, bool pretty) {
        /* Replaced bytes and escapes may make the text longer than what was read. */
        const JsonLimits limits = { .bytes = SIZE_MAX };
        cleanup_free char *text = json_tree_to_text(v, pretty);
        cleanup_json Json *again = NULL;
        cleanup_error Error err = { 0 };

        if (json_parse(text, strlen(text), &limits, &again, &err) < 0)
                abort();
        check_same(text, again, pretty);
}

static void check_error(const Error *err) {
        if (err->code <= 0 || !err->message || strchr(err->message, '\n'))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_json Json *v = NULL, *copy = NULL;
        cleanup_error Error err = { 0 };
        JsonLimits limits = { .values = 4096 };
        cleanup_free char *text = NULL;

        if (size == 0)
                return 0;
        limits.comments = *data & 1;
        limits.trailing = *data & 2;
        if (json_parse((const char *)data + 1, size - 1, &limits, &v, &err) < 0) {
                check_error(&err);
                return 0;
        }
        visit(v);
        check_round_trip(v, false);
        check_round_trip(v, true);
        copy = json_copy(v);
        text = json_tree_to_text(v, false);
        check_same(text, copy, false);
        visit(copy);
        return 0;
}
