/* SPDX-License-Identifier: Apache-2.0 */

/* From tree to struct by table: reading, and freeing what was read. Each kind of field has a pair of functions;
 * json-write.c has the way back. */

#include "common/base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define SHOWN_MAX 32U /* bytes of a value that a message shows */

/* The way to the value at hand, from the inside out. */
typedef struct Place {
        const struct Place *parent;
        const char *key; /* NULL: item `index` of an array */
        size_t index;
} Place;

/* Where a field is: the object that holds it, and its description. */
typedef struct Target {
        const JsonField *field;
        void *object;
        void *member;
} Target;

static int read_fields(const Json *v, const JsonField *fields, void *object, const Place *place, Error *err);

static size_t *count_of(const Target *t) {
        return (size_t *)((char *)t->object + t->field->count_offset);
}

static Target target_of(const JsonField *field, void *object) {
        return (Target){ .field = field, .object = object, .member = (char *)object + field->offset };
}

/* ---- messages ---- */

static void describe_key(StrBuf *b, const char *key) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
        cleanup_free char *printable = str_printable(key, strlen(key), 2 * (size_t)SHOWN_MAX);

        if (*key && key[strspn(key, plain)] == '\0')
                strbuf_printf(b, "%s%s", b->length > 0 ? "." : "", printable);
        else
                strbuf_printf(b, "[\"%s\"]", printable);
}

/* "linux.namespaces[2].type"; "" for the document itself. */
static void describe_place(StrBuf *b, const Place *place) {
        if (!place)
                return;
        describe_place(b, place->parent);
        if (place->key)
                describe_key(b, place->key);
        else
                strbuf_printf(b, "[%zu]", place->index);
}

static int place_error(const Place *place, const char *words, Error *err) {
        StrBuf b = { 0 };
        cleanup_free char *where = NULL;

        describe_place(&b, place);
        where = strbuf_take(&b);
        return error_set(err, EINVAL, "%s%s%s", where, *where ? ": " : "", words);
}

/* The value as a message shows it: strings, numbers and booleans themselves, shortened; else what it is. */
static char *describe_value(const Json *v) {
        cleanup_free char *text = NULL, *shown = NULL;

        if (json_type(v) == JSON_STRING) {
                shown = str_printable(json_string(v), strlen(json_string(v)), SHOWN_MAX);
                return xasprintf("\"%s\"", shown);
        }
        if (json_type(v) == JSON_NUMBER || json_type(v) == JSON_BOOL) {
                text = json_tree_to_text(v, false);
                return str_printable(text, strlen(text), SHOWN_MAX);
        }
        return xstrdup(json_type_name(json_type(v)));
}

static int expected(const Place *place, const char *what, const Json *v, Error *err) {
        cleanup_free char *found = describe_value(v);
        cleanup_free char *words = xasprintf("expected %s, found %s", what, found);

        return place_error(place, words, err);
}

/* ---- numbers ---- */

/* A number that is no integer of 64 bits: is it too large, or no integer at all? */
static bool is_fraction(const Json *v) {
        const char *text = json_number_text(v);

        return text && strpbrk(text, ".eE");
}

static int read_signed(const Json *v, int64_t min, int64_t max, int64_t *ret, const Place *place,
                       Error *err) {
        cleanup_free char *range = NULL;
        int64_t n = 0;

        if (json_type(v) != JSON_NUMBER)
                return expected(place, "a number", v, err);
        if (is_fraction(v))
                return expected(place, "an integer", v, err);
        if (json_int64(v, &n) && n >= min && n <= max) {
                *ret = n;
                return 0;
        }
        range = xasprintf("an integer from %" PRId64 " to %" PRId64, min, max);
        return expected(place, range, v, err);
}

static int read_unsigned(const Json *v, uint64_t max, uint64_t *ret, const Place *place, Error *err) {
        cleanup_free char *range = NULL;
        uint64_t n = 0;

        if (json_type(v) != JSON_NUMBER)
                return expected(place, "an unsigned integer", v, err);
        if (is_fraction(v))
                return expected(place, "an integer", v, err);
        if (json_uint64(v, &n) && n <= max) {
                *ret = n;
                return 0;
        }
        range = xasprintf("an integer from 0 to %" PRIu64, max);
        return expected(place, range, v, err);
}

