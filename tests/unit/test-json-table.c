/* SPDX-License-Identifier: Apache-2.0 */

/* Tables: every kind read, written and refused, in the words that users see. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"

typedef struct Point {
        int32_t x, y;
        char *name;
} Point;

typedef struct Everything {
        char *string;
        bool boolean;
        OptBool opt_bool;
        int32_t int32;
        int64_t int64;
        uint32_t uint32;
        uint64_t uint64;
        OptInt64 opt_int64;
        OptUint64 opt_uint64;
        OptUint32 opt_uint32;
        char **strv;
        uint32_t *numbers;
        size_t n_numbers;
        StrMap map;
        Point inside;
        Point *beside;
        Point *points;
        size_t n_points;
        Json *raw;
} Everything;

static const JsonField point_fields[] = {
        { JSON_FIELD(Point, x, "x", JSON_KIND_INT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(Point, y, "y", JSON_KIND_INT32) },
        { JSON_FIELD(Point, name, "name", JSON_KIND_STRING), .flags = JSON_NONEMPTY },
        { 0 },
};

static const JsonField fields[] = {
        { JSON_FIELD(Everything, string, "string", JSON_KIND_STRING) },
        { JSON_FIELD(Everything, boolean, "boolean", JSON_KIND_BOOL) },
        { JSON_FIELD(Everything, opt_bool, "optBool", JSON_KIND_OPT_BOOL) },
        { JSON_FIELD(Everything, int32, "int32", JSON_KIND_INT32) },
        { JSON_FIELD(Everything, int64, "int64", JSON_KIND_INT64) },
        { JSON_FIELD(Everything, uint32, "uint32", JSON_KIND_UINT32) },
        { JSON_FIELD(Everything, uint64, "uint64", JSON_KIND_UINT64) },
        { JSON_FIELD(Everything, opt_int64, "optInt64", JSON_KIND_OPT_INT64) },
        { JSON_FIELD(Everything, opt_uint64, "optUint64", JSON_KIND_OPT_UINT64) },
        { JSON_FIELD(Everything, opt_uint32, "optUint32", JSON_KIND_OPT_UINT32) },
        { JSON_FIELD(Everything, strv, "strv", JSON_KIND_STRV) },
        { JSON_UINT32_ARRAY_FIELD(Everything, numbers, "numbers") },
        { JSON_FIELD(Everything, map, "map", JSON_KIND_STRING_MAP) },
        { JSON_OBJECT_FIELD(Everything, inside, "inside", point_fields) },
        { JSON_OBJECT_PTR_FIELD(Everything, beside, "beside", point_fields) },
        { JSON_ARRAY_FIELD(Everything, points, "points", point_fields) },
        { JSON_FIELD(Everything, raw, "raw", JSON_KIND_RAW) },
        { 0 },
};

static const char full[] =
        "{\"string\":\"s\",\"boolean\":true,\"optBool\":false,\"int32\":-2147483648,"
        "\"int64\":-9223372036854775808,\"uint32\":4294967295,"
        "\"uint64\":18446744073709551615,\"optInt64\":0,\"optUint64\":18446744073709551615,"
        "\"optUint32\":0,\"strv\":[\"a\",\"\"],\"numbers\":[0,4294967295],"
        "\"map\":{\"io.carrel.x\":\"1\",\"b\":\"\"},\"inside\":{\"x\":1,\"y\":2},"
        "\"beside\":{\"x\":0,\"name\":\"n\"},\"points\":[{\"x\":3},{\"x\":-4,\"y\":5}],"
        "\"raw\":{\"k\":[1.5,null]}}";

static void read_ok(const char *text, const JsonField *table, void *object) {
        Error err = { 0 };

        if (json_read_text(text, strlen(text), NULL, table, object, &err) < 0)
                fail_msg("%s: %s", text, err.message);
}

static void test_round_trip(void **state) {
        Everything e = { 0 };
        cleanup_free char *text = NULL;

        (void)state;
        read_ok(full, fields, &e);
        assert_string_equal(e.string, "s");
        assert_true(e.boolean && e.opt_bool.set && !e.opt_bool.value);
        assert_int_equal(e.int32, INT32_MIN);
        assert_true(e.int64 == INT64_MIN && e.uint32 == UINT32_MAX && e.uint64 == UINT64_MAX);
        assert_true(e.opt_int64.set && e.opt_int64.value == 0);
        assert_true(e.opt_uint64.set && e.opt_uint64.value == UINT64_MAX);
        assert_true(e.opt_uint32.set && e.opt_uint32.value == 0);
        assert_int_equal(strv_length(e.strv), 2);
        assert_int_equal(e.n_numbers, 2);
        assert_true(e.numbers[1] == UINT32_MAX);
        assert_string_equal(str_map_get(&e.map, "io.carrel.x"), "1");
        assert_int_equal(e.inside.y, 2);
        assert_string_equal(e.beside->name, "n");
        assert_int_equal(e.points[1].x, -4);
        assert_int_equal(json_count(e.raw), 1);
        text = json_to_text(fields, &e, false);
        assert_string_equal(text, full);
        json_clear(fields, &e);
        json_clear(fields, &e);
        assert_null(e.string);
        assert_int_equal(e.n_points, 0);
}

static void test_absent(void **state) {
        static const char *const texts[] = {
                "{}",
                "{\"string\":null,\"boolean\":null,\"optBool\":null,\"int32\":null,\"strv\":null,\"numbers\":"
                "null,"
                "\"map\":null,\"inside\":null,\"beside\":null,\"points\":null,\"raw\":null,\"optUint32\":"
                "null}",
                "{\"unknown\":[{\"x\":\"y\"}],\"STRING\":5}",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
                Everything e = { 0 };
                cleanup_free char *text = NULL;

                read_ok(texts[i], fields, &e);
                assert_null(e.string);
                assert_null(e.strv);
                assert_null(e.beside);
                assert_null(e.raw);
                assert_false(e.opt_bool.set);
                text = json_to_text(fields, &e, false);
                assert_string_equal(text, "{}");
                json_clear(fields, &e);
        }
}

/* Present and empty is not absent. */
static void test_empty(void **state) {
        Everything e = { 0 };
        cleanup_free char *text = NULL;

        (void)state;
        read_ok("{\"string\":\"\",\"strv\":[],\"numbers\":[],\"map\":{},\"points\":[],\"raw\":{}}", fields,
                &e);
        assert_string_equal(e.string, "");
        assert_non_null(e.strv);
        assert_null(e.strv[0]);
        assert_int_equal(e.n_points, 0);
        text = json_to_text(fields, &e, false);
        assert_string_equal(text, "{\"string\":\"\",\"raw\":{}}");
        json_clear(fields, &e);
}

