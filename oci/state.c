/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/folders.h"

#define ID_MAX 200

/* A rootless engine runs the shim as root of a user namespace that does not own /run. */
int state_run_dir(char **ret_dir, struct err *err)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 && access("/run", W_OK) == 0)
		*ret_dir = xstrdup("/run/mx");
	else if (runtime_dir && runtime_dir[0] == '/')
		*ret_dir = xasprintf("%s/mx", runtime_dir);
	else
		return err_set(err, EINVAL, "XDG_RUNTIME_DIR is not set and /run is not writable");
	return 0;
}

static bool is_plain_name(const char *s)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
	size_t len = strlen(s);

	return len > 0 && len <= ID_MAX && strspn(s, plain) == len && s[0] != '.';
}

/* FNV-1a of the runtime's --root: not a secret, only a short name for it. */
static void put_key(char *key, size_t size, const char *root)
{
	uint64_t hash = 0xcbf29ce484222325u;

	if (!root || root[0] == '\0') {
		snprintf(key, size, "default");
		return;
	}
	for (; *root; root++)
		hash = (hash ^ (unsigned char)*root) * 0x100000001b3u;
	snprintf(key, size, "%016" PRIx64, hash);
}

char *state_mark(const char *root, const char *id)
{
	char key[32];

	put_key(key, sizeof(key), root);
	return xasprintf("%s/%s", key, id);
}

int state_path_by_mark(const char *mark, char **ret_path, struct err *err)
{
	const char *slash = strchr(mark, '/');
	cleanup_free char *key = xstrndup(mark, slash ? (size_t)(slash - mark) : 0);
	cleanup_free char *dir = NULL;
	int rc;

	if (!slash || !is_plain_name(key) || !is_plain_name(slash + 1))
		return err_set(err, EINVAL, "\"%.300s\" is no name of a container's state", mark);
	rc = state_run_dir(&dir, err);
	if (rc < 0)
		return rc;
	*ret_path = xasprintf("%s/%s", dir, mark);
	return 0;
}

int state_path(const char *root, const char *id, char **ret_path, struct err *err)
{
	cleanup_free char *mark = NULL;

	if (!is_plain_name(id))
		return err_set(err, EINVAL, "\"%.300s\" is no container id", id);
	mark = state_mark(root, id);
	return state_path_by_mark(mark, ret_path, err);
}

bool state_exists(const char *path)
{
	cleanup_free char *plan = xasprintf("%s/" STATE_PLAN, path);

	return access(plan, F_OK) == 0;
}

int state_hold(const char *path, int *ret_fd, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int error = errno;

		close(fd);
		return error == EWOULDBLOCK ? 0 : err_errno(err, error, "lock %s", path);
	}
	*ret_fd = fd;
	return 1;
}

/* @own if it is set, @system for root, else @name in the folder of a rootless engine. */
static int choose_dir(
	const char *own, const char *system, const char *name, char **ret_dir, struct err *err)
{
	cleanup_free char *dir = NULL;
	int rc;

	if (own) {
		*ret_dir = xstrdup(own);
		return 0;
	}
	rc = state_run_dir(&dir, err);
	if (rc < 0)
		return rc;
	*ret_dir = strcmp(dir, "/run/mx") == 0 ? xstrdup(system) : xasprintf("%s/%s", dir, name);
	return 0;
}

int state_log_dir(const struct config *config, char **ret_dir, struct err *err)
{
	return choose_dir(config->log_dir, "/var/log/mx", "log", ret_dir, err);
}

int state_cache_dir(const struct config *config, char **ret_dir, struct err *err)
{
	return choose_dir(config->cache_dir, "/var/cache/mx", "cache", ret_dir, err);
}

