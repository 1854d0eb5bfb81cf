/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/scripts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "mxm/files.h"
#include "mxm/program.h"
#include "mxm/rules.h"

#define SCRIPT_MAX (64u << 20)
/* Of a command line: so far in front stands the script that an interpreter runs. */
#define WORDS 4

/* Interpreters name a script as it was given, from the root, or without symbolic links. */
enum form { FORM_GIVEN, FORM_FROM_ROOT, FORM_REAL, FORMS };

struct scripts {
	struct script {
		char *names[FORMS];
		bool has_folder; /* no other version's is in the same */
	} versions[MXM_VERSIONS_MAX];
	int n;
};

static size_t folder_len(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? (size_t)(slash - name) + 1 : 0;
}

static bool are_in_one_folder(const char *a, const char *b)
{
	const size_t len = folder_len(a);

	return len == folder_len(b) && memcmp(a, b, len) == 0;
}

static bool name_script(struct script *script, const char *path)
{
	cleanup_free char *cwd = getcwd(NULL, 0);

	if (!program_is_script(path) || !cwd)
		return false;
	script->names[FORM_GIVEN] = xstrdup(path);
	script->names[FORM_FROM_ROOT] =
		path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", cwd, path);
	script->names[FORM_REAL] = realpath(path, NULL);
	return script->names[FORM_REAL];
}

static void compare_folders(struct scripts *s)
{
	for (int v = 0; v < s->n; v++) {
		s->versions[v].has_folder = true;
		for (int other = 0; other < s->n; other++) {
			if (other != v && are_in_one_folder(s->versions[v].names[FORM_REAL],
						  s->versions[other].names[FORM_REAL]))
				s->versions[v].has_folder = false;
		}
	}
}

struct scripts *scripts_find(const struct mxm_config *config)
{
	struct scripts *s = xzalloc(sizeof(*s));
	bool same = true;

	for (s->n = 0; s->n < config->nversions; s->n++) {
		const struct mxm_version_config *version = &config->versions[s->n];

		if (version->root || !name_script(&s->versions[s->n], version->program))
			break;
		same = same && strcmp(version->program, config->versions[0].program) == 0;
	}
	if (s->n < config->nversions || same) {
		scripts_free(s);
		return NULL;
	}
	compare_folders(s);
	return s;
}

static bool read_script(const struct mxm_version_config *version, struct str *ret)
{
	cleanup_free char *path =
		xasprintf("%s%s", version->root ? version->root : "", version->program);

	return program_is_script(path) && io_read_file(path, SCRIPT_MAX, ret, NULL) == 0;
}

bool scripts_differ(const struct mxm_config *config)
{
	cleanup_str struct str first = STR_INIT;
	bool differ = false;

	if (!read_script(&config->versions[0], &first))
		return false;
	for (int v = 1; v < config->nversions; v++) {
		cleanup_str struct str other = STR_INIT;

		differ |= !read_script(&config->versions[v], &other) || other.len != first.len ||
			  memcmp(other.data, first.data, first.len) != 0;
	}
	return differ;
}

bool scripts_bind(const struct task *task)
{
	const struct mxm *mxm = task->tuple->group->mxm;
	const char *program = mxm->config.versions[task->version].program;
	cleanup_str struct str words = STR_INIT;
	char path[64];
	size_t at = 0;

	if (!mxm->scripts_differ)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", task->tracee.tgid);
	if (io_read_file(path, SCRIPT_MAX, &words, NULL) < 0)
		return true;
	/* Behind the interpreter and its word; or another one, which that has started with it. */
	for (int i = 0; i < WORDS && at < words.len; i++) {
		if (strcmp(words.data + at, program) == 0)
			return true;
		at += strlen(words.data + at) + 1;
	}
	return false;
}

void scripts_free(struct scripts *s)
{
	for (int v = 0; s && v < MXM_VERSIONS_MAX; v++) {
		for (int form = 0; form < FORMS; form++)
			free(s->versions[v].names[form]);
	}
	free(s);
}

/*
 * How @path begins: with the script's own name, or with that of its folder (then without the slash
 * behind it). The length of that part, 0: with neither.
 */
static size_t own_part(
	const struct script *script, const char *path, enum form *ret_form, bool *ret_whole)
{
	for (enum form form = 0; form < FORMS; form++) {
		const char *name = script->names[form];
		const size_t len = folder_len(name);

		*ret_form = form;
		*ret_whole = strcmp(path, name) == 0;
		if (*ret_whole)
			return strlen(name);
		if (script->has_folder && len > 1 && strncmp(path, name, len - 1) == 0 &&
			(path[len - 1] == '/' || !path[len - 1]))
			return len - 1;
	}
	return 0;
}

bool scripts_are_own(const struct task *task, const char *path)
{
	const struct scripts *s = task->tuple->group->mxm->scripts;
	enum form form;
	bool whole;

	return s && (files_opened_to_read(&task->call) || rules_is_look(&task->call)) &&
	       own_part(&s->versions[task->version], path, &form, &whole);
}

void scripts_put_common(const struct task *task, struct str *out, size_t at)
{
	const struct scripts *s = task->tuple->group->mxm->scripts;
	cleanup_free char *text = NULL;
	const char *common, *value;
	enum form form;
	size_t own;
	bool whole;

	if (!s || !out->data)
		return;
	text = xstrdup(out->data + at);
	value = strchr(text, '=');
	value = value ? value + 1 : text;
	own = own_part(&s->versions[task->version], value, &form, &whole);
	if (!own)
		return;
	common = s->versions[0].names[form];
	out->len = at + (size_t)(value - text);
	str_append(out, common, whole ? strlen(common) : folder_len(common) - 1);
	str_puts(out, value + own);
}
