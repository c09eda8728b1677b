/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From text to tree: yajl's events, our limits, our words.
 *
 * The limits are checked at each event, so a hostile text costs what was built until the first excess and no more.
 * yajl says where it stopped, which is after the token it stumbled over; find_token() goes back to where the token
 * begins, since that is the place a user looks for.
 *
 * What yajl makes of half a surrogate pair ("\ud800" alone, or before another escape) is a wrong character, but a
 * character: it stays in its string.
 */

#include "common/base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "common/base/json-tree.h"
#include "common/base/mem.h"

#define FOUND_MAX 24U /* bytes of the offending token that are shown */

typedef struct Parser {
        yajl_handle handle;
        const char *text;
        size_t length;
        JsonLimits limits;
        Json *root;
        Json **stack; /* the open containers; borrowed from the tree */
        unsigned depth, room;
        size_t values;
        size_t last;    /* where the last event ended */
        bool finishing; /* all text was fed: yajl's offset means nothing any more */
        int code;       /* why we stopped; 0: yajl did, or nobody */
        char *problem;
} Parser;

static size_t current_offset(const Parser *p) {
        return p->finishing ? p->length : yajl_get_bytes_consumed(p->handle);
}

__attribute__((format(printf, 3, 4))) static int stop(Parser *p, int code, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        p->problem = xvasprintf(format, ap);
        va_end(ap);
        p->code = code;
        return 0;
}

/* ---- events; 0 stops yajl ---- */

static int add_value(Parser *p, Json *v) {
        Json *top = p->depth > 0 ? p->stack[p->depth - 1] : NULL;

        if (!top)
                p->root = v;
        else if (top->type == JSON_ARRAY)
                json_append(top, v);
        else
                top->object.members[top->object.n_members - 1].value = v;
        if (++p->values > p->limits.values)
                return stop(p, E2BIG, "more than %zu values", p->limits.values);
        p->last = current_offset(p);
        return 1;
}

static int open_container(Parser *p, JsonType type) {
        Json *v;

        if (p->depth >= p->limits.depth)
                return stop(p, E2BIG, "nested deeper than %u levels", p->limits.depth);
        v = json_new(type);
        if (!add_value(p, v))
                return 0;
        if (p->depth == p->room) {
                p->room = p->room > 0 ? p->room * 2 : 16;
                p->stack = xreallocarray(p->stack, p->room, sizeof(Json *));
        }
        p->stack[p->depth++] = v;
        return 1;
}

static int close_container(Parser *p) {
        Json *v = p->stack[--p->depth];

        if (v->type == JSON_OBJECT)
                json_object_seal(v);
        p->last = current_offset(p);
        return 1;
}

static int on_null(void *userdata) {
        return add_value(userdata, json_new(JSON_NULL));
}

static int on_bool(void *userdata, int b) {
        return add_value(userdata, json_new_bool(b != 0));
}

static int on_number(void *userdata, const char *text, size_t length) {
        return add_value(userdata, json_new_number(text, length));
}

static int on_string(void *userdata, const unsigned char *text, size_t length) {
        if (memchr(text, '\0', length))
                return stop(userdata, EINVAL, "a string with a NUL character in it");
        return add_value(userdata, json_new_text((const char *)text, length));
}

static int on_key(void *userdata, const unsigned char *text, size_t length) {
        Parser *p = userdata;

        if (memchr(text, '\0', length))
                return stop(p, EINVAL, "a key with a NUL character in it");
        json_object_push(p->stack[p->depth - 1], (const char *)text, length, NULL);
        p->last = current_offset(p);
        return 1;
}

static int on_start_object(void *userdata) {
        return open_container(userdata, JSON_OBJECT);
}

static int on_start_array(void *userdata) {
        return open_container(userdata, JSON_ARRAY);
}

static int on_end(void *userdata) {
        return close_container(userdata);
}

