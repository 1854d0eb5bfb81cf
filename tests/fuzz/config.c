/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mx.conf, and a container's config.json with its annotations, in one input: two bytes of length,
 * the one, the other. What is accepted is edited as for a real container. What comes out has to be
 * JSON that reads the same again, with the engine as the process, and a plan that the hook can
 * read.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/edit.h"
#include "oci/spec.h"
#include "oci/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The state folder of the one container, in memory. */
static char dir[] = "/dev/shm/mx-fuzz.XXXXXX";

static void empty_folder(void)
{
	static const char *const files[] = { STATE_PLAN, "config/old-args.json",
		"config/rules.json" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, files[i]);

		unlink(path);
	}
}

static void remove_folder(void)
{
	cleanup_free char *config = xasprintf("%s/config", dir);

	empty_folder();
	rmdir(config);
	rmdir(dir);
}

static const char *state_folder(void)
{
	static bool made;

	if (!made) {
		cleanup_free char *config = NULL;

		if (!mkdtemp(dir))
			abort();
		config = xasprintf("%s/config", dir);
		if (mkdir(config, 0755) < 0)
			abort();
		atexit(remove_folder);
		made = true;
	}
	empty_folder();
	return dir;
}

static bool load_config(const uint8_t *data, size_t size, struct config *ret_config)
{
	cleanup_close int fd = memfd_create("conf", MFD_CLOEXEC);
	cleanup_free char *path = xasprintf("/proc/self/fd/%d", fd);
	struct err err = { 0 };

	if (fd < 0 || io_write_all(fd, data, size) < 0)
		abort();
	return config_load(path, ret_config, &err) == 0;
}

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void check_edited(const struct json *spec, const char *state)
{
	cleanup_str struct str text = STR_INIT, again = STR_INIT;
	cleanup_json struct json *read = NULL;
	cleanup_plan struct plan plan = { 0 };
	const struct json *args = json_path(spec, "process.args");
	struct err err = { 0 };

	json_print(spec, &text);
	check(json_parse(str_text(&text), text.len, &read, &err) == 0, err.text);
	json_print(read, &again);
	check(text.len == again.len && !memcmp(text.data, again.data, text.len),
		"it reads otherwise");
	check(json_string(json_at(args, 0)) && !strcmp(json_string(json_at(args, 0)), "/.mx/mx"),
		"the process is not the engine");
	for (size_t i = 0; i < json_count(args); i++)
		check(json_string(json_at(args, i)), "an argument is no string");
	check(plan_read(state, &plan, &err) == 0, err.text);
}

static void edit(struct json *spec, const struct config *config)
{
	cleanup_options struct options options = { 0 };
	const char *state = state_folder();
	struct edit job = { .config = config,
		.options = &options,
		.bundle = "/bundle",
		.state = state,
		.mark = "mark" };
	struct err err = { 0 };
	uid_t uid;
	gid_t gid;

	if (options_load(spec, config, &options, &err) < 0 ||
		edit_check(spec, &options, &err) < 0 ||
		spec_host_user(spec, &uid, &gid, &err) < 0 || edit_spec(spec, &job, &err) < 0)
		return;
	check_edited(spec, state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_config struct config config = { 0 };
	cleanup_json struct json *spec = NULL;
	struct err err = { 0 };
	size_t first;

	if (size < 2)
		return 0;
	first = data[0] | (size_t)data[1] << 8;
	data += 2;
	size -= 2;
	if (first > size)
		first = size;
	if (!load_config(data, first, &config))
		return 0;
	/* The programs are not looked for beside the fuzzer. */
	free(config.engine);
	free(config.hook);
	config.engine = xstrdup("/usr/bin/mx");
	config.hook = xstrdup("/usr/libexec/mx/mx-hook");
	if (json_parse((const char *)data + first, size - first, &spec, &err) < 0)
		return 0;
	if (!spec_is_sandbox(spec))
		edit(spec, &config);
	return 0;
}
