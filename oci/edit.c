/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/spec.h"
#include "oci/state.h"

#define ENGINE	   SPEC_MX_DIR "/mx"
#define CONFIG_DIR SPEC_MX_DIR "/config"
#define STATE_DIR  SPEC_MX_DIR "/state"

static const char cap_chroot[] = "CAP_SYS_CHROOT";

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int check_mounts(const struct json *spec, const char *old, struct err *err)
{
	static const char *const taken[] = { ENGINE, CONFIG_DIR, STATE_DIR, SPEC_OLD_ROOT,
		SPEC_MX_DIR "/private" };
	const struct json *mounts = json_get(spec, "mounts");

	for (size_t i = 0; i < json_count(mounts); i++) {
		const char *at = json_string(json_get(json_at(mounts, i), "destination"));

		if (at && is_below(at, SPEC_MX_DIR) && at[strlen(SPEC_MX_DIR)] == '\0')
			return err_set(err, EINVAL, "a mount at %s is in the way", at);
		for (size_t k = 0; at && k < ARRAY_SIZE(taken); k++) {
			if (is_below(at, taken[k]))
				return err_set(err, EINVAL, "a mount at %s is in the way", at);
		}
	}
	for (size_t k = 0; k < ARRAY_SIZE(taken); k++) {
		if (is_below(old, taken[k]))
			return err_set(err, EINVAL, "annotation io.mx.old: %s is taken", taken[k]);
	}
	return 0;
}

int edit_check(const struct json *spec, const struct options *options, struct err *err)
{
	static const char *const needed[] = { "ptrace", "seccomp", "prctl" };
	const struct json *args = json_path(spec, "process.args");
	const char *old = options->text[OPTION_OLD];

	if (!old)
		return err_set(err, ENOENT,
			"annotation io.mx.old, the place of the old version's "
			"root in the container, is missing");
	if (json_type(args) != JSON_ARRAY || json_count(args) == 0)
		return err_set(err, EINVAL, "process.args: is no list, or an empty one");
	for (size_t i = 0; i < json_count(args); i++) {
		if (!json_string(json_at(args, i)))
			return err_set(err, EINVAL, "process.args: entry %zu is no string", i);
	}
	if (!json_string(json_path(spec, "root.path")))
		return err_set(err, EINVAL, "root.path: is no string");
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!spec_seccomp_allows(spec, needed[i]))
			return err_set(err, EPERM,
				"the container's seccomp profile forbids %s(2), which MX needs",
				needed[i]);
	}
	return check_mounts(spec, old, err);
}

static struct json *new_mount(
	const char *destination, const char *type, const char *source, struct json *options)
{
	struct json *mount = json_new(JSON_OBJECT);

	json_set(mount, "destination", json_new_string(destination));
	json_set(mount, "type", json_new_string(type));
	json_set(mount, "source", json_new_string(source));
	json_set(mount, "options", options);
	return mount;
}

static int add_mounts(struct json *spec, const struct edit *edit, struct err *err)
{
	cleanup_free char *size = xasprintf("size=%lld", edit->config->private_size);
	cleanup_free char *config = xasprintf("%s/config", edit->state);
	cleanup_free char *state = xasprintf("%s/state", edit->state);
	struct json *mounts;
	size_t at;
	int rc = json_ensure(spec, "mounts", JSON_ARRAY, &mounts, err);

	if (rc < 0)
		return rc;
	/* Below /.mx the runtime makes mount points for the container's own mounts, too. */
	for (at = 0; at < json_count(mounts); at++) {
		const char *dest = json_string(json_get(json_at(mounts, at), "destination"));

		if (dest && is_below(dest, SPEC_MX_DIR))
			break;
	}
	json_insert(mounts, at++,
		new_mount(SPEC_MX_DIR, "tmpfs", "tmpfs",
			json_new_strings("nosuid", "nodev", "mode=0755", size, NULL)));
	json_insert(mounts, at++,
		new_mount(ENGINE, "bind", edit->config->engine,
			json_new_strings("bind", "ro", "nosuid", "nodev", "rprivate", NULL)));
	json_insert(mounts, at++,
		new_mount(CONFIG_DIR, "bind", config,
			json_new_strings(
				"bind", "ro", "nosuid", "nodev", "noexec", "rprivate", NULL)));
	json_insert(mounts, at++,
		new_mount(STATE_DIR, "bind", state,
			json_new_strings(
				"bind", "rw", "nosuid", "nodev", "noexec", "rprivate", NULL)));
	return 0;
}

