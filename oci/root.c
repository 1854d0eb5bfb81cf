/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/root.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "oci/resolve.h"
#include "oci/spec.h"

#define PRIVATE "private"

struct compose {
	const struct plan *plan;
	int new_root, old_root; /* O_PATH */
	struct stat new_top, old_top;
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Where the upper layer goes: on the container's own /.mx, out of everyone's sight. */
static int make_upper(int mx, mode_t mode, int *ret_upper, int *ret_work, struct err *err)
{
	cleanup_close int dir = -1, upper = -1, work = -1;

	if (mkdirat(mx, PRIVATE, 0700) < 0)
		return err_errno(err, errno, "make " SPEC_MX_DIR "/" PRIVATE);
	dir = openat(mx, PRIVATE, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || mkdirat(dir, "upper", 0700) < 0 || mkdirat(dir, "work", 0700) < 0)
		return err_errno(err, errno, "make the upper layer");
	upper = openat(dir, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	work = openat(dir, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* The root folder of an overlay has the upper layer's mode. */
	if (upper < 0 || work < 0 || fchmod(upper, mode & 07777) < 0)
		return err_errno(err, errno, "make the upper layer");
	*ret_upper = take_fd(&upper);
	*ret_work = take_fd(&work);
	return 0;
}

/*
 * An overlay may lie on an overlay, but no third one on those: where the old image is mounted as an
 * overlay itself, its lower layers are used directly.
 */
static int mount_overlay(
	const struct plan *plan, int mx, int old_image, int target, struct err *err)
{
	cleanup_close int upper = -1, work = -1;
	cleanup_free char *data = NULL;
	cleanup_free char *at = xasprintf("/proc/self/fd/%d", target);
	cleanup_free char *lower =
		plan->lower ? xstrdup(plan->lower) : xasprintf("/proc/self/fd/%d", old_image);
	struct stat st;
	int rc;

	if (fstat(old_image, &st) < 0)
		return err_errno(err, errno, "%s", plan->old);
	rc = make_upper(mx, st.st_mode, &upper, &work, err);
	if (rc < 0)
		return rc;
	data = xasprintf("lowerdir=%s,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d", lower,
		upper, work);
	if (mount("mx", at, "overlay", MS_NODEV, data) < 0)
		return err_errno(
			err, errno, "mount an overlay over the old image at %s", plan->old);
	return 0;
}

static int open_roots(struct compose *c, struct err *err)
{
	cleanup_close int mx = -1, old_image = -1, target = -1, engine = -1;
	int rc;

	c->new_root = open(c->plan->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->new_root < 0)
		return err_errno(err, errno, "open the container's root %s", c->plan->rootfs);
	rc = resolve_open(c->new_root, SPEC_MX_DIR "/mx", O_PATH | O_NOFOLLOW, &engine, err);
	if (rc < 0)
		return err_context(err, "the runtime has not made the container's mounts");
	rc = resolve_open(c->new_root, SPEC_MX_DIR, O_PATH | O_DIRECTORY, &mx, err);
	if (rc < 0)
		return rc;
	rc = resolve_open(c->new_root, c->plan->old, O_PATH | O_DIRECTORY, &old_image, err);
	if (rc < 0)
		return err_context(err, "annotation io.mx.old");
	if (mkdirat(mx, "root", 0755) < 0)
		return err_errno(err, errno, "make " SPEC_OLD_ROOT);
	target = openat(mx, "root", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return err_errno(err, errno, "open " SPEC_OLD_ROOT);
	rc = mount_overlay(c->plan, mx, old_image, target, err);
	if (rc < 0)
		return rc;
	/* Through the path again, which leads to what is mounted there now. */
	c->old_root = openat(mx, "root", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->old_root < 0)
		return err_errno(err, errno, "open " SPEC_OLD_ROOT);
	if (fstat(c->new_root, &c->new_top) < 0 || fstat(c->old_root, &c->old_top) < 0)
		return err_errno(err, errno, "stat the roots");
	return 0;
}

/* Opens the place in the new root, which is made if only the old image has it. */
static int open_source(
	struct compose *c, const char *path, bool optional, int *ret_fd, struct err *err)
{
	cleanup_close int twin = -1;
	struct err first = { 0 };
	struct stat st = { .st_mode = S_IFDIR };
	int rc = resolve_open(c->new_root, path, O_PATH, ret_fd, &first);

	if (rc == 0)
		return 0;
	if (rc != -ENOENT)
		return err_set(err, first.code, "%s", first.text);
	if (resolve_open(c->old_root, path, O_PATH, &twin, &first) == 0) {
		if (fstat(twin, &st) < 0)
			return err_errno(err, errno, "%s", path);
	} else if (optional) {
		return -ENOENT;
	}
	return resolve_make(c->new_root, path, st.st_mode & S_IFMT, ret_fd, err);
}

/* Shows the new root's @path at the same path of the old one, with all that is mounted below. */
static int share(struct compose *c, const char *path, bool optional, struct err *err)
{
	cleanup_close int source = -1, target = -1, tree = -1;
	struct stat from, to;
	int rc = open_source(c, path, optional, &source, err);

	if (rc == -ENOENT && optional)
		return 0;
	if (rc < 0)
		return err_context(err, "new image");
	if (fstat(source, &from) < 0)
		return err_errno(err, errno, "new image: %s", path);
	rc = resolve_make(c->old_root, path, from.st_mode & S_IFMT, &target, err);
	if (rc < 0)
		return err_context(err, "old image");
	if (fstat(target, &to) < 0)
		return err_errno(err, errno, "old image: %s", path);
	if (same_file(&from, &to))
		return 0;
	if (same_file(&from, &c->new_top) || same_file(&to, &c->old_top))
		return err_set(err, EINVAL, "%s image: %s is a link to its root",
			same_file(&to, &c->old_top) ? "old" : "new", path);
	if (S_ISDIR(from.st_mode) != S_ISDIR(to.st_mode))
		return err_set(
			err, EINVAL, "%s is a folder in one image and a file in the other", path);
	tree = open_tree(source, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | O_CLOEXEC);
	if (tree < 0)
		return err_errno(err, errno, "share %s", path);
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_errno(err, errno, "share %s", path);
	return 0;
}

static int share_list(struct compose *c, const struct json *list, size_t optional, struct err *err)
{
	for (size_t i = 0; i < json_count(list); i++) {
		int rc = share(c, json_string(json_at(list, i)), i < optional, err);

		if (rc < 0)
			return err_context(err, "shared path");
	}
	return 0;
}

static int make_readonly(int dir, const char *what, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (mount_setattr(dir, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_errno(err, errno, "make %s read-only", what);
	return 0;
}

/* Nothing below /.mx but state/ is for the container's programs to write. */
static int seal(struct compose *c, struct err *err)
{
	cleanup_close int mx = -1;
	int rc = resolve_open(c->new_root, SPEC_MX_DIR, O_PATH | O_DIRECTORY, &mx, err);

	if (rc == 0 && c->plan->readonly)
		rc = make_readonly(c->old_root, SPEC_OLD_ROOT, err);
	return rc < 0 ? rc : make_readonly(mx, SPEC_MX_DIR, err);
}

int root_compose(const struct plan *plan, int *ret_new_root, int *ret_old_root, struct err *err)
{
	static const char *const kernel[] = { "/proc", "/dev", "/sys" };
	struct compose c = { .plan = plan, .new_root = -1, .old_root = -1 };
	int rc = open_roots(&c, err);

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(kernel); i++)
		rc = share(&c, kernel[i], true, err);
	if (rc == 0)
		rc = share_list(&c, plan->shared, plan->builtin, err);
	if (rc == 0)
		rc = share_list(&c, plan->mounts, 0, err);
	if (rc == 0)
		rc = seal(&c, err);
	if (rc == 0) {
		*ret_new_root = take_fd(&c.new_root);
		*ret_old_root = take_fd(&c.old_root);
	}
	if (c.new_root >= 0)
		close(c.new_root);
	if (c.old_root >= 0)
		close(c.old_root);
	return rc;
}
