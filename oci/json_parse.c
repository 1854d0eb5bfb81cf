/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/json_tree.h"

/* Text of the input that an error message may quote. */
#define QUOTE_MAX 200

struct parser {
	struct json *root;
	struct json *stack[JSON_DEPTH_MAX]; /* open arrays and objects, owned by the root */
	size_t depth;
	char *key; /* of the member whose value comes next */
	size_t key_len;
	struct err *err;
};

static int add(struct parser *p, struct json *value)
{
	struct json *top = p->depth ? p->stack[p->depth - 1] : NULL;

	if (!top) {
		p->root = value;
		return 1;
	}
	json_add_member(top, top->count, p->key, p->key_len, value);
	free(take_ptr(p->key));
	p->key_len = 0;
	return 1;
}

static int add_open(struct parser *p, enum json_type type)
{
	struct json *value;

	if (p->depth == JSON_DEPTH_MAX) {
		err_set(p->err, EINVAL, "nested deeper than %d levels", JSON_DEPTH_MAX);
		return 0;
	}
	value = json_new(type);
	add(p, value);
	p->stack[p->depth++] = value;
	return 1;
}

static int on_null(void *p)
{
	return add(p, json_new(JSON_NULL));
}

static int on_boolean(void *p, int value)
{
	return add(p, json_new_bool(value));
}

static int on_number(void *p, const char *text, size_t len)
{
	return add(p, json_new_text(JSON_NUMBER, text, len));
}

static int on_string(void *p, const unsigned char *text, size_t len)
{
	return add(p, json_new_text(JSON_STRING, (const char *)text, len));
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *p = ctx;

	p->key = xmalloc(len + 1);
	memcpy(p->key, text, len);
	p->key[len] = '\0';
	p->key_len = len;
	return 1;
}

static int on_start_map(void *p)
{
	return add_open(p, JSON_OBJECT);
}

static int on_start_array(void *p)
{
	return add_open(p, JSON_ARRAY);
}

static int on_end_array(void *ctx)
{
	struct parser *p = ctx;

	p->depth--;
	return 1;
}

static int compare_keys(const void *a, const void *b)
{
	const struct json_member *const *x = a, *const *y = b;
	size_t len = (*x)->key_len < (*y)->key_len ? (*x)->key_len : (*y)->key_len;
	int order = memcmp((*x)->key, (*y)->key, len);

	if (order)
		return order;
	return ((*x)->key_len > (*y)->key_len) - ((*x)->key_len < (*y)->key_len);
}

static int on_end_map(void *ctx)
{
	struct parser *p = ctx;
	struct json *object = p->stack[--p->depth];
	cleanup_free struct json_member **sorted = NULL;

	if (object->count < 2)
		return 1;
	sorted = xreallocarray(NULL, object->count, sizeof(*sorted));
	for (size_t i = 0; i < object->count; i++)
		sorted[i] = &object->members[i];
	qsort(sorted, object->count, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < object->count; i++) {
		if (compare_keys(&sorted[i - 1], &sorted[i]) == 0) {
			err_set(p->err, EINVAL, "the key \"%.*s\" is there twice", QUOTE_MAX,
				sorted[i]->key);
			return 0;
		}
	}
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_map_key = on_key,
	.yajl_start_map = on_start_map,
	.yajl_end_map = on_end_map,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end_array,
};

static void set_syntax_error(yajl_handle handle, const char *text, size_t len, struct err *err)
{
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned char *what = yajl_get_error(handle, 0, bytes, len);
	size_t at = yajl_get_bytes_consumed(handle), line = 1;

	if (what)
		what[strcspn((char *)what, "\n")] = '\0';
	for (size_t i = 0; i < at && i < len; i++)
		line += text[i] == '\n';
	err_set(err, EINVAL, "line %zu: %.*s", line, QUOTE_MAX, what ? (char *)what : "not JSON");
	if (what)
		yajl_free_error(handle, what);
}

int json_parse(const char *text, size_t len, struct json **ret_value, struct err *err)
{
	const unsigned char *bytes = (const unsigned char *)text;
	struct err own = { 0 };
	struct parser p = { .err = &own };
	yajl_handle handle = yajl_alloc(&callbacks, NULL, &p);
	yajl_status status;

	if (!handle)
		abort();
	status = yajl_parse(handle, bytes, len);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(handle);
	/* yajl takes a string that is not finished, after the value, for the end of the text. This
	 * quote finishes it, unless it is escaped. */
	if (status == yajl_status_ok && p.root &&
		(bytes[len - 1] == '\\' ||
			yajl_parse(handle, (const unsigned char *)"\"", 1) != yajl_status_ok))
		err_set(&own, EINVAL, "trailing garbage");
	else if (status == yajl_status_error)
		set_syntax_error(handle, text, len, &own);
	else if (status == yajl_status_ok && !p.root)
		err_set(&own, EINVAL, "empty");
	yajl_free(handle);
	free(p.key);
	if (own.code) {
		json_free(p.root);
		return err_set(err, own.code, "%s", own.text);
	}
	*ret_value = p.root;
	return 0;
}

int json_read_file(const char *path, size_t max, struct json **ret_value, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int rc = io_read_file(path, max, &text, err);

	if (rc < 0)
		return rc;
	rc = json_parse(str_text(&text), text.len, ret_value, err);
	if (rc < 0)
		err_context(err, "%s", path);
	return rc;
}