/* Removes what is in the folder, two levels deep: there is nothing deeper that is ours. */
static void empty_dir(int dir_fd, int depth)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((entry = readdir(dir))) {
		cleanup_close int sub = -1;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dir_fd, entry->d_name, 0) == 0 || errno != EISDIR || depth == 0)
			continue;
		sub = openat(
			dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			empty_dir(sub, depth - 1);
		unlinkat(dir_fd, entry->d_name, AT_REMOVEDIR);
	}
}

static int remove_all(const char *path, struct err *err)
{
	int fd;

	/* EINVAL: it is no mount point. */
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		empty_dir(fd, 2);
		close(fd);
	}
	if (rmdir(path) < 0 && errno != ENOENT)
		return err_errno(err, errno, "rmdir %s", path);
	return 0;
}

static int make_parts(const char *path, uid_t uid, gid_t gid, struct err *err)
{
	cleanup_free char *config = xasprintf("%s/config", path);
	cleanup_free char *state = xasprintf("%s/state", path);

	if (mkdir(config, 0755) < 0 || chmod(config, 0755) < 0)
		return err_errno(err, errno, "mkdir %s", config);
	if (mkdir(state, 0700) < 0)
		return err_errno(err, errno, "mkdir %s", state);
	if (lchown(state, uid, gid) < 0)
		return err_errno(err, errno, "chown %s to %u:%u", state, uid, gid);
	return 0;
}

/* In large pages, where the kernel has them: a map of a megabyte is written in a third of the time.
 */
static int mount_memory(const char *path, long long size)
{
	cleanup_free char *data = xasprintf("mode=0711,size=%lld,nr_inodes=1024", size);
	cleanup_free char *large = xasprintf("%s,huge=within_size", data);
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int rc = mount("mx", path, "tmpfs", flags, large);

	return rc < 0 && errno == EINVAL ? mount("mx", path, "tmpfs", flags, data) : rc;
}

int state_create(const char *path, long long size, uid_t uid, gid_t gid, struct err *err)
{
	cleanup_free char *parent = xstrndup(path, strrchr(path, '/') - path);
	int rc = remove_all(path, err);

	if (rc < 0)
		return rc;
	/* A container's user must reach config/ and state/ through these, but not list them. */
	rc = folders_make(parent, 0711, err);
	if (rc < 0)
		return rc;
	if (mkdir(path, 0711) < 0)
		return err_errno(err, errno, "mkdir %s", path);
	if (mount_memory(path, size) < 0 && errno != EPERM)
		rc = err_errno(err, errno, "mount a tmpfs at %s", path);
	if (rc == 0)
		rc = make_parts(path, uid, gid, err);
	if (rc < 0) {
		struct err ignored;

		if (remove_all(path, &ignored) < 0)
			err_context(err, "(and %s is left over)", path);
	}
	return rc;
}

/* The container's user may have put anything in place of the log: a link, a pipe, too much. */
static int keep_log(const char *path, const struct config *config, struct err *err)
{
	cleanup_free char *log = xasprintf("%s/" STATE_LOG, path);
	cleanup_close int fd = open(log, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_free char *dir = NULL;
	cleanup_free char *kept = NULL;
	cleanup_str struct str text = STR_INIT;
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	rc = state_log_dir(config, &dir, err);
	if (rc == 0)
		rc = folders_make(dir, 0755, err);
	if (rc == 0)
		rc = io_read_fd(fd, config->state_size, &text, err);
	if (rc < 0)
		return rc;
	kept = xasprintf("%s/%s.jsonl", dir, strrchr(path, '/') + 1);
	rc = io_replace_passing_file(kept, text.data, text.len, 0600, err);
	if (rc == 0)
		folders_prune(dir, ".jsonl", config->keep_logs);
	return rc;
}

int state_remove(const char *path, const struct config *config, struct err *err)
{
	int rc = keep_log(path, config, err), removed;

	if (rc < 0)
		err_context(err, "keep the event log");
	removed = remove_all(path, rc < 0 ? NULL : err);
	return rc < 0 ? rc : removed;
}