static int read_int32(const Json *v, const Target *t, const Place *place, Error *err) {
        int64_t n = 0;
        int r = read_signed(v, INT32_MIN, INT32_MAX, &n, place, err);

        if (r >= 0)
                *(int32_t *)t->member = (int32_t)n;
        return r;
}

static int read_int64(const Json *v, const Target *t, const Place *place, Error *err) {
        return read_signed(v, INT64_MIN, INT64_MAX, t->member, place, err);
}

static int read_uint32_value(const Json *v, uint32_t *ret, const Place *place, Error *err) {
        uint64_t n = 0;
        int r = read_unsigned(v, UINT32_MAX, &n, place, err);

        if (r >= 0)
                *ret = (uint32_t)n;
        return r;
}

static int read_uint32(const Json *v, const Target *t, const Place *place, Error *err) {
        return read_uint32_value(v, t->member, place, err);
}

static int read_uint64(const Json *v, const Target *t, const Place *place, Error *err) {
        return read_unsigned(v, UINT64_MAX, t->member, place, err);
}

static int read_opt_int64(const Json *v, const Target *t, const Place *place, Error *err) {
        OptInt64 *opt = t->member;
        int r = read_signed(v, INT64_MIN, INT64_MAX, &opt->value, place, err);

        opt->set = r >= 0;
        return r;
}

static int read_opt_uint64(const Json *v, const Target *t, const Place *place, Error *err) {
        OptUint64 *opt = t->member;
        int r = read_unsigned(v, UINT64_MAX, &opt->value, place, err);

        opt->set = r >= 0;
        return r;
}

static int read_opt_uint32(const Json *v, const Target *t, const Place *place, Error *err) {
        OptUint32 *opt = t->member;
        int r = read_uint32_value(v, &opt->value, place, err);

        opt->set = r >= 0;
        return r;
}

/* ---- strings, booleans, vectors, maps ---- */

static int read_string_value(const Json *v, char **ret, const Place *place, Error *err) {
        if (json_type(v) != JSON_STRING)
                return expected(place, "a string", v, err);
        *ret = xstrdup(json_string(v));
        return 0;
}

static int read_string(const Json *v, const Target *t, const Place *place, Error *err) {
        return read_string_value(v, t->member, place, err);
}

static int read_bool(const Json *v, const Target *t, const Place *place, Error *err) {
        if (json_type(v) != JSON_BOOL)
                return expected(place, "true or false", v, err);
        *(bool *)t->member = json_bool(v);
        return 0;
}

static int read_opt_bool(const Json *v, const Target *t, const Place *place, Error *err) {
        if (json_type(v) != JSON_BOOL)
                return expected(place, "true or false", v, err);
        *(OptBool *)t->member = (OptBool){ .set = true, .value = json_bool(v) };
        return 0;
}

