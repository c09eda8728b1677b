/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/json-tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/utf8.h"

/* Objects of more members than this get an index: a hostile document must not cost quadratic time. */
#define INDEX_FROM 16U

/* ---- construction ---- */

Json *json_new(JsonType type) {
        Json *v = xnew(Json, 1);

        v->type = type;
        return v;
}

Json *json_new_object(void) {
        return json_new(JSON_OBJECT);
}

Json *json_new_array(void) {
        return json_new(JSON_ARRAY);
}

Json *json_new_text(const char *text, size_t length) {
        Json *v = json_new(JSON_STRING);

        v->text = utf8_clean(text, length);
        return v;
}

Json *json_new_string(const char *s) {
        return s ? json_new_text(s, strlen(s)) : json_new(JSON_NULL);
}

Json *json_new_bool(bool b) {
        Json *v = json_new(JSON_BOOL);

        v->boolean = b;
        return v;
}

Json *json_new_int64(int64_t n) {
        Json *v = json_new(JSON_NUMBER);

        v->number = JSON_NUMBER_INT64;
        v->int64 = n;
        return v;
}

Json *json_new_uint64(uint64_t n) {
        Json *v;

        if (n <= INT64_MAX)
                return json_new_int64((int64_t)n);
        v = json_new(JSON_NUMBER);
        v->number = JSON_NUMBER_UINT64;
        v->uint64 = n;
        return v;
}

Json *json_new_number(const char *text, size_t length) {
        char *copy = xstrndup(text, length), *end;
        long long number;
        unsigned long long magnitude;
        Json *v;

        errno = 0;
        number = strtoll(copy, &end, 10);
        if (!*end && errno == 0) {
                free(copy);
                return json_new_int64(number);
        }
        errno = 0;
        magnitude = strtoull(copy, &end, 10);
        if (!*end && errno == 0 && *copy != '-') {
                free(copy);
                return json_new_uint64(magnitude);
        }
        v = json_new(JSON_NUMBER);
        v->number = JSON_NUMBER_TEXT;
        v->text = copy;
        return v;
}

/* ---- objects ---- */

/* FNV-1a: cheap and even. Collisions made on purpose cost string comparisons, no more. */
static uint32_t hash_key(const char *key) {
        uint32_t hash = 2166136261U;

        for (; *key; key++)
                hash = (hash ^ (unsigned char)*key) * 16777619U;
        return hash;
}

void json_object_push(Json *object, const char *key, size_t length, Json *value) {
        JsonMember *m;

        if (object->object.n_members == object->object.room) {
                uint32_t room = object->object.room > 0 ? object->object.room * 2 : 4;

                object->object.members = xreallocarray(object->object.members, room, sizeof(JsonMember));
                object->object.room = room;
        }
        m = &object->object.members[object->object.n_members++];
        m->key = utf8_clean(key, length);
        m->value = value;
        m->hash = hash_key(m->key);
}

static int compare_slots(const void *a, const void *b, void *userdata) {
        const JsonMember *members = userdata;
        const JsonSlot *x = a, *y = b;
        int order;

        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        order = strcmp(members[x->index].key, members[y->index].key);
        if (order != 0)
                return order;
        return x->index < y->index ? -1 : x->index > y->index;
}

static void build_index(Json *object) {
        uint32_t n = object->object.n_members;

        free(object->object.index);
        object->object.index = xnew(JsonSlot, n);
        for (uint32_t i = 0; i < n; i++)
                object->object.index[i] = (JsonSlot){ object->object.members[i].hash, i };
        qsort_r(object->object.index, n, sizeof(JsonSlot), compare_slots, object->object.members);
}

static void drop_index(Json *object) {
        free(object->object.index);
        object->object.index = NULL;
}

static void clear_member(JsonMember *m) {
        free(m->key);
        json_free(m->value);
        *m = (JsonMember){ 0 };
}

static bool same_key(const JsonMember *a, const JsonMember *b) {
        return a->hash == b->hash && strcmp(a->key, b->key) == 0;
}

/* Closes the gaps that clear_member() left. */
static void compact(Json *object) {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < object->object.n_members; i++)
                if (object->object.members[i].key)
                        object->object.members[kept++] = object->object.members[i];
        object->object.n_members = kept;
}

static void seal_small(Json *object) {
        JsonMember *members = object->object.members;
        bool changed = false;

        for (uint32_t i = 0; i < object->object.n_members; i++)
                for (uint32_t k = i + 1; k < object->object.n_members; k++)
                        if (same_key(&members[i], &members[k])) {
                                clear_member(&members[i]);
                                changed = true;
                                break;
                        }
        if (changed)
                compact(object);
}

void json_object_seal(Json *object) {
        JsonMember *members = object->object.members;
        uint32_t n = object->object.n_members;
        bool changed = false;

        if (n <= INDEX_FROM) {
                seal_small(object);
                return;
        }
        build_index(object);
        for (uint32_t i = 0; i + 1 < n; i++) {
                JsonMember *m = &members[object->object.index[i].index];

                if (same_key(m, &members[object->object.index[i + 1].index])) {
                        clear_member(m);
                        changed = true;
                }
        }
        if (!changed)
                return;
        compact(object);
        build_index(object);
}

