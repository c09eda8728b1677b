/* SPDX-License-Identifier: Apache-2.0 */

/* From struct or tree to text. What json-table.c reads, this writes; absent and zero fields are left out unless the
 * table says otherwise, so that reading it again gives the same struct. */

#include "common/base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/utf8.h"

/* ---- tokens ---- */

static void new_line(JsonWriter *w) {
        if (!w->pretty)
                return;
        strbuf_putc(&w->out, '\n');
        for (unsigned i = 0; i < w->depth; i++)
                strbuf_puts(&w->out, "  ");
}

/* What goes in front of a value or a key: a comma, a line of its own. */
static void begin_item(JsonWriter *w) {
        if (w->after_key) {
                w->after_key = false;
                return;
        }
        if (w->need_comma)
                strbuf_putc(&w->out, ',');
        if (w->depth > 0)
                new_line(w);
}

static void begin_container(JsonWriter *w, char bracket) {
        begin_item(w);
        strbuf_putc(&w->out, bracket);
        w->depth++;
        w->need_comma = false;
}

static void end_container(JsonWriter *w, char bracket) {
        w->depth--;
        if (w->need_comma)
                new_line(w);
        strbuf_putc(&w->out, bracket);
        w->need_comma = true;
}

void json_begin_object(JsonWriter *w) {
        begin_container(w, '{');
}

void json_end_object(JsonWriter *w) {
        end_container(w, '}');
}

void json_begin_array(JsonWriter *w) {
        begin_container(w, '[');
}

void json_end_array(JsonWriter *w) {
        end_container(w, ']');
}

static void write_escape(StrBuf *b, char c) {
        static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: character, letter */

        for (const char *l = letters; *l; l += 2)
                if (*l == c) {
                        strbuf_putc(b, '\\');
                        strbuf_putc(b, l[1]);
                        return;
                }
        strbuf_printf(b, "\\u%04x", (unsigned char)c);
}

static void write_quoted(StrBuf *b, const char *s) {
        size_t left = strlen(s), plain = 0;

        strbuf_putc(b, '"');
        while (left > 0) {
                size_t n = utf8_length(s + plain, left);
                char c = s[plain];

                if (n > 0 && (unsigned char)c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
                        plain += n;
                        left -= n;
                        continue;
                }
                strbuf_append(b, s, plain);
                if (n > 0)
                        write_escape(b, c);
                else
                        strbuf_puts(b, UTF8_REPLACEMENT);
                s += plain + 1;
                plain = 0;
                left--;
        }
        strbuf_append(b, s, plain);
        strbuf_putc(b, '"');
}

void json_write_key(JsonWriter *w, const char *key) {
        begin_item(w);
        write_quoted(&w->out, key);
        strbuf_puts(&w->out, w->pretty ? ": " : ":");
        w->need_comma = true;
        w->after_key = true;
}

static void write_literal(JsonWriter *w, const char *text) {
        begin_item(w);
        strbuf_puts(&w->out, text);
        w->need_comma = true;
}

void json_write_string(JsonWriter *w, const char *s) {
        if (!s) {
                json_write_null(w);
                return;
        }
        begin_item(w);
        write_quoted(&w->out, s);
        w->need_comma = true;
}

void json_write_bool(JsonWriter *w, bool b) {
        write_literal(w, b ? "true" : "false");
}

void json_write_int64(JsonWriter *w, int64_t n) {
        begin_item(w);
        strbuf_printf(&w->out, "%" PRId64, n);
        w->need_comma = true;
}

void json_write_uint64(JsonWriter *w, uint64_t n) {
        begin_item(w);
        strbuf_printf(&w->out, "%" PRIu64, n);
        w->need_comma = true;
}

void json_write_null(JsonWriter *w) {
        write_literal(w, "null");
}

/* ---- trees ---- */

static void write_number(JsonWriter *w, const Json *v) {
        int64_t n;
        uint64_t u;

        if (json_int64(v, &n))
                json_write_int64(w, n);
        else if (json_uint64(v, &u))
                json_write_uint64(w, u);
        else
                write_literal(w, json_number_text(v));
}