/* The old version sees /proc and /sys at another place, where they must be masked as well. */
static int add_masks(struct json *spec, const char *field, struct err *err)
{
	struct json *paths = json_get(json_get(spec, "linux"), field);
	size_t count = json_count(paths);

	if (count && json_type(paths) != JSON_ARRAY)
		return err_set(err, EINVAL, "linux.%s: is no array", field);
	for (size_t i = 0; i < count; i++) {
		const char *path = json_string(json_at(paths, i));
		cleanup_free char *twin = NULL;

		if (!path)
			return err_set(err, EINVAL, "linux.%s: entry %zu is no string", field, i);
		twin = xasprintf(SPEC_OLD_ROOT "%s", path);
		json_append(paths, json_new_string(twin));
	}
	return 0;
}

static int add_hook(struct json *spec, const struct edit *edit, struct err *err)
{
	const char *path = edit->config->hook, *runtime_dir = getenv("XDG_RUNTIME_DIR");
	struct json *hooks, *list, *hook, *args;
	int rc = json_ensure(spec, "hooks", JSON_OBJECT, &hooks, err);

	if (rc < 0)
		return rc;
	/* An engine with a folder of hooks may have put it there already. */
	for (size_t i = 0; i < json_count(hooks); i++) {
		list = json_at(hooks, i);
		for (size_t k = json_count(list); k-- > 0;) {
			const char *other = json_string(json_get(json_at(list, k), "path"));

			if (other && str_ends(other, "/mx-hook"))
				json_remove_at(list, k);
		}
	}
	rc = json_ensure(hooks, edit->config->stage, JSON_ARRAY, &list, err);
	if (rc < 0)
		return err_context(err, "hooks");
	hook = json_new(JSON_OBJECT);
	args = json_new_strings("mx-hook", NULL);
	if (edit->config_path) {
		json_append(args, json_new_string("--mx-conf"));
		json_append(args, json_new_string(edit->config_path));
	}
	json_set(hook, "path", json_new_string(path));
	json_set(hook, "args", args);
	if (runtime_dir) {
		cleanup_free char *env = xasprintf("XDG_RUNTIME_DIR=%s", runtime_dir);

		json_set(hook, "env", json_new_strings(env, NULL));
	}
	/* The hook gives up by itself before, with a better message. */
	json_set(hook, "timeout", json_new_integer(edit->config->timeout + 2));
	json_append(list, hook);
	return 0;
}

static bool begins_with_init(const struct json *args)
{
	static const char *const inits[] = { "/run/podman-init", "/dev/init", "/sbin/docker-init",
		"/dev/docker-init" };
	const char *first = json_string(json_at(args, 0)), *second = json_string(json_at(args, 1));

	for (size_t i = 0; i < ARRAY_SIZE(inits); i++) {
		if (strcmp(first, inits[i]) == 0 && second && strcmp(second, "--") == 0 &&
			json_count(args) >= 3)
			return true;
	}
	return false;
}

/* The engine is PID 1 and reaps what an init would: `podman run --init` puts nothing before it. */
static void remove_init(struct json *args)
{
	if (!begins_with_init(args))
		return;
	json_remove_at(args, 0);
	json_remove_at(args, 0);
}

static struct json *old_args(const struct json *new_args, const char *text, struct err *err)
{
	struct json *args;

