/* SPDX-License-Identifier: Apache-2.0 */

/* Trees: what is parsed, what is refused and in which words, changing a tree, writing it. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "common/base/json.h"
#include "common/base/mem.h"

/* The text of the tree, or the error. */
static char *outcome(const char *text, size_t length, const JsonLimits *limits, int *ret_code) {
        cleanup_json Json *v = NULL;
        Error err = { 0 };
        int r = json_parse(text, length, limits, &v, &err);

        *ret_code = -r;
        if (r < 0) {
                assert_null(v);
                assert_int_equal(err.code, -r);
                return err.message;
        }
        return json_tree_to_text(v, false);
}

static void check(const char *text, size_t length, const JsonLimits *limits, int code, const char *expected) {
        int got_code;
        cleanup_free char *got = outcome(text, length, limits, &got_code);

        if (got_code != code || strcmp(got, expected) != 0)
                fail_msg("%.200s\n  gave     (%d) %s\n  expected (%d) %s", text, got_code, got, code,
                         expected);
}

typedef struct Case {
        const char *text, *expected;
} Case;

static void check_all(const Case *cases, size_t n, const JsonLimits *limits, int code) {
        for (size_t i = 0; i < n; i++)
                check(cases[i].text, strlen(cases[i].text), limits, code, cases[i].expected);
}

