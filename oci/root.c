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
	uint64_t new_mount; /* id of the mount that the new root is */
};

/* Places of the kernel's, taken over whole, with what is mounted below them. */
static const char *const kernel_paths[] = { "/proc", "/dev", "/sys" };

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int mount_id(int fd, const char *path, uint64_t *ret_id, struct err *err)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return err_errno(err, errno, "%s: statx", path);
	*ret_id = st.stx_mnt_id;
	return 0;
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
	return mount_id(c->new_root, c->plan->rootfs, &c->new_mount, err);
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

static int set_flags(int at, uint64_t flags, bool recursive, const char *path, struct err *err)
{
	struct mount_attr attr = { .attr_set = flags };
	int how = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	if (flags && mount_setattr(at, "", how, &attr, sizeof(attr)) < 0)
		return err_errno(err, errno, "%s: set mount flags", path);
	return 0;
}

/* Mounts a copy of the tree at @source, with all that is mounted below it, on @target. */
static int graft(struct compose *c, int source, int target, const char *path, struct err *err)
{
	cleanup_close int tree = -1;
	uint64_t id = 0;
	int rc = mount_id(source, path, &id, err);

	if (rc < 0)
		return rc;
	tree = open_tree(source, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | O_CLOEXEC);
	if (tree < 0)
		return err_errno(err, errno, "share %s", path);
	/* Runtimes make a read-only root read-only after the hooks. */
	if (c->plan->readonly && id == c->new_mount)
		rc = set_flags(tree, MOUNT_ATTR_RDONLY, false, path, err);
	if (rc < 0)
		return rc;
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_errno(err, errno, "share %s", path);
	return 0;
}

/* Shows the new root's @path at the same path of the old one. */
static int share(struct compose *c, const char *path, bool optional, struct err *err)
{
	cleanup_close int source = -1, target = -1;
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
	return graft(c, source, target, path, err);
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

static uint64_t option_flag(const char *option)
{
	static const struct {
		const char *option;
		uint64_t flag;
	} table[] = {
		{ "ro", MOUNT_ATTR_RDONLY },
		{ "rro", MOUNT_ATTR_RDONLY },
		{ "nosuid", MOUNT_ATTR_NOSUID },
		{ "nodev", MOUNT_ATTR_NODEV },
		{ "noexec", MOUNT_ATTR_NOEXEC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].option, option) == 0)
			return table[i].flag;
	}
	return 0;
}

static bool is_kernel_path(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernel_paths); i++) {
		size_t len = strlen(kernel_paths[i]);

		if (strncmp(path, kernel_paths[i], len) == 0 &&
			(path[len] == '/' || path[len] == '\0'))
			return true;
	}
	return false;
}

/*
 * Shows one mount of the bundle in the old root, with its flags: crun sets some of them only after
 * the hooks (a read-only mount is remounted late), too late for our copy.
 */
static int share_mount(struct compose *c, const struct json *mount, struct err *err)
{
	const struct json *options = json_get(mount, "options");
	const char *path = json_string(json_get(mount, "at"));
	cleanup_close int at = -1;
	bool recursive = json_is_true(json_get(mount, "recursive"));
	uint64_t flags = 0;
	int rc = is_kernel_path(path) ? 0 : share(c, path, false, err);

	if (rc < 0)
		return err_context(err, "mount");
	for (size_t i = 0; i < json_count(options); i++) {
		const char *option = json_string(json_at(options, i));

		flags |= option_flag(option);
		recursive = recursive || strcmp(option, "rro") == 0;
	}
	rc = resolve_open(c->old_root, path, O_PATH, &at, err);
	if (rc == 0)
		rc = set_flags(at, flags, recursive, path, err);
	return rc < 0 ? err_context(err, "old image") : 0;
}

/* Nothing below /.mx but state/ is for the container's programs to write. */
static int seal(struct compose *c, struct err *err)
{
	cleanup_close int mx = -1;
	int rc = resolve_open(c->new_root, SPEC_MX_DIR, O_PATH | O_DIRECTORY, &mx, err);

	if (rc == 0 && c->plan->readonly)
		rc = set_flags(c->old_root, MOUNT_ATTR_RDONLY, false, SPEC_OLD_ROOT, err);
	return rc < 0 ? rc : set_flags(mx, MOUNT_ATTR_RDONLY, false, SPEC_MX_DIR, err);
}

int root_compose(const struct plan *plan, int *ret_new_root, int *ret_old_root, struct err *err)
{
	struct compose c = { .plan = plan, .new_root = -1, .old_root = -1 };
	int rc = open_roots(&c, err);

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(kernel_paths); i++)
		rc = share(&c, kernel_paths[i], true, err);
	if (rc == 0)
		rc = share_list(&c, plan->shared, plan->builtin, err);
	for (size_t i = 0; rc == 0 && i < json_count(plan->mounts); i++)
		rc = share_mount(&c, json_at(plan->mounts, i), err);
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
