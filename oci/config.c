/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

#define CONFIG_MAX (1u << 20)

static const char *const delegates[] = {
	"/usr/bin/crun",
	"/usr/local/bin/crun",
	"/usr/sbin/crun",
	"/usr/bin/runc",
	"/usr/sbin/runc",
	"/usr/local/bin/runc",
	"/usr/local/sbin/runc",
};

void config_free(struct config *c)
{
	free(c->delegate);
	free(c->engine);
	free(c->hook);
	free(c->log_dir);
	free(c->cache_dir);
	free(c->events_exec);
	free(c->events_webhook);
	json_free(c->events_only);
	json_free(c->defaults);
	json_free(c->allow);
	*c = (struct config){ 0 };
}

static int take_path(const struct json *value, const char *key, char **ret, struct err *err)
{
	const char *text = json_string(value);

	if (!text || text[0] != '/')
		return err_set(err, EINVAL, "%s: is no absolute path", key);
	free(*ret);
	*ret = xstrdup(text);
	return 0;
}

static int take_text(const struct json *value, const char *key, char **ret, struct err *err)
{
	const char *text = json_string(value);

	if (!text || !text[0])
		return err_set(err, EINVAL, "%s: is no text", key);
	free(*ret);
	*ret = xstrdup(text);
	return 0;
}

static int take_number(
	const struct json *value, const char *key, long long max, long long *ret, struct err *err)
{
	if (json_integer(value, 1, max, ret) < 0)
		return err_set(err, EINVAL, "%s: is no whole number from 1 to %lld", key, max);
	return 0;
}

/* *@ret_i is the place of the text in @choices, which NULL ends. */
static int take_choice(const struct json *value, const char *key, const char *const *choices,
	size_t *ret_i, struct err *err)
{
	const char *text = json_string(value);

	for (size_t i = 0; text && choices[i]; i++) {
		if (strcmp(text, choices[i]) == 0) {
			*ret_i = i;
			return 0;
		}
	}
	return err_set(
		err, EINVAL, "%s: is neither \"%s\" nor \"%s\"", key, choices[0], choices[1]);
}

static int take_list(const struct json *value, const char *key, struct json **ret, struct err *err)
{
	if (json_type(value) != JSON_ARRAY)
		return err_set(err, EINVAL, "%s: is no array", key);
	for (size_t i = 0; i < json_count(value); i++) {
		if (!json_string(json_at(value, i)))
			return err_set(err, EINVAL, "%s: entry %zu is no string", key, i);
	}
	*ret = json_copy(value);
	return 0;
}

static int take_field(struct config *c, const char *key, const struct json *value, struct err *err)
{
	static const char *const stages[] = { "prestart", "createRuntime", NULL };
	static const char *const failures[] = { "fail", "new-only", NULL };
	size_t choice = 0;
	int rc;

	if (strcmp(key, "delegate") == 0)
		return take_path(value, key, &c->delegate, err);
	if (strcmp(key, "engine") == 0)
		return take_path(value, key, &c->engine, err);
	if (strcmp(key, "hook") == 0)
		return take_path(value, key, &c->hook, err);
	if (strcmp(key, "log-dir") == 0)
		return take_path(value, key, &c->log_dir, err);
	if (strcmp(key, "cache-dir") == 0)
		return take_path(value, key, &c->cache_dir, err);
	if (strcmp(key, "events-exec") == 0)
		return take_path(value, key, &c->events_exec, err);
	if (strcmp(key, "events-webhook") == 0)
		return take_text(value, key, &c->events_webhook, err);
	if (strcmp(key, "events-only") == 0)
		return take_list(value, key, &c->events_only, err);
	if (strcmp(key, "events-within") == 0)
		return take_number(value, key, 3600, &c->events_within, err);
	if (strcmp(key, "hook-timeout") == 0)
		return take_number(value, key, 3600, &c->timeout, err);
	if (strcmp(key, "state-size") == 0)
		return take_number(value, key, 1ll << 40, &c->state_size, err);
	if (strcmp(key, "private-size") == 0)
		return take_number(value, key, 1ll << 40, &c->private_size, err);
	if (strcmp(key, "keep-logs") == 0)
		return take_number(value, key, 1000000, &c->keep_logs, err);
	if (strcmp(key, "allow") == 0)
		return take_list(value, key, &c->allow, err);
	if (strcmp(key, "hook-stage") == 0) {
		rc = take_choice(value, key, stages, &choice, err);
		c->stage = stages[choice];
		return rc;
	}
	if (strcmp(key, "on-hook-failure") == 0) {
		rc = take_choice(value, key, failures, &choice, err);
		c->new_only = choice == 1;
		return rc;
	}
	if (strcmp(key, "defaults") == 0) {
		if (json_type(value) != JSON_OBJECT)
			return err_set(err, EINVAL, "defaults: is no object");
		c->defaults = json_copy(value);
		return 0;
	}
	return err_set(err, EINVAL, "%s: is no field of mx.conf", key);
}

static int read_fields(const char *path, struct config *c, struct err *err)
{
	cleanup_json struct json *file = NULL;
	int rc = json_read_file(path, CONFIG_MAX, &file, err);

	if (rc == 0 && json_type(file) != JSON_OBJECT)
		return err_set(err, EINVAL, "%s: is no object", path);
	for (size_t i = 0; rc == 0 && i < json_count(file); i++) {
		rc = take_field(c, json_key_at(file, i), json_at(file, i), err);
		if (rc < 0)
			err_context(err, "%s", path);
	}
	return rc;
}

/* @name beside this program, or in ../libexec/mx. NULL if it is in neither. */
static char *find_own(const char *name)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n < 0)
		return NULL;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	for (int i = 0; i < 2; i++) {
		cleanup_free char *path =
			xasprintf("%s/%s%s", exe, i ? "../libexec/mx/" : "", name);
		char *real;

		if (access(path, X_OK) < 0)
			continue;
		real = realpath(path, NULL);
		if (real)
			return real;
	}
	return NULL;
}

int config_load(const char *path, struct config *ret_config, struct err *err)
{
	cleanup_config struct config c = {
		.stage = "prestart",
		.timeout = 30,
		.events_within = 10,
		.state_size = 32 << 20,
		.private_size = 256 << 20,
		.keep_logs = 100,
	};

	if (path || access(CONFIG_PATH, F_OK) == 0) {
		int rc = read_fields(path ? path : CONFIG_PATH, &c, err);

		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; !c.delegate && i < ARRAY_SIZE(delegates); i++) {
		if (access(delegates[i], X_OK) == 0)
			c.delegate = xstrdup(delegates[i]);
	}
	if (!c.engine)
		c.engine = find_own("mx");
	if (!c.hook)
		c.hook = find_own("mx-hook");
	*ret_config = c;
	c = (struct config){ 0 };
	return 0;
}
