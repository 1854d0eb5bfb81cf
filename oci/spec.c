/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"

#define SPEC_MAX    (16u << 20)
#define KEPT_SUFFIX ".mx-original"

int spec_load(const char *bundle, const char *name, struct json **ret_spec, bool *ret_edited,
	struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", bundle, name);
	cleanup_free char *kept = xasprintf("%s" KEPT_SUFFIX, path);
	cleanup_json struct json *spec = NULL;
	int rc = json_read_file(path, SPEC_MAX, &spec, err);
	bool edited;

	if (rc < 0)
		return rc;
	edited = spec_annotation(spec, SPEC_STATE_MARK) != NULL;
	if (edited) {
		json_free(take_ptr(spec));
		rc = json_read_file(kept, SPEC_MAX, &spec, err);
		if (rc == -ENOENT)
			return err_set(err, EINVAL,
				"annotation " SPEC_STATE_MARK
				": is mx-shim's own, but no %s is beside the file",
				kept + strlen(bundle) + 1);
		if (rc < 0)
			return rc;
	}
	if (json_type(spec) != JSON_OBJECT)
		return err_set(err, EINVAL, "%s: is no object", path);
	*ret_spec = take_ptr(spec);
	*ret_edited = edited;
	return 0;
}

bool spec_mentions(const char *bundle, const char *name, const char *text)
{
	cleanup_free char *path = xasprintf("%s/%s", bundle, name);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const size_t kept = strlen(text) - 1;
	char buf[1 << 16];
	size_t have = 0;

	for (;;) {
		ssize_t n = fd < 0 ? -1 : read(fd, buf + have, sizeof(buf) - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
		if (memmem(buf, have, text, kept + 1))
			return true;
		/* It may lie across two pieces. */
		if (have > kept) {
			memmove(buf, buf + have - kept, kept);
			have = kept;
		}
	}
}

/* By another name for it; where the file system has none, by a copy. */
static int keep(const char *path, const char *kept, mode_t mode, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int rc;

	if (unlink(kept) < 0 && errno != ENOENT)
		return err_errno(err, errno, "remove %s", kept);
	if (link(path, kept) == 0)
		return 0;
	rc = io_read_file(path, SPEC_MAX, &text, err);
	return rc < 0 ? rc : io_replace_passing_file(kept, text.data, text.len, mode, err);
}

int spec_save(const char *bundle, const char *name, const struct json *spec, bool edited,
	struct stat *ret_saved, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", bundle, name);
	cleanup_free char *kept = xasprintf("%s" KEPT_SUFFIX, path);
	cleanup_str struct str text = STR_INIT;
	struct stat st;
	int rc;

	if (stat(path, &st) < 0)
		return err_errno(err, errno, "%s", path);
	rc = edited ? 0 : keep(path, kept, st.st_mode & 0777, err);
	if (rc < 0)
		return rc;
	json_print(spec, &text);
	rc = io_replace_passing_file(path, text.data, text.len, st.st_mode & 0777, err);
	if (rc == 0 && stat(path, ret_saved) < 0)
		return err_errno(err, errno, "%s", path);
	if (rc < 0 && !edited)
		unlink(kept);
	return rc;
}

int spec_restore(const char *bundle, const char *name, const struct stat *saved, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", bundle, name);
	cleanup_free char *kept = xasprintf("%s" KEPT_SUFFIX, path);
	struct stat st;
	int rc;

	if (stat(path, &st) < 0 || st.st_dev != saved->st_dev || st.st_ino != saved->st_ino ||
		st.st_mtim.tv_sec != saved->st_mtim.tv_sec ||
		st.st_mtim.tv_nsec != saved->st_mtim.tv_nsec)
		rc = unlink(kept);
	else
		rc = io_put_in_place(kept, path);
	/* Whoever asked for the container may have removed it, and its folder, by now. */
	return rc < 0 && errno != ENOENT ? err_errno(err, errno, "restore %s", path) : 0;
}

const char *spec_annotation(const struct json *spec, const char *key)
{
	return json_string(json_get(json_get(spec, "annotations"), key));
}

const char *spec_container_name(const struct json *spec)
{
	static const char *const keys[] = {
		"io.kubernetes.cri.container-name",
		"io.kubernetes.container.name",
		"io.kubernetes.cri-o.ContainerName",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *name = spec_annotation(spec, keys[i]);

		if (name)
			return name;
	}
	return NULL;
}

/* What is said of another container of the pod is not said of this one. */
static bool is_of(const char *key, const char *name)
{
	const char *slash = strchr(key, '/');

	return !slash || !name || strcmp(slash + 1, name) == 0;
}

bool spec_asks_for_mx(const struct json *spec)
{
	const struct json *annotations = json_get(spec, "annotations");
	const char *name = spec_container_name(spec);

	for (size_t i = 0; i < json_count(annotations); i++) {
		const char *key = json_key_at(annotations, i);

		if (key && str_starts(key, SPEC_PREFIX) && is_of(key, name))
			return true;
	}
	return false;
}

bool spec_is_sandbox(const struct json *spec)
{
	static const char *const keys[] = {
		"io.kubernetes.cri.container-type",  /* containerd */
		"io.kubernetes.cri-o.ContainerType", /* CRI-O, and podman for its pods */
		"io.kubernetes.docker.type",	     /* dockershim */
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *type = spec_annotation(spec, keys[i]);

		if (type && (strcmp(type, "sandbox") == 0 || strcmp(type, "podsandbox") == 0))
			return true;
	}
	return false;
}

const char *spec_env(const struct json *spec, const char *name)
{
	const struct json *env = json_path(spec, "process.env");
	size_t len = strlen(name);

	for (size_t i = 0; i < json_count(env); i++) {
		const char *entry = json_string(json_at(env, i));

		if (entry && strncmp(entry, name, len) == 0 && entry[len] == '=')
			return entry + len + 1;
	}
	return NULL;
}

static size_t length_without_slashes(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

struct json *spec_mount_at(const struct json *spec, const char *path)
{
	const struct json *mounts = json_get(spec, "mounts");
	size_t len = length_without_slashes(path);

	/* The last one counts: it lies over the others. */
	for (size_t i = json_count(mounts); i-- > 0;) {
		struct json *mount = json_at(mounts, i);
		const char *at = json_string(json_get(mount, "destination"));

		if (at && length_without_slashes(at) == len && memcmp(at, path, len) == 0)
			return mount;
	}
	return NULL;
}

static bool action_allows(const char *action)
{
	return action &&
	       (strcmp(action, "SCMP_ACT_ALLOW") == 0 || strcmp(action, "SCMP_ACT_LOG") == 0);
}

bool spec_seccomp_allows(const struct json *spec, const char *call)
{
	const struct json *seccomp = json_path(spec, "linux.seccomp");
	const struct json *rules = json_get(seccomp, "syscalls");
	bool allowed;

	if (json_type(seccomp) != JSON_OBJECT)
		return true;
	allowed = action_allows(json_string(json_get(seccomp, "defaultAction")));
	for (size_t i = 0; i < json_count(rules); i++) {
		const struct json *rule = json_at(rules, i);

		if (json_count(json_get(rule, "args")) ||
			!json_has_string(json_get(rule, "names"), call))
			continue;
		if (!action_allows(json_string(json_get(rule, "action"))))
			return false;
		allowed = true;
	}
	return allowed;
}

int spec_seccomp_allow(struct json *spec, const char *call, struct err *err)
{
	struct json *seccomp = json_path(spec, "linux.seccomp"), *rules, *rule, *names;
	int rc;

	if (spec_seccomp_allows(spec, call))
		return 0;
	rc = json_ensure(seccomp, "syscalls", JSON_ARRAY, &rules, err);
	if (rc < 0)
		return err_context(err, "linux.seccomp");
	for (size_t i = 0; i < json_count(rules); i++) {
		names = json_get(json_at(rules, i), "names");
		for (size_t k = json_count(names); k-- > 0;) {
			const char *name = json_string(json_at(names, k));

			if (name && strcmp(name, call) == 0)
				json_remove_at(names, k);
		}
	}
	for (size_t i = json_count(rules); i-- > 0;) {
		if (json_count(json_get(json_at(rules, i), "names")) == 0)
			json_remove_at(rules, i);
	}
	rule = json_new(JSON_OBJECT);
	json_set(rule, "names", json_new_strings(call, NULL));
	json_set(rule, "action", json_new_string("SCMP_ACT_ALLOW"));
	json_append(rules, rule);
	return 0;
}

int spec_add_capability(struct json *spec, const char *cap, bool *ret_added, struct err *err)
{
	static const char *const sets[] = {
		"bounding",
		"effective",
		"permitted",
		"inheritable",
		"ambient",
	};
	struct json *process = json_get(spec, "process"), *caps, *set;
	long long uid = 0;
	bool added = false;
	int rc = json_ensure(process, "capabilities", JSON_OBJECT, &caps, err);

	/* No uid is root's; a wrong one is found by the runtime. */
	if (json_integer(json_path(process, "user.uid"), 0, UINT32_MAX, &uid) < 0)
		uid = 0;
	for (size_t i = 0; rc == 0 && i < (uid ? 5 : 3); i++) {
		rc = json_ensure(caps, sets[i], JSON_ARRAY, &set, err);
		if (rc < 0 || json_has_string(set, cap))
			continue;
		json_append(set, json_new_string(cap));
		added = true;
	}
	if (rc < 0)
		return err_context(err, "process.capabilities");
	*ret_added = added;
	return 0;
}

/* Maps @id by the lines "inside outside count" of a uid_map file. */
static int map_by_file(const char *path, long long id, long long *ret_id, struct err *err)
{
	cleanup_fclose FILE *f = fopen(path, "re");
	long long inside, outside, count;

	if (!f)
		return err_errno(err, errno, "open %s", path);
	while (fscanf(f, "%lld %lld %lld", &inside, &outside, &count) == 3) {
		if (id >= inside && id - inside < count) {
			*ret_id = outside + (id - inside);
			return 0;
		}
	}
	return err_set(err, EINVAL, "%s: does not map %lld", path, id);
}

static int map_by_list(
	const struct json *list, long long id, const char *what, long long *ret_id, struct err *err)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *row = json_at(list, i);
		long long inside, outside, count;

		if (json_integer(json_get(row, "containerID"), 0, UINT32_MAX, &inside) < 0 ||
			json_integer(json_get(row, "hostID"), 0, UINT32_MAX, &outside) < 0 ||
			json_integer(json_get(row, "size"), 0, UINT32_MAX, &count) < 0)
			return err_set(err, EINVAL, "linux.%s: entry %zu is malformed", what, i);
		if (id >= inside && id - inside < count) {
			*ret_id = outside + (id - inside);
			return 0;
		}
	}
	return err_set(err, EINVAL, "linux.%s: does not map the process' id %lld", what, id);
}