static void test_values(void **state) {
        static const Case cases[] = {
                { "null", "null" },
                { " true ", "true" },
                { "[false]", "[false]" },
                { "\"\"", "\"\"" },
                { "{}", "{}" },
                { "[]", "[]" },
                { "{\"a\":[1,{\"b\":null}],\"\":\"c\"}", "{\"a\":[1,{\"b\":null}],\"\":\"c\"}" },
                /* strings */
                { "\"\\u0041\\/\\b\\f\\n\\r\\t\\\"\\\\\"", "\"A/\\b\\f\\n\\r\\t\\\"\\\\\"" },
                { "\"\\u001f\x7f\"", "\"\\u001f\\u007f\"" },
                { "\"\xc3\xa9 \\u00e9 \\ud83d\\ude00\"", "\"\xc3\xa9 \xc3\xa9 \xf0\x9f\x98\x80\"" },
                { "\"\\udc00\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
                /* numbers stay what they are */
                { "[0,-1,-0]", "[0,-1,0]" },
                { "[9223372036854775807,-9223372036854775808]",
                  "[9223372036854775807,-9223372036854775808]" },
                { "[9223372036854775808,18446744073709551615]",
                  "[9223372036854775808,18446744073709551615]" },
                { "[18446744073709551616,-9223372036854775809]",
                  "[18446744073709551616,-9223372036854775809]" },
                { "[1.50,1e3,-2E-400]", "[1.50,1e3,-2E-400]" },
                /* the last of equal keys */
                { "{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}" },
                { "{\"a\":{\"x\":1},\"a\":[]}", "{\"a\":[]}" },
        };

        (void)state;
        check_all(cases, ELEMENTS_OF(cases), NULL, 0);
}

static void test_syntax_errors(void **state) {
        static const Case cases[] = {
                { "{\"a\":1,}", "line 1, column 8: expected a key in double quotes, found \"}\"" },
                { "{'a':1}", "line 1, column 2: not JSON, found \"'a'\"" },
                { "{\"a\" 1}", "line 1, column 6: expected ':' after the key, found \"1\"" },
                { "{\"a\":1 \"b\"}", "line 1, column 8: expected ',' or '}' after the value, found \"b\"" },
                { "[1 2]", "line 1, column 4: expected ',' or ']' after the value, found \"2\"" },
                { "[1,,2]", "line 1, column 4: expected a value, found \",\"" },
                { "[1,]", "line 1, column 4: expected a value, found \"]\"" },
                { "]", "line 1, column 1: expected a value, found \"]\"" },
                { "{\"a\":nul}", "line 1, column 6: not JSON, found \"nul\"" },
                { "{\"a\":\n  Infinity}", "line 2, column 3: not JSON, found \"Infinity\"" },
                { "\xef\xbb\xbf{}", "line 1, column 1: not JSON: a byte order mark" },
                { "[\x01\x02]", "line 1, column 2: not JSON, found \"\\x01\\x02\"" },
                { "1 2", "line 1, column 3: expected nothing after the value, found \"2\"" },
                { "{} \"ab", "line 1, column 4: expected nothing after the value, found \"ab\"" },
                { "12\"", "line 1, column 3: expected nothing after the value, found \"\"" },
                { "01", "line 1, column 2: expected nothing after the value, found \"1\"" },
                { "[\"\xc3\xa9\n",
                  "line 1, column 4: a control character in a string (write it as \\n or \\u00XX)" },
                { "\"a\\x\"", "line 1, column 4: unknown escape sequence in a string" },
                { "\"\\u12g4\"", "line 1, column 6: expected four hexadecimal digits after \\u" },
                { "\"a\xff\"", "line 1, column 4: not valid UTF-8" },
                { "-x", "line 1, column 2: expected a digit after '-'" },
                { "[1.]", "line 1, column 4: expected a digit after the decimal point" },
                { "[1ex]", "line 1, column 4: expected a digit in the exponent" },
                { "[1, // one", "line 1, column 5: comments are not allowed here" },
                { "{} // done", "line 1, column 4: expected nothing after the value, found \"//\"" },
                { "\"\\u0000\"", "line 1, column 1: a string with a NUL character in it" },
                { "{\"a\":1,\n\"\\u0000\":1}", "line 2, column 1: a key with a NUL character in it" },
                { "{\n  \"x\": [1,\n  \"\xc3\xa9\" \"b\"]}",
                  "line 3, column 7: expected ',' or ']' after the value, found \"b\"" },
                { "[1 abcdefghijklmnopqrstuvwxyz]",
                  "line 1, column 4: not JSON, found \"abcdefghijklmnopqrstuvwx…\"" },
        };

        (void)state;
        check_all(cases, ELEMENTS_OF(cases), NULL, EINVAL);
}

static void test_truncated(void **state) {
        static const char text[] =
                "{\"process\": {\"args\": [\"sh\", -1.5e3, true, null],\n \"a\\n\\u0041\": {}}}";

        (void)state;
        for (size_t length = 0; length < sizeof(text) - 1; length++) {
                const char *line = memchr(text, '\n', length);
                size_t column = line ? (size_t)(text + length - line) : length + 1;
                cleanup_free char *where =
                        xasprintf("line %d, column %zu: the text ends too early; is it cut off?",
                                  line ? 2 : 1, column);

                check(text, length, NULL, EINVAL, where);
        }
}

static void test_comments_and_trailing(void **state) {
        static const JsonLimits comments = { .comments = true }, trailing = { .trailing = true };
        static const Case with_comments[] = {
                { "// one\n{\"a\" /* two */ : 1} // three", "{\"a\":1}" },
                { "{} /* four */\n", "{}" },
        };
        static const Case bad_comments[] = {
                { "{\"a\": // one\n /* two */ }", "line 2, column 12: expected a value, found \"}\"" },
                { "{} /* five", "line 1, column 4: expected nothing after the value, found \"/*\"" },
                { "[1, /x", "line 1, column 5: not JSON, found \"/x\"" },
        };
        static const Case with_trailing[] = {
                { "{\"a\":1}{\"b\":2}", "{\"a\":1}" },
                { "[1]~~~", "[1]" },
                { "1 2", "1" },
        };

        (void)state;
        check_all(with_comments, ELEMENTS_OF(with_comments), &comments, 0);
        check_all(bad_comments, ELEMENTS_OF(bad_comments), &comments, EINVAL);
        check_all(with_trailing, ELEMENTS_OF(with_trailing), &trailing, 0);
}

static void test_raw_nul(void **state) {
        (void)state;
        check("[1,\0]", 5, NULL, EINVAL, "line 1, column 4: not JSON, found \"\\x00\"");
        check("\"a\0b\"", 5, NULL, EINVAL,
              "line 1, column 3: a control character in a string (write it as \\n or \\u00XX)");
}

static char *repeat(const char *unit, size_t n, const char *end) {
        StrBuf b = { 0 };

        for (size_t i = 0; i < n; i++)
                strbuf_puts(&b, unit);
        strbuf_puts(&b, end);
        return strbuf_take(&b);
}

static void test_limits(void **state) {
        static const JsonLimits small = { .bytes = 8, .values = 3, .depth = 2 };
        static const Case cases[] = {
                { "[1,2,[3,4", "9 bytes are too many: at most 8 are read" },
                { "[[[1]]]", "line 1, column 3: nested deeper than 2 levels" },
                { "[1,2,3]", "line 1, column 6: more than 3 values" },
        };
        cleanup_free char *brackets = repeat("[", 100000, ""), *closing = repeat("]", 64, "");
        cleanup_free char *deep = repeat("[", 64, closing);

        (void)state;
        check_all(cases, ELEMENTS_OF(cases), &small, E2BIG);
        check("[[1]]", 5, &small, 0, "[[1]]");
        check(deep, strlen(deep), NULL, 0, deep);
        check(brackets, strlen(brackets), NULL, E2BIG, "line 1, column 65: nested deeper than 64 levels");
}

static void test_types_and_look_ups(void **state) {
        static const char text[] =
                "{\"n\":-5,\"u\":18446744073709551615,\"f\":1.5,\"s\":\"x\",\"b\":true,\"a\":[1,2]}";
        cleanup_json Json *v = NULL;
        Error err = { 0 };
        int64_t n = 0;
        uint64_t u = 0;

        (void)state;
        assert_int_equal(json_parse(text, strlen(text), NULL, &v, &err), 0);
        assert_true(json_int64(json_get(v, "n"), &n) && n == -5);
        assert_false(json_uint64(json_get(v, "n"), &u));
        assert_true(json_uint64(json_get(v, "u"), &u) && u == UINT64_MAX);
        assert_false(json_int64(json_get(v, "u"), &n));
        assert_false(json_int64(json_get(v, "f"), &n));
        assert_string_equal(json_number_text(json_get(v, "f")), "1.5");
        assert_null(json_number_text(json_get(v, "n")));
        assert_string_equal(json_string(json_get(v, "s")), "x");
        assert_null(json_string(json_get(v, "n")));
        assert_true(json_bool(json_get(v, "b")));
        assert_false(json_bool(json_get(v, "s")));
        assert_int_equal(json_count(v), 6);
        assert_string_equal(json_key(v, 5), "a");
        assert_ptr_equal(json_item(v, 5), json_get(v, "a"));
        assert_null(json_item(json_get(v, "a"), 2));
        assert_null(json_get(v, "none"));
        assert_null(json_get(json_get(v, "a"), "n"));
        assert_null(json_get(NULL, "n"));
        assert_null(json_key(json_get(v, "a"), 0));
        assert_int_equal(json_count(NULL), 0);
        assert_int_equal(json_type(NULL), JSON_NULL);
        assert_string_equal(json_type_name(JSON_OBJECT), "an object");
}

static void test_change(void **state) {
        cleanup_json Json *v = json_new_object(), *copy = NULL;
        cleanup_free char *text = NULL, *other = NULL;
        Json *list = json_new_array();

        (void)state;
        json_append(list, json_new_int64(INT64_MIN));
        json_append(list, json_new_uint64(UINT64_MAX));
        json_append(list, json_new_string(NULL));
        json_set(v, "list", list);
        json_set(v, "a", json_new_bool(true));
        json_set(v, "b", json_new_string("x\xff"));
        copy = json_copy(v);
        json_set(v, "a", json_new_string("new"));
        json_set(v, "b", NULL);
        json_set(v, "none", NULL);
        text = json_tree_to_text(v, false);
        other = json_tree_to_text(copy, false);
        assert_string_equal(text,
                            "{\"list\":[-9223372036854775808,18446744073709551615,null],\"a\":\"new\"}");
        assert_string_equal(other, "{\"list\":[-9223372036854775808,18446744073709551615,null],\"a\":true,"
                                   "\"b\":\"x\xef\xbf\xbd\"}");
}

/* Objects beyond a handful of members are searched through an index; changes must not leave it stale. */
static void test_large_object(void **state) {
        cleanup_json Json *v = NULL, *copy = NULL;
        cleanup_strbuf StrBuf b = { 0 };
        Error err = { 0 };
        int64_t n;

        (void)state;
        for (int round = 0; round < 2; round++)
                for (int i = 0; i < 1000; i++)
                        strbuf_printf(&b, "%s\"k%d\":%d", b.length > 0 ? "," : "{", i, i + round);
        strbuf_putc(&b, '}');
        assert_int_equal(json_parse(b.data, b.length, NULL, &v, &err), 0);
        assert_int_equal(json_count(v), 1000);
        for (int i = 0; i < 1000; i++) {
                cleanup_free char *key = xasprintf("k%d", i);

                assert_true(json_int64(json_get(v, key), &n) && n == i + 1);
        }
        json_set(v, "k500", NULL);
        json_set(v, "fresh", json_new_int64(7));
        json_set(v, "k999", json_new_int64(8));
        copy = json_copy(v);
        assert_null(json_get(copy, "k500"));
        assert_true(json_int64(json_get(copy, "fresh"), &n) && n == 7);
        assert_true(json_int64(json_get(copy, "k999"), &n) && n == 8);
        assert_int_equal(json_count(copy), 1000);
}

static void test_pretty(void **state) {
        static const char text[] = "{\"a\":[1,{\"b\":[]},{}],\"c\":\"d\"}";
        static const char expected[] = "{\n"
                                       "  \"a\": [\n"
                                       "    1,\n"
                                       "    {\n"
                                       "      \"b\": []\n"
                                       "    },\n"
                                       "    {}\n"
                                       "  ],\n"
                                       "  \"c\": \"d\"\n"
                                       "}";
        cleanup_json Json *v = NULL;
        cleanup_free char *pretty = NULL;
        Error err = { 0 };

        (void)state;
        assert_int_equal(json_parse(text, strlen(text), NULL, &v, &err), 0);
        pretty = json_tree_to_text(v, true);
        assert_string_equal(pretty, expected);
}

/* Several values one after the other through one writer, as log lines and streams need it. */
static void test_writer(void **state) {
        JsonWriter w = { 0 };
        cleanup_free char *text = NULL;

        (void)state;
        json_begin_array(&w);
        json_write_string(&w, "\x01\"\\\xe2\x82\xac\xe2\x82");
        json_write_uint64(&w, UINT64_MAX);
        json_begin_object(&w);
        json_write_key(&w, "k\n");
        json_write_null(&w);
        json_end_object(&w);
        json_begin_object(&w);
        json_end_object(&w);
        json_end_array(&w);
        text = strbuf_take(&w.out);
        assert_string_equal(text, "[\"\\u0001\\\"\\\\\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd\","
                                  "18446744073709551615,{\"k\\n\":null},{}]");
}

static double cpu_seconds(void) {
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Quadratic behaviour would take hours here; the bound leaves room for sanitizers and slow machines. */
static void test_hostile_object(void **state) {
        cleanup_strbuf StrBuf b = { 0 };
        cleanup_json Json *v = NULL;
        Error err = { 0 };
        double begin;

        (void)state;
        for (unsigned i = 0; i < JSON_MAX_VALUES - 1; i++)
                strbuf_printf(&b, "%s\"%x\":0", i > 0 ? "," : "{", i * 2654435761U % 700000);
        strbuf_putc(&b, '}');
        begin = cpu_seconds();
        assert_int_equal(json_parse(b.data, b.length, NULL, &v, &err), 0);
        for (int i = 0; i < 1000; i++)
                assert_null(json_get(v, "no such key"));
        assert_true(cpu_seconds() - begin < 20);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_syntax_errors),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_comments_and_trailing),
                cmocka_unit_test(test_raw_nul),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_types_and_look_ups),
                cmocka_unit_test(test_change),
                cmocka_unit_test(test_large_object),
                cmocka_unit_test(test_pretty),
                cmocka_unit_test(test_writer),
                cmocka_unit_test(test_hostile_object),
        };

        return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