static JsonMember *find_indexed(const Json *object, const char *key, uint32_t hash) {
        const JsonSlot *index = object->object.index;
        uint32_t low = 0, high = object->object.n_members;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (index[middle].hash < hash)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < object->object.n_members && index[low].hash == hash; low++) {
                JsonMember *m = &object->object.members[index[low].index];

                if (strcmp(m->key, key) == 0)
                        return m;
        }
        return NULL;
}

static JsonMember *find_member(const Json *object, const char *key) {
        uint32_t hash = hash_key(key);

        if (object->object.index)
                return find_indexed(object, key, hash);
        for (uint32_t i = 0; i < object->object.n_members; i++) {
                JsonMember *m = &object->object.members[i];

                if (m->hash == hash && strcmp(m->key, key) == 0)
                        return m;
        }
        return NULL;
}

void json_set(Json *object, const char *key, Json *value) {
        JsonMember *m = find_member(object, key);

        if (m && value) {
                json_free(m->value);
                m->value = value;
        } else if (m) {
                clear_member(m);
                compact(object);
                drop_index(object);
        } else if (value) {
                json_object_push(object, key, strlen(key), value);
                drop_index(object);
        }
}

void json_append(Json *array, Json *value) {
        if (array->array.n_items == array->array.room) {
                array->array.room = array->array.room > 0 ? array->array.room * 2 : 4;
                array->array.items = xreallocarray(array->array.items, array->array.room, sizeof(Json *));
        }
        array->array.items[array->array.n_items++] = value;
}

/* ---- whole trees ---- */

Json *json_free(Json *v) {
        if (!v)
                return NULL;
        if (v->type == JSON_STRING || (v->type == JSON_NUMBER && v->number == JSON_NUMBER_TEXT))
                free(v->text);
        if (v->type == JSON_ARRAY) {
                for (size_t i = 0; i < v->array.n_items; i++)
                        json_free(v->array.items[i]);
                free(v->array.items);
        }
        if (v->type == JSON_OBJECT) {
                for (uint32_t i = 0; i < v->object.n_members; i++)
                        clear_member(&v->object.members[i]);
                free(v->object.members);
                free(v->object.index);
        }
        free(v);
        return NULL;
}

Json *json_copy(const Json *v) {
        Json *copy;

        if (!v)
                return NULL;
        copy = json_new(v->type);
        if (v->type == JSON_ARRAY) {
                for (size_t i = 0; i < v->array.n_items; i++)
                        json_append(copy, json_copy(v->array.items[i]));
                return copy;
        }
        if (v->type == JSON_OBJECT) {
                for (uint32_t i = 0; i < v->object.n_members; i++) {
                        const JsonMember *m = &v->object.members[i];

                        json_object_push(copy, m->key, strlen(m->key), json_copy(m->value));
                }
                if (v->object.index)
                        build_index(copy);
                return copy;
        }
        *copy = *v;
        if (v->type == JSON_STRING || (v->type == JSON_NUMBER && v->number == JSON_NUMBER_TEXT))
                copy->text = xstrdup(v->text);
        return copy;
}

/* ---- look-ups ---- */

JsonType json_type(const Json *v) {
        return v ? v->type : JSON_NULL;
}

const char *json_type_name(JsonType type) {
        static const char *const names[_JSON_TYPE_MAX] = {
                [JSON_NULL] = "null",       [JSON_BOOL] = "true or false", [JSON_NUMBER] = "a number",
                [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",     [JSON_OBJECT] = "an object",
        };

        return type >= 0 && type < _JSON_TYPE_MAX ? names[type] : "nothing";
}

const Json *json_get(const Json *object, const char *key) {
        const JsonMember *m = json_type(object) == JSON_OBJECT ? find_member(object, key) : NULL;

        return m ? m->value : NULL;
}

size_t json_count(const Json *v) {
        if (json_type(v) == JSON_ARRAY)
                return v->array.n_items;
        return json_type(v) == JSON_OBJECT ? v->object.n_members : 0;
}

const Json *json_item(const Json *v, size_t i) {
        if (i >= json_count(v))
                return NULL;
        return v->type == JSON_ARRAY ? v->array.items[i] : v->object.members[i].value;
}

const char *json_key(const Json *object, size_t i) {
        if (json_type(object) != JSON_OBJECT || i >= object->object.n_members)
                return NULL;
        return object->object.members[i].key;
}

const char *json_string(const Json *v) {
        return json_type(v) == JSON_STRING ? v->text : NULL;
}

bool json_bool(const Json *v) {
        return json_type(v) == JSON_BOOL && v->boolean;
}

bool json_int64(const Json *v, int64_t *ret) {
        if (json_type(v) != JSON_NUMBER || v->number != JSON_NUMBER_INT64)
                return false;
        *ret = v->int64;
        return true;
}

bool json_uint64(const Json *v, uint64_t *ret) {
        if (json_type(v) != JSON_NUMBER)
                return false;
        if (v->number == JSON_NUMBER_UINT64)
                *ret = v->uint64;
        else if (v->number == JSON_NUMBER_INT64 && v->int64 >= 0)
                *ret = (uint64_t)v->int64;
        else
                return false;
        return true;
}

const char *json_number_text(const Json *v) {
        return json_type(v) == JSON_NUMBER && v->number == JSON_NUMBER_TEXT ? v->text : NULL;
}