	if (text && text[0] == '[') {
		if (json_parse(text, strlen(text), &args, err) < 0)
			return NULL;
		return args;
	}
	args = json_copy(new_args);
	if (text) {
		json_remove_at(args, 0);
		json_insert(args, 0, json_new_string(text));
	}
	return args;
}

static int write_config(
	const struct edit *edit, const char *name, const char *text, size_t len, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/config/%s", edit->state, name);
	cleanup_close int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "create %s", path);
	rc = io_write_all(fd, text, len);
	return rc < 0 ? err_errno(err, -rc, "write %s", path) : 0;
}

static void append_pair(struct json *args, const char *flag, const char *value)
{
	json_append(args, json_new_string(flag));
	json_append(args, json_new_string(value));
}

/* Options that the engine takes as they are. */
static void append_plain_options(struct json *args, const struct options *options)
{
	static const struct {
		enum option option;
		const char *flag;
	} plain[] = {
		{ OPTION_LEADER, "--leader" },
		{ OPTION_PREFER, "--prefer" },
		{ OPTION_SURVIVE, "--survive" },
		{ OPTION_SYNC, "--sync" },
		{ OPTION_PROMOTE_AFTER, "--promote-after" },
		{ OPTION_ABORT_AFTER, "--abort-after" },
		{ OPTION_MAX_RESYNCS, "--max-resyncs" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		if (options->text[plain[i].option])
			append_pair(args, plain[i].flag, options->text[plain[i].option]);
	}
	if (options->text[OPTION_AGENT] && strcmp(options->text[OPTION_AGENT], "off") == 0)
		json_append(args, json_new_string("--no-agent"));
}

static int append_file_options(
	struct json *args, const struct edit *edit, const struct plan *plan, struct err *err)
{
	const char *rules = edit->options->text[OPTION_RULES];
	cleanup_str struct str text = STR_INIT;
	int rc = 0;

	if (edit->options->text[OPTION_OLD_ARGS]) {
		json_print(plan->old_args, &text);
		append_pair(args, "--old-args", CONFIG_DIR "/old-args.json");
		rc = write_config(edit, "old-args.json", text.data, text.len, err);
	}
	if (rc == 0 && rules && rules[0] != '/') {
		append_pair(args, "--rules", CONFIG_DIR "/rules.json");
		rc = write_config(edit, "rules.json", rules, strlen(rules), err);
	} else if (rules) {
		append_pair(args, "--rules", rules);
	}
	return rc;
}

/* Paths that are the same for both versions: the kernel's, the shared ones, and every mount. */
static void append_shared(struct json *args, const struct plan *plan)
{
	static const char *const kernel[] = { "/proc", "/dev", "/sys" };

	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++)
		append_pair(args, "--shared-path", kernel[i]);
	for (size_t i = 0; i < json_count(plan->shared); i++)
		append_pair(args, "--shared-path", json_string(json_at(plan->shared, i)));
	for (size_t i = 0; i < json_count(plan->mounts); i++) {
		const char *at = json_string(json_get(json_at(plan->mounts, i), "at"));
		bool covered = false;

		for (size_t k = 0; k < ARRAY_SIZE(kernel); k++)
			covered = covered || is_below(at, kernel[k]);
		for (size_t k = 0; k < json_count(plan->shared); k++)
			covered = covered || is_below(at, json_string(json_at(plan->shared, k)));
		if (!covered)
			append_pair(args, "--shared-path", at);
	}
}

/* The engine's words before OLD, which do not depend on the program. */
static struct json *engine_words(const struct edit *edit, const struct plan *plan)
{
	const char *log = edit->options->text[OPTION_LOG];
	struct json *args = json_new_strings(ENGINE, "run", "--old-root", SPEC_OLD_ROOT, NULL);

