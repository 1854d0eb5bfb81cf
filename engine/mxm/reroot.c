/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/reroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/install.h"

/* Where the copy stands: all paths but @root are as seen from within it. */
struct place {
	char root[PATH_MAX]; /* of the version that it was copied from, or of one before */
	char own[PATH_MAX];  /* the program's own root below it: "/" where it made none */
	char cwd[PATH_MAX];
};

static size_t length(const char *root)
{
	return root && strcmp(root, "/") != 0 ? strlen(root) : 0;
}

/* What is left of @path below a directory whose name is @n long: NULL where it is not below it. */
static const char *below(const char *path, const char *dir, size_t n)
{
	if (n && (strncmp(path, dir, n) != 0 || (path[n] && path[n] != '/')))
		return NULL;
	return path[n] ? path + n : "/";
}

static int read_link(pid_t pid, const char *name, char out[PATH_MAX], struct err *err)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/%s", pid, name);
	n = readlink(link, out, PATH_MAX - 1);
	if (n < 0)
		return err_errno(err, errno, "%s", link);
	out[n] = '\0';
	if (out[0] != '/')
		return err_set(err, ENOTSUP, "the directory %s cannot be reached", out);
	return 0;
}

static int find_place(
	const struct mxm *mxm, const struct tracee *copy, struct place *ret, struct err *err)
{
	char here[PATH_MAX], cwd[PATH_MAX];
	const char *rest;
	size_t best = 0;
	int rc = read_link(copy->tgid, "root", here, err);

	if (rc == 0)
		rc = read_link(copy->tgid, "cwd", cwd, err);
	if (rc < 0)
		return rc;
	for (int v = 0; v < mxm->config.nversions; v++) {
		const char *root = mxm->config.versions[v].root;
		size_t n = length(root);

		if (n > best && below(here, root, n))
			best = n;
	}
	snprintf(ret->root, sizeof(ret->root), "%.*s", best ? (int)best : 1, here);
	snprintf(ret->own, sizeof(ret->own), "%s", below(here, here, best));
	rest = below(cwd, here, length(here));
	if (!rest)
		return err_set(err, ENOTSUP, "its working directory is outside of its root");
	snprintf(ret->cwd, sizeof(ret->cwd), "%s", rest);
	return 0;
}

/* chdir or chroot, in the copy. */
static int change(struct tracee *copy, long nr, const char *path, long *ret)
{
	int rc = tracee_write(copy, raddr(GATEWAY_SCRATCH), path, strlen(path) + 1);

	return rc < 0 ? rc : tracee_remote(copy, false, ret, nr, GATEWAY_SCRATCH, 0, 0, 0, 0, 0);
}

/* Its root is the directory behind @fd, and so is its working directory. @ret: what chroot said. */
static int enter(struct task *task, int fd, long *ret)
{
	long r = 0, closed;
	int there, rc = install_send(task, fd, &there);

	if (rc < 0)
		return rc;
	rc = tracee_remote(&task->tracee, false, &r, SYS_fchdir, there, 0, 0, 0, 0, 0);
	if (rc == 0 && r == 0)
		rc = change(&task->tracee, SYS_chroot, ".", &r);
	if (rc == 0)
		rc = tracee_remote(&task->tracee, false, &closed, SYS_close, there, 0, 0, 0, 0, 0);
	*ret = r;
	return rc;
}

static int go_to(struct tracee *copy, const struct place *place, struct err *err)
{
	const char *at = place->own;
	long r = 0;
	int rc = 0;

	if (strcmp(at, "/") != 0)
		rc = change(copy, SYS_chroot, at, &r);
	if (rc == 0 && r == 0) {
		at = place->cwd;
		rc = change(copy, SYS_chdir, at, &r);
	}
	if (rc < 0)
		return err_errno(err, -rc, "changing the copy's root");
	if (r < 0)
		return err_set(
			err, ENOTSUP, "the directory %s in its root: %s", at, strerror((int)-r));
	return 0;
}

int reroot(struct tuple *tuple, int version, struct tracee *copy, struct err *err)
{
	struct mxm *mxm = tuple->group->mxm;
	struct task task = { .tuple = tuple, .version = version, .tracee = *copy };
	const char *root = mxm->config.versions[version].root;
	cleanup_close int fd = -1;
	struct place place;
	long r;
	int rc;

	if (!mxm->has_roots)
		return 0;
	root = length(root) ? root : "/";
	rc = find_place(mxm, copy, &place, err);
	if (rc < 0 || strcmp(place.root, root) == 0)
		return rc;
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "%s", root);
	rc = enter(&task, fd, &r);
	*copy = task.tracee;
	if (rc < 0)
		return err_errno(err, -rc, "changing the copy's root");
	if (r == -EPERM) {
		mxm->ops->note(mxm->ops_arg, "root-kept", version, tuple->ids->known,
			"it may not change its root, and opens the other version's files");
		/* Back to where it was. */
		snprintf(place.own, sizeof(place.own), "/");
	} else if (r < 0) {
		return err_errno(err, (int)-r, "chroot to %s", root);
	}
	return go_to(copy, &place, err);
}
