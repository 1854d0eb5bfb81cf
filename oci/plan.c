/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/plan.h"

#include <errno.h>
#include <fcntl.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/state.h"

#define PLAN_MAX (4u << 20)

void plan_free(struct plan *plan)
{
	free(plan->rootfs);
	free(plan->old);
	free(plan->lower);
	json_free(plan->shared);
	json_free(plan->mounts);
	json_free(plan->old_args);
	json_free(plan->new_args);
	json_free(plan->exec);
	json_free(plan->effective);
	free(plan->path);
	free(plan->cwd);
	*plan = (struct plan){ 0 };
}

static void set_string(struct json *j, const char *key, const char *text)
{
	if (text)
		json_set(j, key, json_new_string(text));
}

int plan_write(const char *state, const struct plan *plan, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/" STATE_PLAN, state);
	cleanup_json struct json *j = json_new(JSON_OBJECT);
	cleanup_str struct str text = STR_INIT;
	cleanup_close int fd = -1;
	int rc;

	set_string(j, "rootfs", plan->rootfs);
	set_string(j, "old", plan->old);
	set_string(j, "lower", plan->lower);
	json_set(j, "readonly", json_new_bool(plan->readonly));
	json_set(j, "new-only", json_new_bool(plan->new_only));
	json_set(j, "shared", json_copy(plan->shared));
	json_set(j, "builtin", json_new_integer(plan->builtin));
	json_set(j, "mounts", json_copy(plan->mounts));
	json_set(j, "old-args", json_copy(plan->old_args));
	json_set(j, "new-args", json_copy(plan->new_args));
	if (plan->exec)
		json_set(j, "exec", json_copy(plan->exec));
	json_set(j, "effective", json_copy(plan->effective));
	set_string(j, "path", plan->path);
	set_string(j, "cwd", plan->cwd);
	json_print(j, &text);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno, "create %s", path);
	rc = io_write_all(fd, text.data, text.len);
	return rc < 0 ? err_errno(err, -rc, "write %s", path) : 0;
}

static char *get_string(const struct json *j, const char *key)
{
	const char *text = json_string(json_get(j, key));

	return text ? xstrdup(text) : NULL;
}

static struct json *get_list(const struct json *j, const char *key)
{
	const struct json *list = json_get(j, key);

	if (json_type(list) != JSON_ARRAY)
		return NULL;
	for (size_t i = 0; i < json_count(list); i++) {
		if (!json_string(json_at(list, i)))
			return NULL;
	}
	return json_copy(list);
}

static struct json *get_mounts(const struct json *j)
{
	const struct json *list = json_get(j, "mounts");

	if (json_type(list) != JSON_ARRAY)
		return NULL;
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *options = json_get(json_at(list, i), "options");

		if (!json_string(json_get(json_at(list, i), "at")) ||
			json_type(options) != JSON_ARRAY)
			return NULL;
	}
	return json_copy(list);
}

int plan_read(const char *state, struct plan *ret_plan, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/" STATE_PLAN, state);
	cleanup_json struct json *j = NULL;
	cleanup_plan struct plan plan = { 0 };
	int rc = json_read_file(path, PLAN_MAX, &j, err);

	if (rc < 0)
		return rc;
	plan.rootfs = get_string(j, "rootfs");
	plan.old = get_string(j, "old");
	plan.lower = get_string(j, "lower");
	plan.readonly = json_is_true(json_get(j, "readonly"));
	plan.new_only = json_is_true(json_get(j, "new-only"));
	plan.shared = get_list(j, "shared");
	plan.mounts = get_mounts(j);
	plan.old_args = get_list(j, "old-args");
	plan.new_args = get_list(j, "new-args");
	plan.exec = get_list(j, "exec");
	plan.effective = get_list(j, "effective");
	plan.path = get_string(j, "path");
	plan.cwd = get_string(j, "cwd");
	if (json_integer(json_get(j, "builtin"), 0, INT32_MAX, &plan.builtin) < 0 || !plan.rootfs ||
		!plan.old || !plan.shared || !plan.mounts || !plan.path || !plan.cwd ||
		json_count(plan.old_args) == 0 || json_count(plan.new_args) == 0)
		return err_set(err, EINVAL, "%s: a field is missing or malformed", path);
	*ret_plan = plan;
	plan = (struct plan){ 0 };
	return 0;
}
