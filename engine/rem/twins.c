/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/twins.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "mxm/tsc.h"
#include "sea/sha256.h"

#define PAIRS_MAX 64
#define FILES_MAX 1024

/* A file that a version has mapped as code. */
struct file {
	char *path;
	dev_t dev; /* as the memory map gives them */
	ino_t ino;
	int fd; /* -1: it is in a pair, or in both versions */
};

struct list {
	struct file *v;
	size_t n;
};

struct twins {
	const char *roots[2];
	char *programs[2];
	struct list lists[2]; /* by the entry of the program */
	struct list settled;  /* found later */
	struct twin *pairs;
	size_t n_pairs;
	bool paired;
	cpu_set_t cpus; /* of who has made it */
	/* Reads all files of both, while the program runs on: nothing else looks at them then. */
	struct {
		pthread_t thread;
		bool begun;
		bool done; /* set by the thread */
		int rc;
		struct err err;
	} pairing;
};

struct twins *twins_new(const char *const roots[2])
{
	struct twins *t = xzalloc(sizeof(*t));

	t->roots[0] = roots[0];
	t->roots[1] = roots[1];
	sched_getaffinity(0, sizeof(t->cpus), &t->cpus);
	return t;
}

static void clear_list(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].path);
		if (l->v[i].fd >= 0)
			close(l->v[i].fd);
	}
	free(l->v);
	*l = (struct list){ 0 };
}

static void end_pairing(struct twins *t)
{
	if (!t->pairing.begun)
		return;
	pthread_join(t->pairing.thread, NULL);
	t->pairing.begun = false;
	t->paired = true;
}

static void clear_pairs(struct twins *t)
{
	end_pairing(t);
	for (size_t i = 0; i < t->n_pairs; i++) {
		for (int v = 0; v < 2; v++) {
			close(t->pairs[i].fd[v]);
			free(t->pairs[i].path[v]);
		}
	}
	free(t->pairs);
	t->pairs = NULL;
	t->n_pairs = 0;
	t->paired = false;
	clear_list(&t->settled);
}

void twins_free(struct twins *twins)
{
	if (!twins)
		return;
	clear_pairs(twins);
	for (int v = 0; v < 2; v++) {
		clear_list(&twins->lists[v]);
		free(twins->programs[v]);
	}
	free(twins);
}

static struct file *add(struct list *l, const struct map *m, int fd)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n] = (struct file){ xstrdup(m->path), m->dev, m->ino, fd };
	return &l->v[l->n++];
}

static bool has(const struct list *l, const struct map *m)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].ino == m->ino && l->v[i].dev == m->dev &&
			strcmp(l->v[i].path, m->path) == 0)
			return true;
	}
	return false;
}