static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_bool,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_start_object,
        .yajl_map_key = on_key,
        .yajl_end_map = on_end,
        .yajl_start_array = on_start_array,
        .yajl_end_array = on_end,
};

/* yajl does not look at what its allocator returns; ours does not return without memory. */
static void *allocate(void *userdata, size_t size) {
        (void)userdata;
        return xmalloc(size);
}

static void *reallocate(void *userdata, void *p, size_t size) {
        (void)userdata;
        return xreallocarray(p, size, 1);
}

static void release(void *userdata, void *p) {
        (void)userdata;
        free(p);
}

/* ---- errors ---- */

static size_t skip_comment(const Parser *p, size_t at, size_t end) {
        const char *text = p->text;

        if (!p->limits.comments || end - at < 2 || text[at] != '/')
                return at;
        if (text[at + 1] == '/') {
                const char *line = memchr(text + at, '\n', end - at);

                return line ? (size_t)(line - text) : end;
        }
        if (text[at + 1] == '*') {
                const char *close = memmem(text + at + 2, end - at - 2, "*/", 2);

                return close ? (size_t)(close - text) + 2 : at;
        }
        return at;
}

static size_t skip_blank(const Parser *p, size_t at, size_t end) {
        while (at < end) {
                size_t next =
                        strchr(" \t\r\n\f\v", p->text[at]) && p->text[at] ? at + 1 : skip_comment(p, at, end);

                if (next == at)
                        break;
                at = next;
        }
        return at;
}

/* Where the token that ends at END begins: behind the last event there can only be blanks, commas and colons
 * before it. */
static size_t find_token(const Parser *p, size_t end) {
        size_t at = skip_blank(p, p->last, end);

        while (at < end && (p->text[at] == ',' || p->text[at] == ':')) {
                size_t next = skip_blank(p, at + 1, end);

                if (next >= end)
                        break;
                at = next;
        }
        return at;
}

/* The token at AT as a message shows it: to its end, or to the end of the line. */
static char *show_token(const Parser *p, size_t at) {
        const char *s = p->text + at;
        size_t left = p->length - at, n = 1;

        if (*s == '"')
                while (n < left && s[n] != '"' && s[n] != '\n')
                        n++;
        else if (!strchr("{}[],:", *s))
                while (n < left && !strchr("{}[],:\" \t\r\n", s[n]))
                        n++;
        return str_printable(*s == '"' ? s + 1 : s, *s == '"' ? n - 1 : n, FOUND_MAX);
}

static int position_error(const Parser *p, int code, size_t at, const char *words, Error *err) {
        size_t line = 1, column = 1;

        for (size_t i = 0; i < at; i++) {
                if (p->text[i] == '\n') {
                        line++;
                        column = 1;
                } else if (((unsigned char)p->text[i] & 0xc0) != 0x80) {
                        column++;
                }
        }
        return error_set(err, code, "line %zu, column %zu: %s", line, column, words);
}

typedef struct Words {
        const char *fragment; /* of what yajl says */
        const char *words;
        bool found; /* add what was found there */
} Words;

static const char too_early[] = "the text ends too early; is it cut off?";

static const Words syntax_words[] = {
        { "premature EOF", too_early, false },
        { "invalid object key", "expected a key in double quotes", true },
        { "separated by a colon", "expected ':' after the key", true },
        { "inside map", "expected ',' or '}' after the value", true },
        { "after array element", "expected ',' or ']' after the value", true },
        { "unallowed token", "expected a value", true },
        { "trailing garbage", "expected nothing after the value", true },
        { "UTF8", "not valid UTF-8", false },
        { "occurs before", "unknown escape sequence in a string", false },
        { "invalid character inside string", "a control character in a string (write it as \\n or \\u00XX)",
          false },
        { "non-hex", "expected four hexadecimal digits after \\u", false },
        { "minus sign", "expected a digit after '-'", false },
        { "decimal point", "expected a digit after the decimal point", false },
        { "exponent", "expected a digit in the exponent", false },
        { "comment", "comments are not allowed here", false },
        { "invalid char", "not JSON", true },
        { "invalid string", "not JSON", true },
};