	if (!log || strcmp(log, "none") != 0)
		append_pair(args, "--log", STATE_DIR "/events.jsonl");
	if (log && strcmp(log, "stderr") == 0)
		json_append(args, json_new_string("-v"));
	append_shared(args, plan);
	append_plain_options(args, edit->options);
	return args;
}

static void append_programs(
	struct json *args, const struct json *old_args, const struct json *new_args)
{
	json_append(args, json_copy(json_at(old_args, 0)));
	json_append(args, json_copy(json_at(new_args, 0)));
	json_append(args, json_new_string("--"));
	for (size_t i = 1; i < json_count(new_args); i++)
		json_append(args, json_copy(json_at(new_args, i)));
}

static int set_args(struct json *spec, const struct edit *edit, const struct plan *plan,
	bool drop_chroot, struct err *err)
{
	bool is_first =
		spec_has_own_pids(spec) && !begins_with_init(json_path(spec, "process.args"));
	struct json *args = engine_words(edit, plan);
	int rc;

	json_set(json_get(spec, "process"), "args", args);
	json_append(args, json_new_string("--init"));
	if (is_first)
		json_append(args, json_new_string("--as-pid-1"));
	append_pair(args, "--control", STATE_DIR "/control");
	if (drop_chroot)
		json_append(args, json_new_string("--drop-chroot"));
	if (plan->new_only)
		append_pair(args, "--new-only-if", CONFIG_DIR "/new-only");
	append_pair(args, "--map-if", CONFIG_DIR "/map");
	rc = append_file_options(args, edit, plan, err);
	if (rc < 0)
		return rc;
	append_programs(args, plan->old_args, plan->new_args);
	return 0;
}

static char *overlay_lower(const struct json *mount)
{
	const char *type = json_string(json_get(mount, "type"));
	const struct json *options = json_get(mount, "options");

	if (!type || strcmp(type, "overlay") != 0)
		return NULL;
	for (size_t i = 0; i < json_count(options); i++) {
		const char *option = json_string(json_at(options, i));

		if (option && str_starts(option, "lowerdir="))
			return xstrdup(option + strlen("lowerdir="));
	}
	return NULL;
}

static struct json *own_mounts(const struct json *spec, const char *old)
{
	const struct json *mounts = json_get(spec, "mounts");
	struct json *list = json_new(JSON_ARRAY);

	for (size_t i = 0; i < json_count(mounts); i++) {
		const struct json *options = json_get(json_at(mounts, i), "options");
		const char *at = json_string(json_get(json_at(mounts, i), "destination"));
		const char *type;
		struct json *entry, *kept;

		if (!at || is_below(at, old) || is_below(at, SPEC_MX_DIR))
			continue;
		entry = json_new(JSON_OBJECT);
		kept = json_new(JSON_ARRAY);
		for (size_t k = 0; k < json_count(options); k++) {
			if (json_string(json_at(options, k)))
				json_append(kept, json_copy(json_at(options, k)));
		}
		json_set(entry, "at", json_new_string(at));
		json_set(entry, "options", kept);
		/* One entry of config.json, but a mount for every controller of cgroup v1. */
		type = json_string(json_get(json_at(mounts, i), "type"));
		json_set(entry, "recursive", json_new_bool(type && strcmp(type, "cgroup") == 0));
		json_append(list, entry);
	}
	return list;
}

