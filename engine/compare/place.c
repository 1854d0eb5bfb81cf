/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/xalloc.h"

#define OPEN_MAX_FTW 16

struct place {
	char *base; /* as the caller sees it: holds the directory, so that its name can be found */
	char *dir;
	const char *inside; /* the part of `dir` that the program sees */
	char *files;
};

/* nftw(3) hands nothing on to its function. The copy in progress; one thread. */
static struct {
	const char *from, *to;
	struct err *err;
} copying;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	/* What stays is found when the directory is made anew. */
	(void)remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, OPEN_MAX_FTW, FTW_DEPTH | FTW_PHYS);
}

static int copy_file(const char *from, const char *to, const struct stat *st)
{
	cleanup_close int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int out = -1;
	/* Servers tell clients when a file was changed. */
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	ssize_t n;

	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0) {
	}
	return n < 0 || fchmod(out, st->st_mode & 07777) < 0 || futimens(out, times) < 0 ? -errno
											 : 0;
}

static int copy_link(const char *from, const char *to)
{
	char target[PATH_MAX];
	ssize_t n = readlink(from, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlink(target, to) < 0 ? -errno : 0;
}

static int copy_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	cleanup_free char *to = xasprintf("%s%s", copying.to, path + strlen(copying.from));
	int rc;

	switch (st->st_mode & S_IFMT) {
	case S_IFDIR:
		/* Its own mode could forbid what is to be put into it. */
		rc = ftw->level == 0 || mkdir(to, 0700 | (st->st_mode & 07777)) == 0 ? 0 : -errno;
		break;
	case S_IFREG:
		rc = copy_file(path, to, st);
		break;
	case S_IFLNK:
		rc = copy_link(path, to);
		break;
	default:
		rc = -EOPNOTSUPP;
	}
	return rc < 0 ? err_errno(copying.err, -rc, "cannot copy %s", path) : 0;
}

int place_prepare(struct place *p, struct err *err)
{
	int rc;

	*err = (struct err){ 0 };
	remove_tree(p->dir);
	if (mkdir(p->dir, 0755) < 0)
		return err_errno(err, errno, "cannot make %s", p->dir);
	if (!p->files)
		return 0;
	copying.from = p->files;
	copying.to = p->dir;
	copying.err = err;
	rc = nftw(p->files, copy_one, OPEN_MAX_FTW, FTW_PHYS);
	/* nftw's own failures are -1 with errno. */
	return rc == -1 && err->code == 0 ? err_errno(err, errno, "cannot copy %s", p->files) : rc;
}

/* One name for all places, since programs tell their environment where they are: drawn once. */
static struct {
	char name[32];
	char *base; /* of all that are in no root */
	unsigned users;
} drawn;

static const char *draw_name(void)
{
	uint32_t n;

	if (!drawn.name[0] && getrandom(&n, sizeof(n), 0) == sizeof(n))
		snprintf(drawn.name, sizeof(drawn.name), "mx-compare.%08x", n);
	return drawn.name;
}

/* NULL: an error. */
static char *make_base(const char *root, struct err *err)
{
	cleanup_free char *base = NULL;
	const char *tmp = getenv("TMPDIR");

	if (!draw_name()[0]) {
		err_set(err, EAGAIN, "no random name can be had");
		return NULL;
	}
	/* At the top of the root, where no link of the image's can lead elsewhere. */
	if (root)
		base = xasprintf("%s/.%s", root, draw_name());
	else
		base = xasprintf("%s/%s", tmp && tmp[0] == '/' ? tmp : "/tmp", draw_name());
	/* Two versions can have one root. A server that gives up its rights still has to come to
	 * its directory. */
	if ((root || !drawn.users) &&
		((mkdir(base, 0711) < 0 && !(root && errno == EEXIST)) || chmod(base, 0711) < 0)) {
		err_errno(err, errno, "cannot make %s", base);
		return NULL;
	}
	if (!root && !drawn.users++)
		drawn.base = xstrdup(base);
	return take_ptr(base);
}

int place_new(const char *root, const char *files, struct place **ret, struct err *err)
{
	struct place *p;
	struct stat st;
	char *base;

	if (files && (stat(files, &st) < 0 || !S_ISDIR(st.st_mode)))
		return err_set(err, ENOTDIR, "%s is no directory", files);
	base = make_base(root, err);
	if (!base)
		return -err->code;
	p = xzalloc(sizeof(*p));
	p->base = base;
	p->dir = xasprintf("%s/work", base);
	p->inside = p->dir + (root ? strlen(root) : 0);
	p->files = files ? realpath(files, NULL) : NULL;
	*ret = p;
	return 0;
}

void place_free(struct place *p)
{
	if (!p)
		return;
	if (!drawn.base || strcmp(drawn.base, p->base) != 0 || --drawn.users == 0)
		remove_tree(p->base);
	if (!drawn.users) {
		free(drawn.base);
		drawn.base = NULL;
	}
	free(p->base);
	free(p->dir);
	free(p->files);
	free(p);
}

const char *place_path(const struct place *p)
{
	return p->inside;
}

const char *place_outside(const struct place *p)
{
	return p->dir;
}
