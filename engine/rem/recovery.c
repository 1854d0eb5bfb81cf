/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mxm/tsc.h"
#include "rem/safe.h"
#include "rem/splice.h"
#include "rem/unwind.h"
#include "sea/map.h"

struct recovery {
	struct recovery_config config;
	struct sea_map *map;
	struct objects_cache *files;
	struct unwinder *unwinder;
	struct grafts *grafts;
	struct {
		struct splice *splice; /* in the version's process, NULL: none */
		bool in;	       /* it runs on what was put in */
	} versions[2];
	int memfd;	/* where a new map comes to; -1: none was begun */
	int complaints; /* what the analyser says, and its end */
};

struct recovery *recovery_new(const struct recovery_config *config)
{
	struct recovery *r = xzalloc(sizeof(*r));

	r->config = *config;
	r->files = objects_cache_new();
	r->unwinder = unwinder_new();
	r->grafts = grafts_new();
	r->memfd = r->complaints = -1;
	return r;
}

void recovery_free(struct recovery *r)
{
	if (!r)
		return;
	for (int v = 0; v < 2; v++)
		splice_free(r->versions[v].splice);
	objects_cache_free(r->files);
	unwinder_free(r->unwinder);
	grafts_free(r->grafts);
	if (r->map)
		sea_map_close(r->map);
	if (r->memfd >= 0)
		close(r->memfd);
	if (r->complaints >= 0)
		close(r->complaints);
	free(r);
}

static int spawn_analyser(struct recovery *r, int complaints, struct err *err)
{
	cleanup_free char *old = xasprintf(
		"%s%s", r->config.roots[0] ? r->config.roots[0] : "", r->config.programs[0]);
	cleanup_free char *new = xasprintf(
		"%s%s", r->config.roots[1] ? r->config.roots[1] : "", r->config.programs[1]);
	const char *argv[] = { "mx", "analyze", "--output=-", old, new, NULL };
	char *envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int rc = -posix_spawn_file_actions_init(&actions);

	if (rc == 0)
		rc = -posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	if (rc == 0)
		rc = -posix_spawn_file_actions_adddup2(&actions, r->memfd, 1);
	if (rc == 0)
		rc = -posix_spawn_file_actions_adddup2(&actions, complaints, 2);
	tsc_take_back();
	if (rc == 0)
		rc = -posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char **)argv, envp);
	tsc_give_up();
	posix_spawn_file_actions_destroy(&actions);
	return rc < 0 ? err_errno(err, -rc, "the analyser cannot be started") : 0;
}

/* On a monitor. The analyser is a process of its own: what it reads comes from images, and it takes
 * its time. */
static int begin_analysis(struct recovery *r, struct err *err)
{
	int pipefd[2], rc;

	r->memfd = memfd_create("mx-map", MFD_CLOEXEC);
	if (r->memfd < 0 || pipe2(pipefd, O_CLOEXEC) < 0)
		return err_errno(err, errno, "no descriptor for the map");
	r->complaints = pipefd[0];
	rc = spawn_analyser(r, pipefd[1], err);
	close(pipefd[1]);
	return rc;
}

static int open_map(struct recovery *r, const char *path, const char *complaint, struct err *err)
{
	struct err why = { 0 };

	if (sea_map_open(path, &r->map, &why) < 0)
		return err_set(err, EINVAL, "no map of the two versions: %s",
			complaint[0] ? complaint : why.text);
	return 0;
}

/* -EAGAIN: it is being made. */
static int need_map(struct recovery *r, struct err *err)
{
	cleanup_free char *path = NULL;
	char complaint[256] = "";
	struct pollfd p;
	ssize_t n;
	int rc;

	if (r->map)
		return 0;
	if (r->config.map)
		return open_map(r, r->config.map, "", err);
	if (r->memfd < 0) {
		rc = begin_analysis(r, err);
		if (rc < 0)
			return rc;
	}
	p = (struct pollfd){ .fd = r->complaints };
	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLHUP))
		return err_set(err, EAGAIN, "the versions are still being analysed");
	n = read(r->complaints, complaint, sizeof(complaint) - 1);
	if (n > 0)
		complaint[strcspn(complaint, "\n")] = '\0';
	path = xasprintf("/proc/self/fd/%d", r->memfd);
	return open_map(r, path, complaint, err);
}

int recovery_safe(
	struct recovery *r, int from, struct tracee *const *threads, int n, struct err *err)
{
	cleanup_objects struct objects objects = { 0 };
	int rc = need_map(r, err);

	if (rc == 0)
		rc = objects_find(r->files, r->map, threads[0], &objects, err);
	for (int i = 0; i < n && rc == 0; i++)
		rc = safe_point(
			r->unwinder, r->map, &objects, r->versions[from].splice, threads[i], err);
	return rc;
}

/* The version's file of @pair. The program itself may be known by another name than in the map. */
static char *path_of(void *arg, const struct sea_map_object *pair, int side)
{
	const struct recovery *r = arg;
	const char *root = r->config.roots[side] ? r->config.roots[side] : "";
	const char *name = sea_map_string(r->map, pair->path[side]);

	if (pair->flags & SEA_OF_PROGRAM)
		return xasprintf("%s%s", root, r->config.programs[side]);
	return xasprintf("%s%s%s", root, *root && name[0] != '/' ? "/" : "", name);
}

int recovery_convert(struct recovery *r, int version, int from, struct tracee *const *threads,
	int n, struct err *err)
{
	const struct splice_files files = { path_of, r };
	cleanup_objects struct objects objects = { 0 };
	struct splice *splice = NULL;
	bool in = !r->versions[from].in;
	int rc;

	if (r->versions[from].splice) {
		splice = splice_dup(r->versions[from].splice);
		rc = splice_switch(splice, threads[0], in, err);
	} else {
		rc = objects_find(r->files, r->map, threads[0], &objects, err);
		if (rc == 0)
			rc = splice_put(
				r->grafts, r->map, &objects, threads[0], &files, &splice, err);
	}
	if (rc < 0) {
		splice_free(splice);
		return rc;
	}
	splice_free(r->versions[version].splice);
	r->versions[version].splice = splice;
	r->versions[version].in = in;
	return splice_count(splice);
}