static void write_members(JsonWriter *w, const Json *v) {
        json_begin_object(w);
        for (size_t i = 0; i < json_count(v); i++) {
                json_write_key(w, json_key(v, i));
                json_write_tree(w, json_item(v, i));
        }
        json_end_object(w);
}

static void write_items(JsonWriter *w, const Json *v) {
        json_begin_array(w);
        for (size_t i = 0; i < json_count(v); i++)
                json_write_tree(w, json_item(v, i));
        json_end_array(w);
}

void json_write_tree(JsonWriter *w, const Json *v) {
        switch (json_type(v)) {
        case JSON_BOOL:
                json_write_bool(w, json_bool(v));
                break;
        case JSON_NUMBER:
                write_number(w, v);
                break;
        case JSON_STRING:
                json_write_string(w, json_string(v));
                break;
        case JSON_ARRAY:
                write_items(w, v);
                break;
        case JSON_OBJECT:
                write_members(w, v);
                break;
        case JSON_NULL:
        case _JSON_TYPE_MAX:
                json_write_null(w);
                break;
        }
}

/* ---- tables ---- */

static const void *member_of(const JsonField *f, const void *object) {
        return (const char *)object + f->offset;
}

static size_t count_of(const JsonField *f, const void *object) {
        return *(const size_t *)((const char *)object + f->count_offset);
}

static bool is_empty_struct(const JsonField *fields, const void *object);

/* Zero, false, empty, absent. */
static bool is_empty(const JsonField *f, const void *object) {
        const void *m = member_of(f, object);

        switch (f->kind) {
        case JSON_KIND_BOOL:
                return !*(const bool *)m;
        case JSON_KIND_OPT_BOOL:
                return !((const OptBool *)m)->set;
        case JSON_KIND_INT32:
        case JSON_KIND_UINT32:
                return *(const uint32_t *)m == 0;
        case JSON_KIND_INT64:
        case JSON_KIND_UINT64:
                return *(const uint64_t *)m == 0;
        case JSON_KIND_OPT_INT64:
                return !((const OptInt64 *)m)->set;
        case JSON_KIND_OPT_UINT64:
                return !((const OptUint64 *)m)->set;
        case JSON_KIND_OPT_UINT32:
                return !((const OptUint32 *)m)->set;
        case JSON_KIND_STRV:
                return strv_length(*(char *const *const *)m) == 0;
        case JSON_KIND_UINT32_ARRAY:
        case JSON_KIND_ARRAY:
                return count_of(f, object) == 0;
        case JSON_KIND_STRING_MAP:
                return ((const StrMap *)m)->count == 0;
        case JSON_KIND_OBJECT:
                return is_empty_struct(f->fields, m);
        case JSON_KIND_STRING:
        case JSON_KIND_OBJECT_PTR:
        case JSON_KIND_RAW:
        case _JSON_KIND_MAX:
                break;
        }
        return !*(const void *const *)m;
}

static bool is_written(const JsonField *f, const void *object) {
        return f->flags & (JSON_WRITE_ZERO | JSON_REQUIRED) || !is_empty(f, object);
}

static bool is_empty_struct(const JsonField *fields, const void *object) {
        for (const JsonField *f = fields; f->key; f++)
                if (!is_empty(f, object))
                        return false;
        return true;
}

static void write_strv(JsonWriter *w, char *const *strv) {
        json_begin_array(w);
        STRV_FOR_EACH (s, strv)
                json_write_string(w, *s);
        json_end_array(w);
}

static void write_uint32_array(JsonWriter *w, const uint32_t *numbers, size_t count) {
        json_begin_array(w);
        for (size_t i = 0; i < count; i++)
                json_write_uint64(w, numbers[i]);
        json_end_array(w);
}

static void write_string_map(JsonWriter *w, const StrMap *map) {
        json_begin_object(w);
        for (size_t i = 0; i < map->count; i++) {
                json_write_key(w, map->keys[i]);
                json_write_string(w, map->values[i]);
        }
        json_end_object(w);
}

static void write_array(JsonWriter *w, const JsonField *f, const char *objects, size_t count) {
        json_begin_array(w);
        for (size_t i = 0; i < count; i++)
                json_write(w, f->fields, objects + i * f->size);
        json_end_array(w);
}

