/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON, both ways, by table.
 *
 * json_parse() makes a tree of untrusted text, within limits. A table of JsonField describes a C struct once; the
 * same table reads it out of a tree, writes it, frees it, and names the place in an error ("process.user.uid:
 * expected an unsigned integer, found a string"). json.c is the only file that knows yajl.
 *
 * Rules of reading (they are Go's encoding/json as far as OCI tools count on it): unknown keys are ignored, `null`
 * counts as absent, the last of two equal keys wins, numbers must be integers written as such, strings with a NUL
 * in them are refused.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/str.h"

/* ---- trees ---- */

typedef struct Json Json;

typedef enum JsonType {
        JSON_NULL,
        JSON_BOOL,
        JSON_NUMBER,
        JSON_STRING,
        JSON_ARRAY,
        JSON_OBJECT,
        _JSON_TYPE_MAX,
} JsonType;

typedef struct JsonLimits {
        size_t bytes;   /* longest text; 0: JSON_MAX_BYTES */
        unsigned depth; /* deepest nesting; 0: JSON_MAX_DEPTH */
        size_t values;  /* most values in the tree; 0: JSON_MAX_VALUES */
        bool comments;  /* allow C and C++ comments (configuration files) */
        bool trailing;  /* stop after the first value and ignore what follows (streams) */
} JsonLimits;

#define JSON_MAX_BYTES  (16U << 20)
#define JSON_MAX_DEPTH  64U
#define JSON_MAX_VALUES (1U << 20)

/* Parses LENGTH bytes (no terminator needed). LIMITS may be NULL. Errors are EINVAL (with line and column) or E2BIG,
 * without the name of the source: the caller prefixes it. The tree is owned by the caller. */
int json_parse(const char *text, size_t length, const JsonLimits *limits, Json **ret, Error *err);
Json *json_free(Json *v);
Json *json_copy(const Json *v);
DEFINE_CLEANUP(Json *, json_free);
#define cleanup_json cleanup(json_freep)

JsonType json_type(const Json *v);         /* NULL counts as JSON_NULL */
const char *json_type_name(JsonType type); /* "a string", "an object", ... */

/* Look-ups; all take NULL and other types and then answer NULL or 0. */
const Json *json_get(const Json *object, const char *key);
size_t json_count(const Json *v);                   /* items or members */
const Json *json_item(const Json *v, size_t i);     /* item, or value of the i-th member */
const char *json_key(const Json *object, size_t i); /* key of the i-th member */
const char *json_string(const Json *v);             /* NULL unless a string */
bool json_bool(const Json *v);                      /* false unless `true` */
bool json_int64(const Json *v, int64_t *ret);
bool json_uint64(const Json *v, uint64_t *ret);
const char *json_number_text(const Json *v); /* as written, of a number neither of the two can hold */

/* Construction and change, for rewriting a document (the guest's config.json). Values passed in are taken over. */
Json *json_new_object(void);
Json *json_new_array(void);
Json *json_new_string(const char *s); /* NULL: null */
Json *json_new_bool(bool b);
Json *json_new_int64(int64_t n);
Json *json_new_uint64(uint64_t n);
void json_set(Json *object, const char *key, Json *value); /* replaces; value NULL removes the key */
void json_append(Json *array, Json *value);

/* ---- tables ---- */

/* Optional scalars: absent is different from zero. */
typedef struct OptBool {
        bool set, value;
} OptBool;
typedef struct OptInt64 {
        bool set;
        int64_t value;
} OptInt64;
typedef struct OptUint64 {
        bool set;
        uint64_t value;
} OptUint64;
typedef struct OptUint32 {
        bool set;
        uint32_t value;
} OptUint32;

/* A map of strings (annotations, sysctl, environment), in the order of the document. */
typedef struct StrMap {
        size_t count;
        char **keys;
        char **values;
} StrMap;

const char *str_map_get(const StrMap *map, const char *key);       /* NULL if absent */
void str_map_set(StrMap *map, const char *key, const char *value); /* copies; value NULL removes */

typedef enum JsonKind {
        JSON_KIND_STRING,       /* char * */
        JSON_KIND_BOOL,         /* bool */
        JSON_KIND_OPT_BOOL,     /* OptBool */
        JSON_KIND_INT32,        /* int32_t */
        JSON_KIND_INT64,        /* int64_t */
        JSON_KIND_UINT32,       /* uint32_t */
        JSON_KIND_UINT64,       /* uint64_t */
        JSON_KIND_OPT_INT64,    /* OptInt64 */
        JSON_KIND_OPT_UINT64,   /* OptUint64 */
        JSON_KIND_OPT_UINT32,   /* OptUint32 */
        JSON_KIND_STRV,         /* char ** (NULL when absent; allocated, maybe empty, when present) */
        JSON_KIND_UINT32_ARRAY, /* uint32_t * and size_t at count_offset */
        JSON_KIND_STRING_MAP,   /* StrMap */
        JSON_KIND_OBJECT,       /* embedded struct */
        JSON_KIND_OBJECT_PTR,   /* struct *, NULL when absent */
        JSON_KIND_ARRAY,        /* array of structs: T * and size_t at count_offset */
        JSON_KIND_RAW,          /* Json *: the subtree as it is (copied), NULL when absent */
        _JSON_KIND_MAX,
} JsonKind;

#define JSON_REQUIRED   (1U << 0) /* must be present */
#define JSON_NONEMPTY   (1U << 1) /* a string, array or map that is present must not be empty */
#define JSON_WRITE_ZERO (1U << 2) /* written even when zero, false, empty (default: left out) */
#define JSON_SECRET     (1U << 3) /* never printed by `carrel config` or logs */

typedef struct JsonField JsonField;
struct JsonField {
        const char *key; /* NULL ends a table */
        JsonKind kind;
        unsigned flags;
        size_t offset;
        size_t count_offset;     /* UINT32_ARRAY, ARRAY: where the size_t count is */
        const JsonField *fields; /* OBJECT, OBJECT_PTR, ARRAY: table of the struct */
        size_t size;             /* OBJECT_PTR, ARRAY: sizeof the struct */
        const char *doc;         /* one line for `carrel config` and the man page; may be NULL */
};

/* { JSON_FIELD(OciUser, uid, "uid", JSON_KIND_UINT32), .flags = JSON_REQUIRED }, */
#define JSON_FIELD(type, member, name, kind_) .key = (name), .kind = (kind_), .offset = offsetof(type, member)
/* Embedded struct: { JSON_OBJECT_FIELD(OciProcess, user, "user", oci_user_fields) }, */
#define JSON_OBJECT_FIELD(type, member, name, table)                                                         \
        .key = (name), .kind = JSON_KIND_OBJECT, .offset = offsetof(type, member), .fields = (table),        \
        .size = sizeof(((type *)0)->member)
/* Pointer to struct. */
#define JSON_OBJECT_PTR_FIELD(type, member, name, table)                                                     \
        .key = (name), .kind = JSON_KIND_OBJECT_PTR, .offset = offsetof(type, member), .fields = (table),    \
        .size = sizeof(*((type *)0)->member)
/* `T *member; size_t n_member;` */
#define JSON_ARRAY_FIELD(type, member, name, table)                                                          \
        .key = (name), .kind = JSON_KIND_ARRAY, .offset = offsetof(type, member),                            \
        .count_offset = offsetof(type, n_##member), .fields = (table), .size = sizeof(*((type *)0)->member)
/* `uint32_t *member; size_t n_member;` */
#define JSON_UINT32_ARRAY_FIELD(type, member, name)                                                          \
        .key = (name), .kind = JSON_KIND_UINT32_ARRAY, .offset = offsetof(type, member),                     \
        .count_offset = offsetof(type, n_##member)

/* Fills *object (zeroed by the caller) from the object V. On failure *object is cleared again. */
int json_read(const Json *v, const JsonField *fields, void *object, Error *err);
/* json_parse() and json_read() in one. */
int json_read_text(const char *text, size_t length, const JsonLimits *limits, const JsonField *fields,
                   void *object, Error *err);
/* Frees everything the table owns and zeroes the fields. Safe on a zeroed object. */
void json_clear(const JsonField *fields, void *object);

/* ---- writing ---- */

typedef struct JsonWriter {
        StrBuf out;
        unsigned depth;
        bool pretty; /* two spaces a level, like Go's MarshalIndent(..., "", "  ") */
        bool need_comma;
        bool after_key;
} JsonWriter;

void json_begin_object(JsonWriter *w);
void json_end_object(JsonWriter *w);
void json_begin_array(JsonWriter *w);
void json_end_array(JsonWriter *w);
void json_write_key(JsonWriter *w, const char *key);
void json_write_string(JsonWriter *w, const char *s); /* NULL: null */
void json_write_bool(JsonWriter *w, bool b);
void json_write_int64(JsonWriter *w, int64_t n);
void json_write_uint64(JsonWriter *w, uint64_t n);
void json_write_null(JsonWriter *w);
void json_write_tree(JsonWriter *w, const Json *v);
/* A whole struct as an object. Invalid UTF-8 in strings is replaced by U+FFFD. */
void json_write(JsonWriter *w, const JsonField *fields, const void *object);

/* Shorthands: text of a struct or a tree, owned by the caller. */
char *json_to_text(const JsonField *fields, const void *object, bool pretty);
char *json_tree_to_text(const Json *v, bool pretty);
/* A struct as a tree (to be embedded in another document). */
Json *json_to_tree(const JsonField *fields, const void *object);