static bool is_elf(int fd)
{
	char magic[SELFMAG];

	return pread(fd, magic, SELFMAG, 0) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

void twins_begin(struct twins *twins, int version, pid_t pid)
{
	cleanup_free char *exe = xasprintf("/proc/%d/exe", pid);
	struct list *l = &twins->lists[version];
	struct tracee t = { .tid = pid, .tgid = pid };
	cleanup_maps struct maps maps = { 0 };
	char path[4096];
	ssize_t n = readlink(exe, path, sizeof(path) - 1);

	clear_pairs(twins);
	clear_list(l);
	free(twins->programs[version]);
	twins->programs[version] = n > 0 ? xstrndup(path, n) : NULL;
	path[n > 0 ? n : 0] = '\0';
	/* The program itself comes first. */
	add(l, &(struct map){ .path = path }, open(exe, O_RDONLY | O_CLOEXEC));
	t.mm = mm_open(pid);
	if (n > 0 && maps_read(pid, &maps, NULL) == 0) {
		for (size_t i = 0; i < maps.count && l->n < FILES_MAX; i++) {
			const struct map *m = &maps.map[i];

			if (!m->exec || m->path[0] != '/' || !m->ino || has(l, m))
				continue;
			if (strcmp(m->path, path) == 0) {
				l->v[0].dev = m->dev;
				l->v[0].ino = m->ino;
			} else {
				add(l, m, maps_open_file(&t, &maps, m));
			}
		}
	}
	mm_put(t.mm);
}

bool twins_complete(const struct twins *twins)
{
	for (int v = 0; v < 2; v++) {
		if (!twins->programs[v] || !twins->lists[v].n || twins->lists[v].v[0].fd < 0)
			return twins->paired || twins->pairing.begun;
	}
	return true;
}

static bool is_one_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Takes over both descriptors. */
static int add_pair(
	struct twins *t, int fd0, const char *path0, int fd1, const char *path1, struct err *err)
{
	struct twin p = { { fd0, fd1 }, { xstrdup(path0), xstrdup(path1) } };
	int rc = 0;

	if (t->n_pairs == PAIRS_MAX)
		rc = err_set(err, E2BIG, "the versions have too many files of their own");
	for (int v = 0; v < 2 && rc == 0; v++) {
		rc = sha256_of_file(p.fd[v], p.sha[v]);
		if (rc < 0)
			err_errno(err, -rc, "%s", p.path[v]);
	}
	p.differ = rc == 0 && memcmp(p.sha[0], p.sha[1], SHA256_LEN) != 0;
	if (rc == 0 && (p.differ || t->n_pairs == 0)) {
		t->pairs = xreallocarray(t->pairs, t->n_pairs + 1, sizeof(p));
		t->pairs[t->n_pairs++] = p;
		return 0;
	}
	for (int v = 0; v < 2; v++) {
		close(p.fd[v]);
		free(p.path[v]);
	}
	return rc;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What the loaders of both have found under one name. */
static int pair_lists(struct twins *t, struct err *err)
{
	struct list *a = &t->lists[0], *b = &t->lists[1];
	int rc = add_pair(
		t, take_fd(&a->v[0].fd), a->v[0].path, take_fd(&b->v[0].fd), b->v[0].path, err);

	for (size_t i = 1; i < a->n && rc == 0; i++) {
		for (size_t k = 1; k < b->n && rc == 0; k++) {
			struct file *x = &a->v[i], *y = &b->v[k];

			if (x->fd < 0 || y->fd < 0 ||
				strcmp(base_name(x->path), base_name(y->path)) != 0)
				continue;
			if (!is_one_file(x->fd, y->fd))
				rc = add_pair(
					t, take_fd(&x->fd), x->path, take_fd(&y->fd), y->path, err);
			break;
		}
	}
	return rc;
}

static void *run_pairing(void *arg)
{
	struct twins *t = arg;

	tsc_take_back();
	sched_setaffinity(0, sizeof(t->cpus), &t->cpus);
	t->pairing.rc = pair_lists(t, &t->pairing.err);
	__atomic_store_n(&t->pairing.done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* -EAGAIN: it is being done. */
static int pair(struct twins *t, struct err *err)
{
	int rc;

	if (!t->pairing.begun) {
		t->pairing.done = false;
		t->pairing.err = (struct err){ 0 };
		rc = pthread_create(&t->pairing.thread, NULL, run_pairing, t);
		if (rc)
			return err_errno(err, rc, "cannot start a thread");
		t->pairing.begun = true;
	}
	if (!__atomic_load_n(&t->pairing.done, __ATOMIC_ACQUIRE))
		return err_set(err, EAGAIN, "the versions' files are still being read");
	end_pairing(t);
	if (t->pairing.rc < 0)
		return err_set(err, -t->pairing.rc, "%s", t->pairing.err.text);
	return 0;
}

/*
 * The folders below which each version has what is its own: the roots, or what is left of the
 * programs' paths when the end that they share is taken off (/opt/app-1 of /opt/app-1/bin/app).
 */
static void own_folders(const struct twins *t, int ret_len[2])
{
	size_t len[2];

	if (t->roots[0] || t->roots[1]) {
		for (int v = 0; v < 2; v++)
			ret_len[v] =
				t->roots[v] && strcmp(t->roots[v], "/") ? strlen(t->roots[v]) : 0;
		return;
	}
	for (int v = 0; v < 2; v++)
		len[v] = base_name(t->programs[v]) - t->programs[v];
	if (strcmp(t->programs[0] + len[0], t->programs[1] + len[1]) == 0) {
		/* By whole components, never all of them. */
		for (;;) {
			size_t next[2];

			for (int v = 0; v < 2; v++) {
				next[v] = len[v] ? len[v] - 1 : 0;
				while (next[v] && t->programs[v][next[v] - 1] != '/')
					next[v]--;
			}
			if (!next[0] || !next[1] || len[0] - next[0] != len[1] - next[1] ||
				memcmp(t->programs[0] + next[0], t->programs[1] + next[1],
					len[0] - next[0]) != 0)
				break;
			len[0] = next[0];
			len[1] = next[1];
		}
	}
	for (int v = 0; v < 2; v++)
		ret_len[v] = len[v] ? (int)len[v] - 1 : 0;
}

/* Where the other version would have found what one has at @path; *@ret_side: whose it is. */
static char *twin_path(const struct twins *t, const char *path, int *ret_side)
{
	const char *folder[2];
	int len[2], best = -1;

	own_folders(t, len);
	for (int v = 0; v < 2; v++) {
		folder[v] = t->roots[0] || t->roots[1] ? t->roots[v] : t->programs[v];
		if ((best < 0 || len[v] > len[best]) &&
			(!len[v] || (strncmp(path, folder[v], len[v]) == 0 && path[len[v]] == '/')))
			best = v;
	}
	if (best < 0)
		return NULL;
	*ret_side = best;
	return xasprintf("%.*s%s", len[!best], len[!best] ? folder[!best] : "", path + len[best]);
}

/* A file that was loaded after the program's entry. */
static int settle(struct twins *twins, struct tracee *t, const struct maps *maps,
	const struct map *m, struct err *err)
{
	cleanup_close int fd = maps_open_file(t, maps, m), other = -1;
	cleanup_free char *path = NULL;
	int side = 0;

	if (fd < 0)
		return err_set(err, ENOTSUP, "%s cannot be found any more", m->path);
	if (!is_elf(fd))
		return 0;
	path = twin_path(twins, m->path, &side);
	if (!path)
		return 0;
	other = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (other < 0)
		return err_set(err, ENOTSUP, "%s, which the other version would have for %s: %s",
			path, m->path, strerror(errno));
	if (is_one_file(fd, other))
		return 0;
	return side == 0 ? add_pair(twins, take_fd(&fd), m->path, take_fd(&other), path, err)
			 : add_pair(twins, take_fd(&other), path, take_fd(&fd), m->path, err);
}

int twins_see(struct twins *twins, struct tracee *t, struct err *err)
{
	cleanup_maps struct maps maps = { 0 };
	int rc = twins->paired ? 0 : pair(twins, err);

	if (rc == 0)
		rc = maps_read(t->tid, &maps, err);
	for (size_t i = 0; rc == 0 && i < maps.count; i++) {
		const struct map *m = &maps.map[i];

		if (!m->exec || m->path[0] != '/' || !m->ino || has(&twins->lists[0], m) ||
			has(&twins->lists[1], m) || has(&twins->settled, m))
			continue;
		if (twins->settled.n == FILES_MAX)
			return err_set(err, E2BIG, "the program has loaded too many files");
		rc = settle(twins, t, &maps, m, err);
		if (rc == 0)
			add(&twins->settled, m, -1);
	}
	return rc;
}

const struct twin *twins_pairs(const struct twins *twins, size_t *ret_n)
{
	*ret_n = twins->n_pairs;
	return twins->pairs;
}

int twins_check(const struct twins *twins, const struct sea_map *map, struct err *err)
{
	for (size_t i = 0; i < twins->n_pairs; i++) {
		const struct twin *p = &twins->pairs[i];

		if (p->differ && !sea_map_find(map, 0, p->sha[0], SHA256_LEN))
			return err_set(err, ENOTSUP,
				"%s and %s differ, and the map has not got them", p->path[0],
				p->path[1]);
	}
	return 0;
}