static int read_strv(const Json *v, const Target *t, const Place *place, Error *err) {
        char **strv;

        if (json_type(v) != JSON_ARRAY)
                return expected(place, "an array of strings", v, err);
        strv = xnew(char *, json_count(v) + 1);
        *(char ***)t->member = strv;
        for (size_t i = 0; i < json_count(v); i++) {
                Place item = { .parent = place, .index = i };
                int r = read_string_value(json_item(v, i), &strv[i], &item, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_uint32_array(const Json *v, const Target *t, const Place *place, Error *err) {
        uint32_t *numbers;

        if (json_type(v) != JSON_ARRAY)
                return expected(place, "an array of unsigned integers", v, err);
        numbers = xnew(uint32_t, json_count(v));
        *(uint32_t **)t->member = numbers;
        *count_of(t) = json_count(v);
        for (size_t i = 0; i < json_count(v); i++) {
                Place item = { .parent = place, .index = i };
                int r = read_uint32_value(json_item(v, i), &numbers[i], &item, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_string_map(const Json *v, const Target *t, const Place *place, Error *err) {
        StrMap *map = t->member;

        if (json_type(v) != JSON_OBJECT)
                return expected(place, "an object of strings", v, err);
        map->keys = xnew(char *, json_count(v));
        map->values = xnew(char *, json_count(v));
        for (size_t i = 0; i < json_count(v); i++) {
                Place item = { .parent = place, .key = json_key(v, i) };
                int r = read_string_value(json_item(v, i), &map->values[i], &item, err);

                if (r < 0)
                        return r;
                map->keys[i] = xstrdup(json_key(v, i));
                map->count = i + 1;
        }
        return 0;
}

/* ---- structs ---- */

static int read_object(const Json *v, const Target *t, const Place *place, Error *err) {
        return read_fields(v, t->field->fields, t->member, place, err);
}

static int read_object_ptr(const Json *v, const Target *t, const Place *place, Error *err) {
        void *object = xcalloc(1, t->field->size);

        *(void **)t->member = object;
        return read_fields(v, t->field->fields, object, place, err);
}

static int read_array(const Json *v, const Target *t, const Place *place, Error *err) {
        char *objects;

        if (json_type(v) != JSON_ARRAY)
                return expected(place, "an array", v, err);
        objects = xcalloc(json_count(v), t->field->size);
        *(char **)t->member = objects;
        *count_of(t) = json_count(v);
        for (size_t i = 0; i < json_count(v); i++) {
                Place item = { .parent = place, .index = i };
                int r = read_fields(json_item(v, i), t->field->fields, objects + i * t->field->size, &item,
                                    err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_raw(const Json *v, const Target *t, const Place *place, Error *err) {
        (void)place;
        (void)err;
        *(Json **)t->member = json_copy(v);
        return 0;
}

/* ---- clearing; the members are zeroed by the caller ---- */

static void clear_string(const Target *t) {
        free(*(char **)t->member);
}

static void clear_strv(const Target *t) {
        strv_free(*(char ***)t->member);
}

static void clear_uint32_array(const Target *t) {
        free(*(uint32_t **)t->member);
        *count_of(t) = 0;
}

static void clear_string_map(const Target *t) {
        StrMap *map = t->member;

        for (size_t i = 0; i < map->count; i++) {
                free(map->keys[i]);
                free(map->values[i]);
        }
        free(map->keys);
        free(map->values);
}

static void clear_object(const Target *t) {
        json_clear(t->field->fields, t->member);
}

static void clear_object_ptr(const Target *t) {
        void *object = *(void **)t->member;

        if (object)
                json_clear(t->field->fields, object);
        free(object);
}

static void clear_array(const Target *t) {
        char *objects = *(char **)t->member;

        for (size_t i = 0; i < *count_of(t); i++)
                json_clear(t->field->fields, objects + i * t->field->size);
        free(objects);
        *count_of(t) = 0;
}

static void clear_raw(const Target *t) {
        json_free(*(Json **)t->member);
}

/* ---- the tables ---- */

static const struct {
        int (*read)(const Json *v, const Target *t, const Place *place, Error *err);
        void (*clear)(const Target *t); /* NULL: owns nothing */
        size_t size;                    /* of the member; 0: the table says */
} kinds[_JSON_KIND_MAX] = {
        [JSON_KIND_STRING] = { read_string, clear_string, sizeof(char *) },
        [JSON_KIND_BOOL] = { read_bool, NULL, sizeof(bool) },
        [JSON_KIND_OPT_BOOL] = { read_opt_bool, NULL, sizeof(OptBool) },
        [JSON_KIND_INT32] = { read_int32, NULL, sizeof(int32_t) },
        [JSON_KIND_INT64] = { read_int64, NULL, sizeof(int64_t) },
        [JSON_KIND_UINT32] = { read_uint32, NULL, sizeof(uint32_t) },
        [JSON_KIND_UINT64] = { read_uint64, NULL, sizeof(uint64_t) },
        [JSON_KIND_OPT_INT64] = { read_opt_int64, NULL, sizeof(OptInt64) },
        [JSON_KIND_OPT_UINT64] = { read_opt_uint64, NULL, sizeof(OptUint64) },
        [JSON_KIND_OPT_UINT32] = { read_opt_uint32, NULL, sizeof(OptUint32) },
        [JSON_KIND_STRV] = { read_strv, clear_strv, sizeof(char **) },
        [JSON_KIND_UINT32_ARRAY] = { read_uint32_array, clear_uint32_array, sizeof(uint32_t *) },
        [JSON_KIND_STRING_MAP] = { read_string_map, clear_string_map, sizeof(StrMap) },
        [JSON_KIND_OBJECT] = { read_object, clear_object, 0 },
        [JSON_KIND_OBJECT_PTR] = { read_object_ptr, clear_object_ptr, sizeof(void *) },
        [JSON_KIND_ARRAY] = { read_array, clear_array, sizeof(void *) },
        [JSON_KIND_RAW] = { read_raw, clear_raw, sizeof(Json *) },
};

static int read_field(const Json *v, const JsonField *field, void *object, const Place *parent, Error *err) {
        Place place = { .parent = parent, .key = field->key };
        Target t = target_of(field, object);
        const Json *value = json_get(v, field->key);
        bool empty;

        if (json_type(value) == JSON_NULL)
                return field->flags & JSON_REQUIRED ? place_error(&place, "missing", err) : 0;
        empty = json_type(value) == JSON_STRING ? !*json_string(value)
                                                : json_type(value) >= JSON_ARRAY && json_count(value) == 0;
        if (field->flags & JSON_NONEMPTY && empty)
                return place_error(&place, "must not be empty", err);
        return kinds[field->kind].read(value, &t, &place, err);
}

static int read_fields(const Json *v, const JsonField *fields, void *object, const Place *place, Error *err) {
        if (json_type(v) != JSON_OBJECT)
                return expected(place, "an object", v, err);
        for (const JsonField *f = fields; f->key; f++) {
                int r = read_field(v, f, object, place, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

int json_read(const Json *v, const JsonField *fields, void *object, Error *err) {
        int r = read_fields(v, fields, object, NULL, err);

        if (r < 0)
                json_clear(fields, object);
        return r;
}

int json_read_text(const char *text, size_t length, const JsonLimits *limits, const JsonField *fields,
                   void *object, Error *err) {
        cleanup_json Json *v = NULL;
        int r = json_parse(text, length, limits, &v, err);

        return r < 0 ? r : json_read(v, fields, object, err);
}

void json_clear(const JsonField *fields, void *object) {
        for (const JsonField *f = fields; f->key; f++) {
                Target t = target_of(f, object);

                if (kinds[f->kind].clear)
                        kinds[f->kind].clear(&t);
                if (kinds[f->kind].size > 0)
                        memset(t.member, 0, kinds[f->kind].size);
        }
}

/* ---- maps of strings ---- */

static bool find_key(const StrMap *map, const char *key, size_t *ret) {
        for (size_t i = 0; i < map->count; i++)
                if (strcmp(map->keys[i], key) == 0) {
                        *ret = i;
                        return true;
                }
        return false;
}

const char *str_map_get(const StrMap *map, const char *key) {
        size_t i;

        return find_key(map, key, &i) ? map->values[i] : NULL;
}

static void remove_entry(StrMap *map, size_t i) {
        free(map->keys[i]);
        free(map->values[i]);
        map->count--;
        memmove(map->keys + i, map->keys + i + 1, (map->count - i) * sizeof(char *));
        memmove(map->values + i, map->values + i + 1, (map->count - i) * sizeof(char *));
}

void str_map_set(StrMap *map, const char *key, const char *value) {
        char *copy;
        size_t i;

        if (find_key(map, key, &i)) {
                if (!value) {
                        remove_entry(map, i);
                        return;
                }
                copy = xstrdup(value);
                free(map->values[i]);
                map->values[i] = copy;
                return;
        }
        if (!value)
                return;
        map->keys = xreallocarray(map->keys, map->count + 1, sizeof(char *));
        map->values = xreallocarray(map->values, map->count + 1, sizeof(char *));
        map->keys[map->count] = xstrdup(key);
        map->values[map->count] = xstrdup(value);
        map->count++;
}