static void write_object_ptr(JsonWriter *w, const JsonField *f, const void *object) {
        if (object)
                json_write(w, f->fields, object);
        else
                json_write_null(w);
}

/* Only reached when set, or when the table wants it written regardless: then an unset one is null. */
static void write_optional(JsonWriter *w, const JsonField *f, const void *object) {
        const void *m = member_of(f, object);

        if (is_empty(f, object))
                json_write_null(w);
        else if (f->kind == JSON_KIND_OPT_BOOL)
                json_write_bool(w, ((const OptBool *)m)->value);
        else if (f->kind == JSON_KIND_OPT_INT64)
                json_write_int64(w, ((const OptInt64 *)m)->value);
        else if (f->kind == JSON_KIND_OPT_UINT64)
                json_write_uint64(w, ((const OptUint64 *)m)->value);
        else
                json_write_uint64(w, ((const OptUint32 *)m)->value);
}

static void write_value(JsonWriter *w, const JsonField *f, const void *object) {
        const void *m = member_of(f, object);

        switch (f->kind) {
        case JSON_KIND_STRING:
                json_write_string(w, *(const char *const *)m);
                break;
        case JSON_KIND_BOOL:
                json_write_bool(w, *(const bool *)m);
                break;
        case JSON_KIND_INT32:
                json_write_int64(w, *(const int32_t *)m);
                break;
        case JSON_KIND_INT64:
                json_write_int64(w, *(const int64_t *)m);
                break;
        case JSON_KIND_UINT32:
                json_write_uint64(w, *(const uint32_t *)m);
                break;
        case JSON_KIND_UINT64:
                json_write_uint64(w, *(const uint64_t *)m);
                break;
        case JSON_KIND_OPT_BOOL:
        case JSON_KIND_OPT_INT64:
        case JSON_KIND_OPT_UINT64:
        case JSON_KIND_OPT_UINT32:
                write_optional(w, f, object);
                break;
        case JSON_KIND_STRV:
                write_strv(w, *(char *const *const *)m);
                break;
        case JSON_KIND_UINT32_ARRAY:
                write_uint32_array(w, *(const uint32_t *const *)m, count_of(f, object));
                break;
        case JSON_KIND_STRING_MAP:
                write_string_map(w, m);
                break;
        case JSON_KIND_OBJECT:
                json_write(w, f->fields, m);
                break;
        case JSON_KIND_OBJECT_PTR:
                write_object_ptr(w, f, *(const void *const *)m);
                break;
        case JSON_KIND_ARRAY:
                write_array(w, f, *(const char *const *)m, count_of(f, object));
                break;
        case JSON_KIND_RAW:
                json_write_tree(w, *(const Json *const *)m);
                break;
        case _JSON_KIND_MAX:
                break;
        }
}

void json_write(JsonWriter *w, const JsonField *fields, const void *object) {
        json_begin_object(w);
        for (const JsonField *f = fields; f->key; f++) {
                if (!is_written(f, object))
                        continue;
                json_write_key(w, f->key);
                write_value(w, f, object);
        }
        json_end_object(w);
}

/* ---- shorthands ---- */

char *json_to_text(const JsonField *fields, const void *object, bool pretty) {
        JsonWriter w = { .pretty = pretty };

        json_write(&w, fields, object);
        return strbuf_take(&w.out);
}

char *json_tree_to_text(const Json *v, bool pretty) {
        JsonWriter w = { .pretty = pretty };

        json_write_tree(&w, v);
        return strbuf_take(&w.out);
}

/* By way of the text: the writer is the one place that knows how a field is put. */
Json *json_to_tree(const JsonField *fields, const void *object) {
        const JsonLimits none = { .bytes = SIZE_MAX, .depth = UINT32_MAX, .values = SIZE_MAX };
        cleanup_free char *text = json_to_text(fields, object, false);
        cleanup_error Error err = { 0 };
        Json *v = NULL;

        if (json_parse(text, strlen(text), &none, &v, &err) < 0)
                abort();
        return v;
}
