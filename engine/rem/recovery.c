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
#include "sea/map.h"

struct recovery {
	struct recovery_config config;
	struct sea_map *map;
	int memfd; /* where a new map comes to; -1: none was begun */
	int alive; /* read end: the analyser holds the other one */
};

struct recovery *recovery_new(const struct recovery_config *config)
{
	struct recovery *r = xzalloc(sizeof(*r));

	r->config = *config;
	r->memfd = r->alive = -1;
	return r;
}

void recovery_free(struct recovery *r)
{
	if (!r)
		return;
	if (r->map)
		sea_map_close(r->map);
	if (r->memfd >= 0)
		close(r->memfd);
	if (r->alive >= 0)
		close(r->alive);
	free(r);
}

static int spawn_analyser(struct recovery *r, int alive, struct err *err)
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
		rc = -posix_spawn_file_actions_adddup2(&actions, 0, 2);
	if (rc == 0)
		rc = -posix_spawn_file_actions_adddup2(&actions, alive, 3);
	if (rc == 0)
		rc = -posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char **)argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	return rc < 0 ? err_errno(err, -rc, "the analyser cannot be started") : 0;
}

/* The analyser is a process of its own: what it reads comes from images, and it takes its time. */
static int begin_analysis(struct recovery *r, struct err *err)
{
	int pipefd[2], rc;

	r->memfd = memfd_create("mx-map", MFD_CLOEXEC);
	if (r->memfd < 0 || pipe2(pipefd, O_CLOEXEC) < 0)
		return err_errno(err, errno, "no descriptor for the map");
	r->alive = pipefd[0];
	rc = spawn_analyser(r, pipefd[1], err);
	close(pipefd[1]);
	return rc;
}

static int open_map(struct recovery *r, const char *path, struct err *err)
{
	struct err why = { 0 };

	if (sea_map_open(path, &r->map, &why) < 0)
		return err_set(err, EINVAL, "no map of the two versions: %s", why.text);
	return 0;
}

/* -EAGAIN: it is being made. */
static int need_map(struct recovery *r, struct err *err)
{
	cleanup_free char *path = NULL;
	struct pollfd p;
	int rc;

	if (r->map)
		return 0;
	if (r->config.map)
		return open_map(r, r->config.map, err);
	if (r->memfd < 0) {
		rc = begin_analysis(r, err);
		if (rc < 0)
			return rc;
	}
	p = (struct pollfd){ .fd = r->alive };
	if (poll(&p, 1, 0) <= 0)
		return err_set(err, EAGAIN, "the versions are still being analysed");
	path = xasprintf("/proc/self/fd/%d", r->memfd);
	return open_map(r, path, err);
}

int recovery_safe(
	struct recovery *r, int from, struct tracee *const *threads, int n, struct err *err)
{
	int rc = need_map(r, err);

	if (rc < 0)
		return rc;
	return 0;
}

int recovery_convert(struct recovery *r, int version, int from, struct tracee *const *threads,
	int n, struct err *err)
{
	for (uint32_t i = 0; i < sea_map_count(r->map); i++) {
		if (sea_map_object(r->map, i)->state != SEA_O_IDENTICAL)
			return err_set(err, ENOTSUP, "functions cannot be put in yet");
	}
	return 0;
}
