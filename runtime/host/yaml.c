/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Events of libyaml come in, and the values that are open lie on a stack. A value goes into its parent when it is
 * whole, so the tree belongs to the stack until the end; an object keeps the key that waits for its value. What costs
 * more than its text (aliases) is not taken, and what is taken is counted.
 */
#include "runtime/host/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/base/mem.h"

#define DEPTH_MAX 64U
#define SHOWN_MAX 64U /* bytes of a key that a message shows */

typedef struct Open {
        Json *value;
        char *key; /* of an object: waits for its value; NULL: a key comes next */
} Open;

typedef struct Reader {
        JsonLimits limits;
        Open stack[DEPTH_MAX];
        unsigned depth;
        size_t values;
        Json *root;
        yaml_event_t event; /* the current one */
        Error *err;
} Reader;

__attribute__((format(printf, 3, 4))) static int fail(Reader *r, int code, const char *format, ...) {
        cleanup_free char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = xvasprintf(format, ap);
        va_end(ap);
        return error_set(r->err, code, "line %zu, column %zu: %s", r->event.start_mark.line + 1,
                         r->event.start_mark.column + 1, text);
}

/* Takes VALUE over. */
static void put(Reader *r, Json *value) {
        Open *top = r->depth > 0 ? &r->stack[r->depth - 1] : NULL;

        if (!top) {
                r->root = value;
        } else if (json_type(top->value) == JSON_ARRAY) {
                json_append(top->value, value);
        } else {
                json_set(top->value, top->key, value);
                free(TAKE_PTR(top->key));
        }
}

static int count(Reader *r) {
        return ++r->values > r->limits.values ? fail(r, E2BIG, "more than %zu values", r->limits.values) : 0;
}

/* An object whose next event is a key, or NULL. */
static Open *waiting_object(Reader *r) {
        Open *top = r->depth > 0 ? &r->stack[r->depth - 1] : NULL;

        return top && json_type(top->value) == JSON_OBJECT && !top->key ? top : NULL;
}

static int open_value(Reader *r, JsonType type, const yaml_char_t *tag) {
        if (tag)
                return fail(r, EINVAL, "a tag, which is not taken here");
        if (waiting_object(r))
                return fail(r, EINVAL, "a key that is no scalar");
        if (r->depth >= r->limits.depth)
                return fail(r, E2BIG, "nested deeper than %u levels", r->limits.depth);
        r->stack[r->depth++] = (Open){ .value = type == JSON_ARRAY ? json_new_array() : json_new_object() };
        return count(r);
}

static int close_value(Reader *r) {
        Json *value = r->stack[--r->depth].value;

        r->stack[r->depth].value = NULL;
        put(r, value);
        return 0;
}

/* ---- scalars ---- */

static Json *plain_value(const char *text) {
        const char *digits = text + (*text == '-');
        uint64_t number;

        if (!*text || streq(text, "~") || streq(text, "null") || streq(text, "Null") || streq(text, "NULL"))
                return json_new_string(NULL);
        if (streq(text, "true") || streq(text, "True") || streq(text, "TRUE"))
                return json_new_bool(true);
        if (streq(text, "false") || streq(text, "False") || streq(text, "FALSE"))
                return json_new_bool(false);
        /* 0666 is octal to some and decimal to others: it stays what it looks like */
        if ((*digits == '0' && digits[1]) || !str_to_u64(digits, 10, INT64_MAX, &number))
                return json_new_string(text);
        return json_new_int64(*text == '-' ? -(int64_t)number : (int64_t)number);
}

static int take_key(Reader *r, Open *object, const char *text) {
        if (json_get(object->value, text)) {
                cleanup_free char *shown = str_printable(text, strlen(text), SHOWN_MAX);

                return fail(r, EINVAL, "key %s comes twice", shown);
        }
        object->key = xstrdup(text);
        return 0;
}

static int on_scalar(Reader *r) {
        const char *text = (const char *)r->event.data.scalar.value;
        const char *tag = (const char *)r->event.data.scalar.tag;
        Open *object = waiting_object(r);
        bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tag;

        if (tag && !streq(tag, YAML_STR_TAG))
                return fail(r, EINVAL, "a tag, which is not taken here");
        if (memchr(text, '\0', r->event.data.scalar.length))
                return fail(r, EINVAL, "a string with a NUL character in it");
        if (object)
                return take_key(r, object, text);
        if (count(r) < 0)
                return -r->err->code;
        put(r, plain ? plain_value(text) : json_new_string(text));
        return 0;
}

static int on_event(Reader *r) {
        switch (r->event.type) {
        case YAML_SCALAR_EVENT:
                return on_scalar(r);
        case YAML_SEQUENCE_START_EVENT:
                return open_value(r, JSON_ARRAY, r->event.data.sequence_start.tag);
        case YAML_MAPPING_START_EVENT:
                return open_value(r, JSON_OBJECT, r->event.data.mapping_start.tag);
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
                return close_value(r);
        case YAML_ALIAS_EVENT:
                return fail(r, EINVAL, "an alias, which is not taken here; write the value out");
        case YAML_DOCUMENT_START_EVENT:
                return r->root ? fail(r, EINVAL, "a second document") : 0;
        case YAML_NO_EVENT:
        case YAML_STREAM_START_EVENT:
        case YAML_STREAM_END_EVENT:
        case YAML_DOCUMENT_END_EVENT:
                break;
        }
        return 0;
}

/* ---- the text ---- */

static int describe_problem(const yaml_parser_t *parser, Error *err) {
        return error_set(err, EINVAL, "line %zu, column %zu: %s", parser->problem_mark.line + 1,
                         parser->problem_mark.column + 1,
                         parser->problem ? parser->problem : "this is no YAML");
}

static int read_all(Reader *r, yaml_parser_t *parser) {
        bool done = false;
        int result = 0;

        while (!done && result >= 0) {
                if (!yaml_parser_parse(parser, &r->event))
                        return describe_problem(parser, r->err);
                done = r->event.type == YAML_STREAM_END_EVENT;
                result = on_event(r);
                yaml_event_delete(&r->event);
        }
        return result;
}

static void reader_done(Reader *r) {
        for (unsigned i = 0; i < r->depth; i++) {
                json_free(r->stack[i].value);
                free(r->stack[i].key);
        }
        json_free(r->root);
}

int yaml_to_json(const char *text, size_t length, const JsonLimits *limits, Json **ret, Error *err) {
        cleanup(reader_done) Reader r = { .limits = *limits, .err = err };
        yaml_parser_t parser;
        int result;

        if (length > limits->bytes)
                return error_set(err, E2BIG, "longer than %zu bytes", limits->bytes);
        if (r.limits.depth == 0 || r.limits.depth > DEPTH_MAX)
                r.limits.depth = DEPTH_MAX;
        if (!yaml_parser_initialize(&parser))
                return error_set(err, ENOMEM, "libyaml does not start");
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        result = read_all(&r, &parser);
        yaml_parser_delete(&parser);
        if (result < 0)
                return result;
        if (!r.root)
                return error_set(err, EINVAL, "there is nothing in it");
        *ret = TAKE_PTR(r.root);
        return 0;
}
