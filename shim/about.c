/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/about.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/spec.h"
#include "oci/state.h"

#define CMDLINE_MAX 65536
#define NAME_MAX_   200

/* It is shown to people and compared with what they type. */
static bool is_plain(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		if (!isgraph((unsigned char)name[i]))
			return false;
	}
	return len > 0 && len <= NAME_MAX_;
}

/* conmon(8) ... -n NAME; the words are separated by NULs. */
static char *name_of_conmon(void)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_free char *path = xasprintf("/proc/%d/cmdline", getppid());
	bool is_name = false;

	if (io_read_file(path, CMDLINE_MAX, &text, NULL) < 0 || !text.len)
		return NULL;
	if (!str_ends(text.data, "conmon"))
		return NULL;
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1) {
		const char *word = text.data + at;

		if (is_name)
			return is_plain(word) ? xstrdup(word) : NULL;
		is_name = strcmp(word, "-n") == 0 || strcmp(word, "--name") == 0;
	}
	return NULL;
}

static char *name_of_annotations(const struct json *spec)
{
	static const char *const pods[] = { "io.kubernetes.cri.sandbox-name",
		"io.kubernetes.pod.name" };
	static const char *const containers[] = { "io.kubernetes.cri.container-name",
		"io.kubernetes.container.name" };
	const char *name = spec_annotation(spec, "nerdctl/name");

	if (name)
		return is_plain(name) ? xstrdup(name) : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
		const char *pod = spec_annotation(spec, pods[i]);

		name = spec_annotation(spec, containers[i]);
		if (pod && name && is_plain(pod) && is_plain(name))
			return xasprintf("%s/%s", pod, name);
	}
	return NULL;
}

int about_write(const char *state, const struct json *spec, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/" STATE_ABOUT, state);
	cleanup_free char *name = name_of_annotations(spec);
	cleanup_json struct json *about = json_new(JSON_OBJECT);
	cleanup_str struct str text = STR_INIT;

	if (!name)
		name = name_of_conmon();
	if (name)
		json_set(about, "name", json_new_string(name));
	json_print(about, &text);
	return io_replace_passing_file(path, text.data, text.len, 0644, err);
}