static void test_write_flags(void **state) {
        static const JsonField written[] = {
                { JSON_FIELD(Everything, string, "string", JSON_KIND_STRING), .flags = JSON_WRITE_ZERO },
                { JSON_FIELD(Everything, boolean, "boolean", JSON_KIND_BOOL), .flags = JSON_WRITE_ZERO },
                { JSON_FIELD(Everything, int32, "int32", JSON_KIND_INT32), .flags = JSON_REQUIRED },
                { JSON_FIELD(Everything, opt_bool, "optBool", JSON_KIND_OPT_BOOL), .flags = JSON_WRITE_ZERO },
                { JSON_FIELD(Everything, strv, "strv", JSON_KIND_STRV), .flags = JSON_WRITE_ZERO },
                { JSON_UINT32_ARRAY_FIELD(Everything, numbers, "numbers"), .flags = JSON_WRITE_ZERO },
                { JSON_FIELD(Everything, map, "map", JSON_KIND_STRING_MAP), .flags = JSON_WRITE_ZERO },
                { JSON_OBJECT_FIELD(Everything, inside, "inside", point_fields), .flags = JSON_WRITE_ZERO },
                { JSON_OBJECT_PTR_FIELD(Everything, beside, "beside", point_fields),
                  .flags = JSON_WRITE_ZERO },
                { JSON_ARRAY_FIELD(Everything, points, "points", point_fields), .flags = JSON_WRITE_ZERO },
                { 0 },
        };
        const Everything e = { 0 };
        cleanup_free char *text = json_to_text(written, &e, false);

        (void)state;
        assert_string_equal(text,
                            "{\"string\":null,\"boolean\":false,\"int32\":0,\"optBool\":null,\"strv\":[],"
                            "\"numbers\":[],\"map\":{},\"inside\":{\"x\":0},\"beside\":null,\"points\":[]}");
}

