/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "oci/config.h"
#include "oci/json.h"
#include "oci/state.h"

#define ABOUT_MAX    65536
#define PREFIX_LEAST 3

void target_free(struct target *t)
{
	free(t->id);
	free(t->name);
	free(t->socket);
	free(t->log);
	*t = (struct target){ 0 };
}

void targets_free(struct targets *t)
{
	for (size_t i = 0; i < t->count; i++)
		target_free(&t->items[i]);
	free(t->items);
	*t = (struct targets){ 0 };
}

static char *name_of(const char *dir)
{
	cleanup_free char *path = xasprintf("%s/" STATE_ABOUT, dir);
	cleanup_json struct json *about = NULL;
	const char *name;

	if (json_read_file(path, ABOUT_MAX, &about, NULL) < 0)
		return NULL;
	name = json_string(json_get(about, "name"));
	return name ? xstrdup(name) : NULL;
}

static void add(struct targets *t, const char *dir, const char *id)
{
	struct target *item;
	cleanup_free char *socket = xasprintf("%s/" STATE_CONTROL, dir);
	struct stat st;

	if (lstat(socket, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	t->items = xreallocarray(t->items, t->count + 1, sizeof(*t->items));
	item = &t->items[t->count++];
	*item = (struct target){ .id = xstrdup(id),
		.name = name_of(dir),
		.socket = take_ptr(socket),
		.log = xasprintf("%s/" STATE_LOG, dir) };
}

/* Calls @fn for each entry of the folder that is a plain name. */
static void each_entry(const char *path,
	void (*fn)(struct targets *t, const char *path, const char *name), struct targets *t)
{
	cleanup_closedir DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *below = NULL;

		if (entry->d_name[0] == '.')
			continue;
		below = xasprintf("%s/%s", path, entry->d_name);
		fn(t, below, entry->d_name);
	}
}

static void each_key(struct targets *t, const char *path, const char *name)
{
	each_entry(path, add, t);
}

static int by_name(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return strcmp(x->name ? x->name : x->id, y->name ? y->name : y->id);
}

int targets_running(struct targets *ret_targets, struct err *err)
{
	cleanup_free char *run = NULL;
	struct targets t = { 0 };
	int rc = state_run_dir(&run, err);

	if (rc < 0)
		return rc;
	each_entry(run, each_key, &t);
	if (t.count)
		qsort(t.items, t.count, sizeof(*t.items), by_name);
	*ret_targets = t;
	return 0;
}

/* 2: it is the one; 1: its id begins so; 0: it is not. */
static int matches(const struct target *t, const char *name)
{
	if (strcmp(t->id, name) == 0 || (t->name && strcmp(t->name, name) == 0))
		return 2;
	return strlen(name) >= PREFIX_LEAST && str_starts(t->id, name);
}

/* Moves the best match out of the list. */
static int choose(struct targets *t, const char *name, struct target *ret_target, struct err *err)
{
	size_t best = 0, count = 0;
	int quality = 0;

	for (size_t i = 0; i < t->count; i++) {
		int q = matches(&t->items[i], name);

		if (q > quality)
			count = 0;
		if (q && q >= quality) {
			quality = q;
			best = i;
			count++;
		}
	}
	if (!count)
		return -ENOENT;
	if (count > 1)
		return err_set(err, EINVAL, "%zu containers are called %.200s", count, name);
	*ret_target = t->items[best];
	t->items[best] = (struct target){ 0 };
	return 0;
}

static void add_kept(struct targets *t, const char *path, const char *name)
{
	if (!str_ends(name, ".jsonl"))
		return;
	t->items = xreallocarray(t->items, t->count + 1, sizeof(*t->items));
	t->items[t->count++] =
		(struct target){ .id = xstrndup(name, strlen(name) - 6), .log = xstrdup(path) };
}

static int find_kept(const struct target_options *o, const char *name, struct target *ret_target,
	struct err *err)
{
	cleanup_config struct config config = { 0 };
	cleanup_targets struct targets kept = { 0 };
	cleanup_free char *dir = NULL;
	int rc = config_load(o->mx_conf, &config, err);

	if (rc == 0)
		rc = state_log_dir(&config, &dir, err);
	if (rc < 0)
		return rc;
	each_entry(dir, add_kept, &kept);
	return choose(&kept, name, ret_target, err);
}

int target_find(const struct target_options *options, const char *name, bool ended,
	struct target *ret_target, struct err *err)
{
	cleanup_targets struct targets running = { 0 };
	/* No container is called so. */
	const bool is_path = name && strchr(name, '/');
	const char *control = options->control ? options->control : is_path ? name : NULL;
	const char *path = control ? control : options->log;
	const char *slash = path ? strrchr(path, '/') : NULL;
	int rc;

	if (path) {
		*ret_target = (struct target){ .id = xstrdup(slash ? slash + 1 : path) };
		if (control)
			ret_target->socket = xstrdup(path);
		else
			ret_target->log = xstrdup(path);
		return 0;
	}
	rc = targets_running(&running, err);
	if (rc == 0)
		rc = choose(&running, name, ret_target, err);
	if (rc == -ENOENT && ended)
		rc = find_kept(options, name, ret_target, err);
	if (rc == -ENOENT)
		return err_set(err, ENOENT, "there is no container of two versions called %.200s%s",
			name, ended ? ", nor a log of one that is gone" : " that runs");
	return rc;
}
