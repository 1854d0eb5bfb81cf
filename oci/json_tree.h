/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a JSON value, for json.c and json_parse.c only. */
#ifndef MX_OCI_JSON_TREE_H
#define MX_OCI_JSON_TREE_H

#include "oci/json.h"

struct json_member {
	char *key; /* NULL in an array */
	size_t key_len;
	struct json *value;
};

struct json {
	enum json_type type;
	bool truth;
	char *text; /* of a number (as it was written) or a string; NUL-terminated */
	size_t len;
	struct json_member *members;
	size_t count, room;
};

struct json *json_new_text(enum json_type type, const char *text, size_t len);
/* Inserts before position @i and takes @value over. @key is copied; NULL in an array. */
void json_add_member(
	struct json *container, size_t i, const char *key, size_t key_len, struct json *value);

#endif
