/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON tree that can be edited and printed again without loss: the order of keys, unknown
 * fields, numbers (kept as their own text, so 18446744073709551615 and 1.50 survive) and strings
 * with any content. The only place that calls yajl.
 *
 * A value owns what is below it. Functions that put a value into a tree take it over.
 * An object with the same key twice is refused: readers disagree about which one counts.
 */
#ifndef MX_OCI_JSON_H
#define MX_OCI_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define JSON_DEPTH_MAX 128

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json;

/* Parses exactly one value. -EINVAL with the place of the fault in @err. */
MUST_CHECK int json_parse(const char *text, size_t len, struct json **ret_value, struct err *err);
/* Reads a file of at most @max bytes and parses it. */
MUST_CHECK int json_read_file(
	const char *path, size_t max, struct json **ret_value, struct err *err);
void json_free(struct json *j);
struct json *json_copy(const struct json *j);
/* Appends the text of @j to @out, without white space. */
void json_print(const struct json *j, struct str *out);

static inline void cleanup_json_fn(struct json **j)
{
	json_free(*j);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_fn)))

/* Readers accept NULL and a value of the wrong type, and then return NULL, 0 or false. */
enum json_type json_type(const struct json *j);
const char *json_type_name(enum json_type type);
/* The string, NULL if @j is no string or holds a NUL character. */
const char *json_string(const struct json *j);
bool json_is_true(const struct json *j);
/* An integer within [@min, @max]: 0, or -EINVAL with *@ret_n untouched. */
MUST_CHECK int json_integer(const struct json *j, long long min, long long max, long long *ret_n);
/* Members of an array or an object, in order. */
size_t json_count(const struct json *j);
struct json *json_at(const struct json *j, size_t i);
const char *json_key_at(const struct json *j, size_t i);
bool json_has_string(const struct json *array, const char *s);
struct json *json_get(const struct json *object, const char *key);
/* Walks down through objects: "linux.seccomp". Keys with dots need json_get(). */
struct json *json_path(const struct json *object, const char *path);

struct json *json_new(enum json_type type);
struct json *json_new_bool(bool value);
struct json *json_new_integer(long long n);
struct json *json_new_string(const char *s);
/* An array of strings from the arguments, which NULL ends. */
struct json *json_new_strings(const char *first, ...) __attribute__((sentinel));

/* Replaces the member in its place, or appends it. */
void json_set(struct json *object, const char *key, struct json *value);
/* Inserts before position @i of an array; @i at or past the end appends. */
void json_insert(struct json *array, size_t i, struct json *value);
void json_append(struct json *array, struct json *value);
void json_remove_at(struct json *container, size_t i);
/* The member @key, made if it is missing or null; -EINVAL if it is of another type. */
MUST_CHECK int json_ensure(struct json *object, const char *key, enum json_type type,
	struct json **ret_value, struct err *err);

#endif