static void test_messages(void **state) {
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "[]", "expected an object, found an array" },
                { "null", "expected an object, found null" },
                { "{", "line 1, column 2: the text ends too early; is it cut off?" },
                { "{\"string\":12}", "string: expected a string, found 12" },
                { "{\"string\":true}", "string: expected a string, found true" },
                { "{\"string\":{}}", "string: expected a string, found an object" },
                { "{\"boolean\":\"yes\"}", "boolean: expected true or false, found \"yes\"" },
                { "{\"optBool\":0}", "optBool: expected true or false, found 0" },
                { "{\"int32\":\"abc\"}", "int32: expected a number, found \"abc\"" },
                { "{\"int32\":2147483648}",
                  "int32: expected an integer from -2147483648 to 2147483647, found 2147483648" },
                { "{\"int64\":1.5}", "int64: expected an integer, found 1.5" },
                { "{\"int64\":9223372036854775808}",
                  "int64: expected an integer from -9223372036854775808 to 9223372036854775807, "
                  "found 9223372036854775808" },
                { "{\"int64\":-99999999999999999999}",
                  "int64: expected an integer from -9223372036854775808 to 9223372036854775807, "
                  "found -99999999999999999999" },
                { "{\"uint32\":\"0\"}", "uint32: expected an unsigned integer, found \"0\"" },
                { "{\"uint32\":[]}", "uint32: expected an unsigned integer, found an array" },
                { "{\"uint32\":5000000000}",
                  "uint32: expected an integer from 0 to 4294967295, found 5000000000" },
                { "{\"uint32\":-1}", "uint32: expected an integer from 0 to 4294967295, found -1" },
                { "{\"uint64\":1e3}", "uint64: expected an integer, found 1e3" },
                { "{\"uint64\":18446744073709551616}",
                  "uint64: expected an integer from 0 to 18446744073709551615, found 18446744073709551616" },
                { "{\"optInt64\":\"1\"}", "optInt64: expected a number, found \"1\"" },
                { "{\"optUint64\":false}", "optUint64: expected an unsigned integer, found false" },
                { "{\"optUint32\":4294967296}",
                  "optUint32: expected an integer from 0 to 4294967295, found 4294967296" },
                { "{\"strv\":\"a\"}", "strv: expected an array of strings, found \"a\"" },
                { "{\"strv\":[\"a\",null]}", "strv[1]: expected a string, found null" },
                { "{\"numbers\":[1,-1]}", "numbers[1]: expected an integer from 0 to 4294967295, found -1" },
                { "{\"map\":[]}", "map: expected an object of strings, found an array" },
                { "{\"map\":{\"a\":\"b\",\"c\":1}}", "map.c: expected a string, found 1" },
                { "{\"map\":{\"io.carrel.gpu\":1}}", "map[\"io.carrel.gpu\"]: expected a string, found 1" },
                { "{\"map\":{\"\":1}}", "map[\"\"]: expected a string, found 1" },
                { "{\"inside\":{}}", "inside.x: missing" },
                { "{\"beside\":{\"x\":null}}", "beside.x: missing" },
                { "{\"beside\":{\"x\":1,\"name\":\"\"}}", "beside.name: must not be empty" },
                { "{\"points\":{}}", "points: expected an array, found an object" },
                { "{\"points\":[{\"x\":1},5]}", "points[1]: expected an object, found 5" },
                { "{\"points\":[{\"x\":1,\"y\":\"a\\u001b[31m\\n\"}]}",
                  "points[0].y: expected a number, found \"a\\x1b[31m\\x0a\"" },
                { "{\"int32\":\"0123456789012345678901234567890123456789\"}",
                  "int32: expected a number, found \"01234567890123456789012345678901…\"" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                static const Everything nothing;
                cleanup_error Error err = { 0 };
                Everything e = { 0 };
                int r = json_read_text(cases[i].text, strlen(cases[i].text), NULL, fields, &e, &err);

                assert_int_equal(r, -EINVAL);
                if (strcmp(err.message, cases[i].message) != 0)
                        fail_msg("%s\n  gave     %s\n  expected %s", cases[i].text, err.message,
                                 cases[i].message);
                assert_memory_equal(&e, &nothing, sizeof(e));
        }
}

/* A failure late in the document frees what was read before it. */
static void test_failure_clears(void **state) {
        cleanup_free char *text = xasprintf("%.*s,\"raw\":1,\"points\":[{\"x\":1,\"name\":\"n\"},{}]}",
                                            (int)(sizeof(full) - 2), full);
        static const Everything nothing;
        Everything e = { 0 };
        cleanup_error Error err = { 0 };

        (void)state;
        assert_int_equal(json_read_text(text, strlen(text), NULL, fields, &e, &err), -EINVAL);
        assert_string_equal(err.message, "points[1].x: missing");
        assert_memory_equal(&e, &nothing, sizeof(e));
}

static void test_to_tree(void **state) {
        Point p = { .x = -7, .name = xstrdup("\x01\xff") };
        cleanup_json Json *v = json_to_tree(point_fields, &p);
        int64_t n;

        (void)state;
        assert_true(json_int64(json_get(v, "x"), &n) && n == -7);
        assert_null(json_get(v, "y"));
        assert_string_equal(json_string(json_get(v, "name")), "\x01\xef\xbf\xbd");
        json_clear(point_fields, &p);
}

static void test_str_map(void **state) {
        static const JsonField map_field[] = { { JSON_FIELD(Everything, map, "map", JSON_KIND_STRING_MAP) },
                                               { 0 } };
        Everything e = { 0 };
        cleanup_free char *text = NULL;

        (void)state;
        assert_null(str_map_get(&e.map, "a"));
        str_map_set(&e.map, "a", NULL);
        str_map_set(&e.map, "a", "1");
        str_map_set(&e.map, "b", "2");
        str_map_set(&e.map, "c", "3");
        str_map_set(&e.map, "b", str_map_get(&e.map, "b"));
        str_map_set(&e.map, "c", "4");
        str_map_set(&e.map, "a", NULL);
        text = json_to_text(map_field, &e, false);
        assert_string_equal(text, "{\"map\":{\"b\":\"2\",\"c\":\"4\"}}");
        json_clear(map_field, &e);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip), cmocka_unit_test(test_absent),
                cmocka_unit_test(test_empty),      cmocka_unit_test(test_write_flags),
                cmocka_unit_test(test_messages),   cmocka_unit_test(test_failure_clears),
                cmocka_unit_test(test_to_tree),    cmocka_unit_test(test_str_map),
        };

        return cmocka_run_group_tests_name("json-table", tests, NULL, NULL);
}
