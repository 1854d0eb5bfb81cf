/* SPDX-License-Identifier: Apache-2.0 */
#include "series_file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/xalloc.h"
#include "oci/json.h"

#define SERIES_MAX (64u << 20)

/* A reader of one pair that fails once fails for good. */
struct reader {
	const struct json *pair;
	size_t index;
	int rc;
	struct err *err;
};

static void complain(struct reader *r, const char *key)
{
	if (r->rc == 0)
		r->rc = err_set(r->err, EINVAL, "pair %zu: %s is missing, or is no such value",
			r->index, key);
}

static char *text_of(struct reader *r, const char *key)
{
	const char *text = json_string(json_get(r->pair, key));

	if (!text)
		complain(r, key);
	return xstrdup(text ? text : "");
}

static uint64_t number_of(struct reader *r, const char *key)
{
	long long n = 0;

	if (json_integer(json_get(r->pair, key), 0, LLONG_MAX, &n) < 0)
		complain(r, key);
	return (uint64_t)n;
}

/* null stands for what is not known. */
static uint64_t number_or_none(struct reader *r, const char *key, bool *ret_has)
{
	const struct json *j = json_get(r->pair, key);

	*ret_has = j && json_type(j) != JSON_NULL;
	if (!j)
		complain(r, key);
	return *ret_has ? number_of(r, key) : 0;
}

static enum verdict verdict_of(struct reader *r)
{
	const char *name = json_string(json_get(r->pair, "verdict"));

	for (int v = VERDICT_IDENTICAL; name && v <= VERDICT_UNSUPPORTED; v++) {
		if (strcmp(name, verdict_name(v)) == 0)
			return v;
	}
	complain(r, "verdict");
	return VERDICT_UNSUPPORTED;
}

static void read_pair(struct reader *r, struct series_pair *p)
{
	bool has;

	p->old = text_of(r, "old");
	p->new = text_of(r, "new");
	p->calls = number_of(r, "calls");
	p->distance = number_of(r, "distance");
	p->distance_of_calls = number_of(r, "distance_of_calls");
	p->exact = json_is_true(json_get(r->pair, "exact"));
	p->functions = number_or_none(r, "functions", &has);
	p->changed = number_or_none(r, "changed_functions", &p->has_functions);
	p->spliceable = number_or_none(r, "spliceable", &has);
	p->lines = number_or_none(r, "changed_lines", &p->has_lines);
	p->known = number_of(r, "known");
	p->covered = number_of(r, "covered");
	p->verdict = verdict_of(r);
	p->forecast = text_of(r, "forecast");
}

int series_file_read(const char *path, struct series *ret, struct err *err)
{
	cleanup_json struct json *j = NULL;
	struct reader r = { .err = err };
	const struct json *pairs;
	int rc = json_read_file(path, SERIES_MAX, &j, err);

	if (rc < 0)
		return rc;
	pairs = json_get(j, "pairs");
	if (json_type(pairs) != JSON_ARRAY)
		return err_set(err, EINVAL, "%s: no series of mx compare", path);
	ret->pairs = xzalloc((json_count(pairs) + 1) * sizeof(*ret->pairs));
	for (; r.rc == 0 && ret->n < json_count(pairs); ret->n++) {
		r.pair = json_at(pairs, ret->n);
		r.index = ret->n;
		read_pair(&r, &ret->pairs[ret->n]);
	}
	return r.rc < 0 ? err_context(err, "%s", path) : 0;
}