static const struct json *find_namespace(const struct json *spec, const char *kind)
{
	const struct json *list = json_path(spec, "linux.namespaces");

	for (size_t i = 0; i < json_count(list); i++) {
		const char *type = json_string(json_get(json_at(list, i), "type"));

		if (type && strcmp(type, kind) == 0)
			return json_at(list, i);
	}
	return NULL;
}

bool spec_has_own_pids(const struct json *spec)
{
	const struct json *ns = find_namespace(spec, "pid");

	return ns && !json_get(ns, "path");
}

static int host_id(const struct json *spec, const char *kind, uid_t *ret_id, struct err *err)
{
	cleanup_free char *field = xasprintf("user.%s", kind);
	cleanup_free char *list_name = xasprintf("%sMappings", kind);
	const struct json *list = json_get(json_get(spec, "linux"), list_name);
	const struct json *ns = find_namespace(spec, "user");
	const char *path = json_string(json_get(ns, "path"));
	long long id = 0, mapped;
	int rc = 0;

	if (json_path(spec, "process.user") &&
		json_integer(json_path(json_get(spec, "process"), field), 0, UINT32_MAX, &id) < 0)
		return err_set(err, EINVAL, "process.%s: is no user number", field);
	mapped = id;
	if (json_count(list) && ns) {
		rc = map_by_list(list, id, list_name, &mapped, err);
	} else if (path && str_starts(path, "/proc/") && str_ends(path, "/ns/user")) {
		size_t pid_len = strlen(path) - strlen("/ns/user");
		cleanup_free char *file = xasprintf("%.*s/%s_map", (int)pid_len, path, kind);

		rc = map_by_file(file, id, &mapped, err);
	} else if (path) {
		rc = err_set(err, EINVAL,
			"linux.namespaces: the user namespace is joined by path and linux.%s is "
			"not given",
			list_name);
	}
	if (rc < 0)
		return rc;
	*ret_id = mapped;
	return 0;
}

int spec_host_user(const struct json *spec, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
	uid_t uid;
	gid_t gid;
	int rc = host_id(spec, "uid", &uid, err);

	if (rc == 0)
		rc = host_id(spec, "gid", &gid, err);
	if (rc < 0)
		return rc;
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}
