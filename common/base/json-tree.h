/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a Json is made of: for json.c and json-tree.c alone. Everybody else uses json.h. */

#include "common/base/json.h"

typedef enum JsonNumber {
        JSON_NUMBER_INT64,
        JSON_NUMBER_UINT64, /* only above INT64_MAX */
        JSON_NUMBER_TEXT,   /* fractions, exponents, and integers of more than 64 bits: as written */
} JsonNumber;

typedef struct JsonMember {
        char *key;
        Json *value;
        uint32_t hash; /* of the key */
} JsonMember;

/* An entry of the index of a large object: sorted by hash, then key. */
typedef struct JsonSlot {
        uint32_t hash;
        uint32_t index;
} JsonSlot;

struct Json {
        JsonType type;
        JsonNumber number;
        union {
                bool boolean;
                int64_t int64;
                uint64_t uint64;
                char *text; /* strings and JSON_NUMBER_TEXT */
                struct {
                        Json **items;
                        size_t n_items;
                        size_t room; /* items there is space for */
                } array;
                struct {
                        JsonMember *members;
                        JsonSlot *index; /* NULL: look-ups walk the members */
                        uint32_t n_members;
                        uint32_t room;
                } object;
        };
};

Json *json_new(JsonType type);
/* A number from its text, which must be one by the rules of JSON. */
Json *json_new_number(const char *text, size_t length);
/* A string whose text has no NUL in it; what is not UTF-8 becomes U+FFFD. */
Json *json_new_text(const char *text, size_t length);

/* Adds a member without a look for an equal key; the key is copied, the value may be filled in later. */
void json_object_push(Json *object, const char *key, size_t length, Json *value);
/* After the last push: drops all but the last of equal keys, and prepares look-ups. */
void json_object_seal(Json *object);
