/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/paths.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "mxm/scripts.h"

/* What every container has in common with its versions, whatever the command line says. */
static const char *const always_shared[] = { "/proc", "/dev", "/sys", "/.mx", NULL };

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/' || n == 1);
}

static bool is_shared(const struct mxm *mxm, const char *path)
{
	for (const char *const *p = always_shared; *p; p++) {
		if (is_below(path, *p))
			return true;
	}
	for (const char *const *p = mxm->config.shared_paths; p && *p; p++) {
		if (is_below(path, *p))
			return true;
	}
	return false;
}

/* "/a/./b/../c" becomes "/a/c"; symbolic links are the kernel's business. */
static void normalise(const char *path, struct str *out)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (out->len && out->data[out->len - 1] != '/')
				out->len--;
			if (out->len)
				out->len--;
			if (out->data)
				out->data[out->len] = '\0';
		} else if (n && !(n == 1 && path[0] == '.')) {
			str_putc(out, '/');
			str_append(out, path, n);
		}
		path += n;
		path += strspn(path, "/");
	}
	if (!out->len)
		str_putc(out, '/');
}

/* The root that @path is in: the version's own, or that of another which it was copied from and
 * could not leave (reroot.h). NULL: the engine's. */
static const char *root_of(const struct mxm *mxm, int version, const char *path)
{
	const int n = mxm->config.nversions;

	for (int i = 0; i < n; i++) {
		const char *root = mxm->config.versions[(version + i) % n].root;

		if (root && strcmp(root, "/") != 0 && is_below(path, root))
			return root;
	}
	return NULL;
}

/* The directory that a relative path begins at, as the version sees it. */
static bool base_directory(const struct task *task, int dirfd, char out[PATH_MAX])
{
	const char *root;
	char link[64];
	ssize_t n;

	if (dirfd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", task->tracee.tid);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", task->tracee.tid, dirfd);
	n = readlink(link, out, PATH_MAX - 1);
	if (n <= 0 || out[0] != '/')
		return false;
	out[n] = '\0';
	root = root_of(task->tuple->group->mxm, task->version, out);
	if (root) {
		memmove(out, out + strlen(root), n - strlen(root) + 1);
		if (!out[0])
			strcpy(out, "/");
	}
	return true;
}

bool paths_are_private(struct task *task)
{
	struct mxm *mxm = task->tuple->group->mxm;
	const struct sys_row *row = task->call.row;
	int dirfd = AT_FDCWD;

	if ((!mxm->has_roots && !mxm->scripts) || row->special == SPECIAL_EXEC)
		return false;
	for (int i = 0; i < row->nargs; i++) {
		cleanup_str struct str raw = STR_INIT, path = STR_INIT;
		char base[PATH_MAX];

		if (row->args[i].kind == ARG_DIRFD)
			dirfd = (int)task->call.args[i];
		if (row->args[i].kind != ARG_PATH || !task->call.args[i])
			continue;
		if (tracee_read_str(&task->tracee, raddr(task->call.args[i]), PATH_MAX, &raw) < 0)
			return false;
		if (!raw.len)
			return false;
		if (!mxm->has_roots)
			return scripts_are_own(task, raw.data);
		if (raw.data[0] != '/') {
			if (!base_directory(task, dirfd, base))
				return false;
			str_puts(&path, base[1] ? base : "");
			str_putc(&path, '/');
		}
		str_puts(&path, raw.data);
		str_reset(&raw);
		normalise(str_text(&path), &raw);
		return !is_shared(mxm, str_text(&raw));
	}
	return false;
}