static const Words *find_words(yajl_handle handle) {
        unsigned char *said = yajl_get_error(handle, 0, NULL, 0);
        const Words *found = NULL;

        for (size_t i = 0; i < ELEMENTS_OF(syntax_words) && !found; i++)
                if (strstr((const char *)said, syntax_words[i].fragment))
                        found = &syntax_words[i];
        yajl_free_error(handle, said);
        return found;
}

static int unexpected_token(const Parser *p, size_t at, const char *words, Error *err) {
        cleanup_free char *found = show_token(p, at);
        cleanup_free char *whole = xasprintf("%s, found \"%s\"", words, found);

        return position_error(p, EINVAL, at, whole, err);
}

/* yajl does not see what follows the value if that is only the beginning of a token. */
static int check_end(const Parser *p, Error *err) {
        size_t at = skip_blank(p, p->last, p->length);

        return at < p->length ? unexpected_token(p, at, "expected nothing after the value", err) : 0;
}

static int syntax_error(const Parser *p, Error *err) {
        const Words *w = find_words(p->handle);
        size_t end = current_offset(p), at = find_token(p, end);

        if (p->finishing && p->root && p->depth == 0)
                return check_end(p, err);
        if (p->finishing || at >= p->length) /* all of it was fine so far */
                return position_error(p, EINVAL, p->length, too_early, err);
        if (at == 0 && p->length >= 3 && memcmp(p->text, "\xef\xbb\xbf", 3) == 0)
                return position_error(p, EINVAL, at, "not JSON: a byte order mark", err);
        if (w && !w->found)
                return position_error(p, EINVAL, end, w->words, err);
        return unexpected_token(p, at, w ? w->words : "not JSON", err);
}

static int parse_error(const Parser *p, Error *err) {
        if (p->code != 0)
                return position_error(p, p->code, find_token(p, current_offset(p)), p->problem, err);
        return syntax_error(p, err);
}

/* ---- the parser ---- */

static JsonLimits effective_limits(const JsonLimits *limits) {
        JsonLimits l = limits ? *limits : (JsonLimits){ 0 };

        if (l.bytes == 0)
                l.bytes = JSON_MAX_BYTES;
        if (l.depth == 0)
                l.depth = JSON_MAX_DEPTH;
        if (l.values == 0)
                l.values = JSON_MAX_VALUES;
        return l;
}

static int run_parser(Parser *p, Error *err) {
        yajl_status status;

        yajl_config(p->handle, yajl_allow_comments, p->limits.comments ? 1 : 0);
        yajl_config(p->handle, yajl_allow_trailing_garbage, p->limits.trailing ? 1 : 0);
        status = yajl_parse(p->handle, (const unsigned char *)p->text, p->length);
        if (status == yajl_status_ok) {
                p->finishing = true;
                status = yajl_complete_parse(p->handle);
        }
        if (status != yajl_status_ok)
                return parse_error(p, err);
        return p->limits.trailing ? 0 : check_end(p, err);
}

int json_parse(const char *text, size_t length, const JsonLimits *limits, Json **ret, Error *err) {
        yajl_alloc_funcs allocator = { .malloc = allocate, .realloc = reallocate, .free = release };
        Parser p = { .text = text, .length = length, .limits = effective_limits(limits) };
        int r;

        if (length > p.limits.bytes)
                return error_set(err, E2BIG, "%zu bytes are too many: at most %zu are read", length,
                                 p.limits.bytes);
        p.handle = yajl_alloc(&callbacks, &allocator, &p);
        r = run_parser(&p, err);
        yajl_free(p.handle);
        free(p.stack);
        free(p.problem);
        if (r < 0) {
                json_free(p.root);
                return r;
        }
        *ret = p.root;
        return 0;
}
