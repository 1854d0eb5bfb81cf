/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/options.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/xalloc.h"
#include "oci/spec.h"

#define PATH_LIMIT   4096
#define SHARED_LIMIT 256
/* podman takes an annotation with a comma apart, so there is another sign, too. */
#define SEPARATORS ",:"

static int check_path(const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (text[0] != '/')
		return err_set(err, EINVAL, "\"%s\" is no absolute path in the container", text);
	if (len >= PATH_LIMIT)
		return err_set(err, EINVAL, "the path is longer than %d bytes", PATH_LIMIT - 1);
	if (strstr(text, "/../") || str_ends(text, "/.."))
		return err_set(err, EINVAL, "\"%s\" has a \"..\" in it", text);
	return 0;
}

static int check_old(const char *text, struct err *err)
{
	int rc = check_path(text, err);

	if (rc == 0 && strspn(text, "/.") == strlen(text))
		return err_set(err, EINVAL, "\"%s\" is the new version's own root", text);
	return rc;
}

static int check_json(const char *text, struct err *err)
{
	cleanup_json struct json *j = NULL;

	return json_parse(text, strlen(text), &j, err);
}

static int check_old_args(const char *text, struct err *err)
{
	cleanup_json struct json *j = NULL;
	int rc;

	if (text[0] == '\0')
		return err_set(err, EINVAL, "is empty");
	if (text[0] != '[')
		return 0;
	rc = json_parse(text, strlen(text), &j, err);
	if (rc < 0)
		return rc;
	if (json_count(j) == 0)
		return err_set(err, EINVAL, "is an empty list");
	for (size_t i = 0; i < json_count(j); i++) {
		if (!json_string(json_at(j, i)))
			return err_set(err, EINVAL, "entry %zu is no string", i);
	}
	return 0;
}

/* As `mx run` takes them: cmd_run.c. */
static int check_promote(const char *text, struct err *err)
{
	const char *comma = strchr(text, ',');
	cleanup_free char *first = comma ? xstrndup(text, comma - text) : xstrdup(text);
	long n;

	if (str_to_long(first, 1, 365 * 86400, &n) < 0 ||
		(comma && str_to_long(comma + 1, 0, LONG_MAX, &n) < 0))
		return err_set(err, EINVAL, "\"%s\" is no SECONDS or SECONDS,EVENTS", text);
	return 0;
}

static int check_abort(const char *text, struct err *err)
{
	long n;

	if (str_to_long(text, 1, 1000000, &n) < 0)
		return err_set(err, EINVAL, "\"%s\" is no number of failures", text);
	return 0;
}

static int check_resyncs(const char *text, struct err *err)
{
	long n;

	if (str_to_long(text, 0, 1000000, &n) < 0)
		return err_set(err, EINVAL, "\"%s\" is no number of times a minute", text);
	return 0;
}

static int check_rules(const char *text, struct err *err)
{
	if (text[0] == '{' || text[0] == '[')
		return check_json(text, err);
	return check_path(text, err);
}

/* Whether @word of @len bytes is one of the words of @choices, which '|' separates. */
static bool is_choice(const char *choices, const char *word, size_t len)
{
	for (;;) {
		size_t n = strcspn(choices, "|");

		if (n == len && memcmp(choices, word, len) == 0)
			return true;
		if (choices[n] == '\0')
			return false;
		choices += n + 1;
	}
}

static int check_list(const char *text, const char *choices, struct err *err)
{
	for (;;) {
		size_t n = strcspn(text, SEPARATORS);

		if (!is_choice(choices, text, n))
			return err_set(
				err, EINVAL, "\"%.*s\" is none of %s", (int)n, text, choices);
		if (text[n] == '\0')
			return 0;
		text += n + 1;
	}
}

static int check_shared(const char *text, struct err *err)
{
	size_t count = 0;

	if (text[0] == '+')
		text++;
	for (;;) {
		size_t n = strcspn(text, SEPARATORS);
		cleanup_free char *path = xstrndup(text, n);
		int rc = check_path(path, err);

		if (rc < 0)
			return rc;
		if (strspn(path, "/.") == n)
			return err_set(err, EINVAL, "\"%s\" would leave no path of its own", path);
		if (++count > SHARED_LIMIT)
			return err_set(err, EINVAL, "more than %d paths", SHARED_LIMIT);
		if (text[n] == '\0')
			return 0;
		text += n + 1;
	}
}

static const struct {
	const char *name;
	int (*check)(const char *text, struct err *err);
	const char *choices;
	bool list;
} table[OPTION_COUNT] = {
	[OPTION_OLD] = { "old", check_old },
	[OPTION_OLD_ARGS] = { "old-args", check_old_args },
	[OPTION_SHARED_PATHS] = { "shared-paths", check_shared },
	[OPTION_LEADER] = { "leader", .choices = "new|old" },
	[OPTION_PREFER] = { "prefer", .choices = "new|old|leader|stop" },
	[OPTION_SURVIVE] = { "survive", .choices = "SIGSEGV|SIGBUS|SIGFPE|SIGILL|SIGABRT",
		.list = true },
	[OPTION_SYNC] = { "sync", .choices = "stream|barrier|lockstep" },
	[OPTION_AGENT] = { "agent", .choices = "on|off" },
	[OPTION_RULES] = { "rules", check_rules },
	[OPTION_LOG] = { "log", .choices = "file|stderr|none" },
	[OPTION_PROMOTE_AFTER] = { "promote-after", check_promote },
	[OPTION_ABORT_AFTER] = { "abort-after", check_abort },
	[OPTION_MAX_RESYNCS] = { "max-resyncs", check_resyncs },
	[OPTION_EXEC] = { "exec", .choices = "plain|supervised" },
};

