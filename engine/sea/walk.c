/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/walk.h"

#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/xalloc.h"

#define MAX_FILES   65536 /* ELF objects in one tree */
#define MAX_ENTRIES (1u << 21)
#define MAX_DEPTH   64

struct tree {
	char **names;
	uint32_t n, room;
	uint32_t entries;
	uint8_t *used;
};

static bool is_elf(int dir, const char *name)
{
	cleanup_close int fd =
		openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	unsigned char head[EI_NIDENT + 2];

	return fd >= 0 && read(fd, head, sizeof(head)) == sizeof(head) &&
	       !memcmp(head, ELFMAG, SELFMAG) && head[EI_CLASS] == ELFCLASS64 &&
	       (head[EI_NIDENT] == ET_DYN || head[EI_NIDENT] == ET_EXEC);
}

/* Directories that never hold a program's objects, but may hold endless ones. */
static bool is_skipped(const char *path, const char *name)
{
	return !*path && (!strcmp(name, "proc") || !strcmp(name, "sys") || !strcmp(name, "dev"));
}

static int visit(struct tree *t, int fd, const char *path, int depth, struct err *err)
{
	cleanup_closedir DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close(fd);
		return err_errno(err, ENOMEM, "read %s", path);
	}
	while ((e = readdir(d))) {
		cleanup_free char *full = NULL;
		struct stat st;
		int rc = 0;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
			is_skipped(path, e->d_name))
			continue;
		if (++t->entries > MAX_ENTRIES || t->n >= MAX_FILES)
			return err_set(err, EFBIG, "too many files below the directory");
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		full = *path ? xasprintf("%s/%s", path, e->d_name) : xstrdup(e->d_name);
		if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
			int sub = openat(dirfd(d), e->d_name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				rc = visit(t, sub, full, depth + 1, err);
		} else if (S_ISREG(st.st_mode) && is_elf(dirfd(d), e->d_name)) {
			if (t->n == t->room) {
				t->room = t->room ? t->room * 2 : 64;
				t->names = xreallocarray(t->names, t->room, sizeof(char *));
			}
			t->names[t->n++] = take_ptr(full);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int by_name(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

static int read_tree(const char *root, struct tree *t, struct err *err)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, errno, "open %s", root);
	if (visit(t, fd, "", 0, err) < 0)
		return err_context(err, "%s", root);
	if (t->n)
		qsort(t->names, t->n, sizeof(char *), by_name);
	t->used = xzalloc(t->n);
	return 0;
}

/* A path without the numbers of versions: usr/lib/libx.so.1.2.3 and libx.so.1.3.0 are one. */
static char *stem(const char *path)
{
	char *s = xstrdup(path), *out = s;

	for (const char *p = path; *p;) {
		if (isdigit((unsigned char)*p)) {
			while (isdigit((unsigned char)*p) ||
				(*p == '.' && isdigit((unsigned char)p[1])))
				p++;
			*out++ = '#';
		} else {
			*out++ = *p++;
		}
	}
	*out = '\0';
	return s;
}

static void add(struct sea_pairing *p, char *o, char *n)
{
	p->v = xreallocarray(p->v, p->n + 1, sizeof(*p->v));
	p->v[p->n++] = (struct sea_file_pair){ o ? xstrdup(o) : NULL, n ? xstrdup(n) : NULL };
}

static void pair_by_path(struct tree *o, struct tree *n, struct sea_pairing *p)
{
	for (uint32_t i = 0, k = 0; i < o->n && k < n->n;) {
		int c = strcmp(o->names[i], n->names[k]);

		if (c == 0) {
			add(p, o->names[i], n->names[k]);
			o->used[i++] = n->used[k++] = 1;
		} else if (c < 0) {
			i++;
		} else {
			k++;
		}
	}
}

/* What is left, if there is exactly one of its stem on each side. */
static void pair_by_stem(struct tree *o, struct tree *n, struct sea_pairing *p)
{
	char **so = xzalloc(o->n * sizeof(char *)), **sn = xzalloc(n->n * sizeof(char *));

	for (uint32_t i = 0; i < o->n; i++)
		so[i] = o->used[i] ? NULL : stem(o->names[i]);
	for (uint32_t i = 0; i < n->n; i++)
		sn[i] = n->used[i] ? NULL : stem(n->names[i]);
	for (uint32_t i = 0; i < o->n; i++) {
		uint32_t found = n->n, count = 0, own = 0;

		for (uint32_t k = 0; so[i] && k < n->n; k++)
			if (sn[k] && !strcmp(so[i], sn[k])) {
				found = k;
				count++;
			}
		for (uint32_t k = 0; count == 1 && k < o->n; k++)
			own += so[k] && !strcmp(so[i], so[k]);
		if (count != 1 || own != 1)
			continue;
		add(p, o->names[i], n->names[found]);
		o->used[i] = n->used[found] = 1;
	}
	for (uint32_t i = 0; i < o->n; i++)
		free(so[i]);
	for (uint32_t i = 0; i < n->n; i++)
		free(sn[i]);
	free(so);
	free(sn);
}

static void tree_free(struct tree *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->names[i]);
	free(t->names);
	free(t->used);
}

int sea_walk(const char *old_root, const char *new_root, struct sea_pairing *ret, struct err *err)
{
	struct sea_pairing p = { 0 };
	struct tree o = { 0 }, n = { 0 };
	int rc = read_tree(old_root, &o, err);

	if (rc == 0)
		rc = read_tree(new_root, &n, err);
	if (rc == 0) {
		pair_by_path(&o, &n, &p);
		pair_by_stem(&o, &n, &p);
		for (uint32_t i = 0; i < o.n; i++)
			if (!o.used[i])
				add(&p, o.names[i], NULL);
		for (uint32_t i = 0; i < n.n; i++)
			if (!n.used[i])
				add(&p, NULL, n.names[i]);
		*ret = p;
	}
	tree_free(&o);
	tree_free(&n);
	return rc;
}

void sea_pairing_free(struct sea_pairing *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		free(p->v[i].old_name);
		free(p->v[i].new_name);
	}
	free(p->v);
	*p = (struct sea_pairing){ 0 };
}