static int make_plan(
	const struct json *spec, const struct edit *edit, struct plan *ret_plan, struct err *err)
{
	const struct options *options = edit->options;
	const struct json *caps = json_path(spec, "process.capabilities.effective");
	const char *rootfs = json_string(json_path(spec, "root.path"));
	const char *exec = options->text[OPTION_EXEC];
	const char *path = spec_env(spec, "PATH"),
		   *cwd = json_string(json_path(spec, "process.cwd"));
	cleanup_plan struct plan plan = { 0 };

	plan.new_args = json_copy(json_path(spec, "process.args"));
	remove_init(plan.new_args);
	plan.old_args = old_args(plan.new_args, options->text[OPTION_OLD_ARGS], err);
	if (!plan.old_args)
		return err_context(err, "annotation io.mx.old-args");
	plan.rootfs = rootfs[0] == '/' ? xstrdup(rootfs) : xasprintf("%s/%s", edit->bundle, rootfs);
	plan.old = xstrdup(options->text[OPTION_OLD]);
	plan.lower = overlay_lower(spec_mount_at(spec, plan.old));
	plan.readonly = json_is_true(json_path(spec, "root.readonly"));
	plan.new_only = edit->config->new_only;
	plan.shared = json_copy(options->shared);
	plan.builtin = options->builtin;
	plan.mounts = own_mounts(spec, plan.old);
	if (exec && strcmp(exec, "supervised") == 0)
		plan.exec = engine_words(edit, &plan);
	plan.effective = json_type(caps) == JSON_ARRAY ? json_copy(caps) : json_new(JSON_ARRAY);
	plan.path = xstrdup(path ? path : "");
	plan.cwd = xstrdup(cwd ? cwd : "/");
	*ret_plan = plan;
	plan = (struct plan){ 0 };
	return 0;
}

int edit_spec(struct json *spec, const struct edit *edit, struct err *err)
{
	cleanup_plan struct plan plan = { 0 };
	struct json *annotations;
	bool drop_chroot = false;
	int rc = make_plan(spec, edit, &plan, err);

	if (rc == 0)
		rc = plan_write(edit->state, &plan, err);
	if (rc == 0)
		rc = add_mounts(spec, edit, err);
	if (rc == 0)
		rc = add_masks(spec, "maskedPaths", err);
	if (rc == 0)
		rc = add_masks(spec, "readonlyPaths", err);
	if (rc == 0)
		rc = add_hook(spec, edit, err);
	if (rc == 0)
		rc = spec_add_capability(spec, cap_chroot, &drop_chroot, err);
	if (rc == 0)
		rc = spec_seccomp_allow(spec, "chroot", err);
	if (rc == 0)
		rc = set_args(spec, edit, &plan, drop_chroot, err);
	if (rc == 0)
		rc = json_ensure(spec, "annotations", JSON_OBJECT, &annotations, err);
	if (rc < 0)
		return rc;
	json_set(annotations, SPEC_STATE_MARK, json_new_string(edit->mark));
	return 0;
}

bool edit_wants_exec(const char *state)
{
	cleanup_plan struct plan plan = { 0 };
	struct err ignored;

	/* No plan: it is no container of ours. */
	return state_exists(state) && plan_read(state, &plan, &ignored) == 0 && plan.exec;
}

struct json *edit_exec_caps(const char *state)
{
	cleanup_plan struct plan plan = { 0 };
	struct err ignored;

	if (!state_exists(state) || plan_read(state, &plan, &ignored) < 0 ||
		json_has_string(plan.effective, cap_chroot))
		return NULL;
	return take_ptr(plan.effective);
}

int edit_exec(struct json *process, const char *state, struct err *err)
{
	cleanup_plan struct plan plan = { 0 };
	cleanup_json struct json *spec = json_new(JSON_OBJECT);
	const struct json *args = json_get(process, "args");
	bool drop_chroot = false;
	struct json *words;
	int rc = plan_read(state, &plan, err);

	if (rc < 0)
		return rc;
	if (json_type(args) != JSON_ARRAY || !json_string(json_at(args, 0)))
		return err_set(err, EINVAL, "the process to execute has no args");
	json_set(spec, "process", json_copy(process));
	rc = spec_add_capability(spec, cap_chroot, &drop_chroot, err);
	if (rc < 0)
		return rc;
	words = json_copy(plan.exec);
	if (drop_chroot)
		json_append(words, json_new_string("--drop-chroot"));
	append_programs(words, args, args);
	json_set(process, "capabilities", json_copy(json_path(spec, "process.capabilities")));
	json_set(process, "args", words);
	return 0;
}