static const char default_shared[] = "/tmp,/var,/run,/home,/root,/srv,/mnt,/media";

static int set_option(struct options *o, size_t i, const char *text, struct err *err)
{
	int rc;

	if (!text)
		return err_set(err, EINVAL, "is no text");
	if (table[i].check)
		rc = table[i].check(text, err);
	else if (table[i].list)
		rc = check_list(text, table[i].choices, err);
	else
		rc = strpbrk(text, SEPARATORS) ? err_set(err, EINVAL, "\"%s\" is a list", text)
					       : check_list(text, table[i].choices, err);
	if (rc < 0)
		return rc;
	free(o->text[i]);
	o->text[i] = xstrdup(text);
	return 0;
}

static int find_option(const char *name, size_t len, size_t *ret_i, struct err *err)
{
	cleanup_str struct str all = STR_INIT;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
			*ret_i = i;
			return 0;
		}
		str_printf(&all, "%s%s", i ? ", " : "", table[i].name);
	}
	return err_set(err, EINVAL, "there is no such option; there are %s", str_text(&all));
}

static bool is_allowed(const struct config *config, const char *name)
{
	if (!config->allow)
		return true;
	for (size_t i = 0; i < json_count(config->allow); i++) {
		if (strcmp(json_string(json_at(config->allow, i)), name) == 0)
			return true;
	}
	return false;
}

/* One annotation. @pass 0 takes those without a container's name, pass 1 those with ours. */
static int take_annotation(const struct json *spec, const struct config *config, int pass,
	const char *key, const struct json *value, struct options *o, struct err *err)
{
	const char *name = key + strlen(SPEC_PREFIX), *slash = strchr(name, '/');
	const char *own = spec_container_name(spec);
	size_t len = slash ? (size_t)(slash - name) : strlen(name), i;
	int rc = find_option(name, len, &i, err);

	if (rc < 0)
		return err_context(err, "annotation %s", key);
	if (slash && !own)
		return err_set(err, EINVAL,
			"annotation %s: which of the pod's containers this is, the engine does not "
			"tell: leave out %s",
			key, slash);
	if (pass != (slash != NULL) || (slash && strcmp(slash + 1, own) != 0))
		return 0;
	if (!is_allowed(config, table[i].name))
		return err_set(err, EPERM, "annotation %s: not allowed by the operator", key);
	rc = set_option(o, i, json_string(value), err);
	return rc < 0 ? err_context(err, "annotation %s", key) : 0;
}

static void split_shared(struct options *o)
{
	const char *own = o->text[OPTION_SHARED_PATHS];
	cleanup_free char *all = NULL;
	char *rest, *path;

	if (!own)
		all = xstrdup(default_shared);
	else if (own[0] == '+')
		all = xasprintf("%s,%s", default_shared, own + 1);
	else
		all = xstrdup(own);
	o->shared = json_new(JSON_ARRAY);
	for (path = strtok_r(all, SEPARATORS, &rest); path;
		path = strtok_r(NULL, SEPARATORS, &rest))
		json_append(o->shared, json_new_string(path));
	for (const char *at = own && own[0] != '+' ? NULL : default_shared; at;
		at = strchr(at + 1, ','))
		o->builtin++;
}

int options_load(const struct json *spec, const struct config *config, struct options *ret_options,
	struct err *err)
{
	const struct json *annotations = json_get(spec, "annotations");
	cleanup_options struct options o = { 0 };
	size_t i;
	int rc;

	for (size_t k = 0; k < json_count(config->defaults); k++) {
		const char *name = json_key_at(config->defaults, k);

		rc = find_option(name, strlen(name), &i, err);
		if (rc == 0)
			rc = set_option(&o, i, json_string(json_at(config->defaults, k)), err);
		if (rc < 0)
			return err_context(err, "mx.conf: defaults: %s", name);
	}
	for (int pass = 0; pass < 2; pass++) {
		for (size_t k = 0; k < json_count(annotations); k++) {
			const char *key = json_key_at(annotations, k);

			if (!str_starts(key, SPEC_PREFIX))
				continue;
			rc = take_annotation(
				spec, config, pass, key, json_at(annotations, k), &o, err);
			if (rc < 0)
				return rc;
		}
	}
	split_shared(&o);
	*ret_options = o;
	o = (struct options){ 0 };
	return 0;
}

void options_free(struct options *o)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		free(o->text[i]);
	json_free(o->shared);
	*o = (struct options){ 0 };
}
