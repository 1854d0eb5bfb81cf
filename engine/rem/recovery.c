/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mxm/tsc.h"
#include "rem/safe.h"
#include "rem/splice.h"
#include "rem/twins.h"
#include "rem/unwind.h"
#include "sea/map.h"

struct recovery {
	struct recovery_config config;
	pthread_mutex_t lock;
	struct twins *twins;
	size_t n_analysed; /* how many of their pairs the map was made of */
	struct sea_map *map;
	bool by_fd;   /* the map is config.map_fd's */
	char *no_use; /* why that one was of no use, or NULL */
	struct objects_cache *files;
	struct unwinder *unwinder;
	struct grafts *grafts;
	struct {
		struct splice *splice; /* in the version's process, NULL: none */
		bool in;	       /* it runs on what was put in */
	} versions[2];
	struct {
		pid_t pid;
		struct objects objects;
	} looked;	/* at the last process whose stacks were; 0: none */
	cpu_set_t cpus; /* of who has made it */
	int memfd;	/* where a new map comes to; -1: none was begun */
	int complaints; /* what the analyser says, and its end */
};

struct recovery *recovery_new(const struct recovery_config *config)
{
	struct recovery *r = xzalloc(sizeof(*r));

	r->config = *config;
	pthread_mutex_init(&r->lock, NULL);
	r->files = objects_cache_new();
	r->unwinder = unwinder_new();
	r->grafts = grafts_new();
	r->twins = twins_new(r->config.roots);
	r->memfd = r->complaints = -1;
	sched_getaffinity(0, sizeof(r->cpus), &r->cpus);
	return r;
}

static void forget_looked(struct recovery *r)
{
	objects_free(&r->looked.objects);
	r->looked.objects = (struct objects){ 0 };
	r->looked.pid = 0;
}

/* What is known of the two programs. */
static void forget(struct recovery *r)
{
	forget_looked(r);
	for (int v = 0; v < 2; v++) {
		splice_free(r->versions[v].splice);
		r->versions[v].splice = NULL;
		r->versions[v].in = false;
	}
	grafts_free(r->grafts);
	r->grafts = grafts_new();
	if (r->map)
		sea_map_close(r->map);
	r->map = NULL;
	r->by_fd = false;
	if (r->memfd >= 0)
		close(r->memfd);
	if (r->complaints >= 0)
		close(r->complaints);
	r->memfd = r->complaints = -1;
}

void recovery_free(struct recovery *r)
{
	if (!r)
		return;
	forget(r);
	grafts_free(r->grafts);
	objects_cache_free(r->files);
	unwinder_free(r->unwinder);
	twins_free(r->twins);
	free(r->no_use);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void recovery_runs(struct recovery *r, int version, pid_t pid)
{
	pthread_mutex_lock(&r->lock);
	forget(r);
	twins_begin(r->twins, version, pid);
	pthread_mutex_unlock(&r->lock);
}

#define FIRST_FD 3 /* of the analyser's */

/* The arguments name descriptors; out of their way are ours, until they take their places. */
static int spawn_analyser(struct recovery *r, int complaints, struct err *err)
{
	size_t n;
	const struct twin *pairs = twins_pairs(r->twins, &n);
	const size_t at = r->config.cache ? 4 : 3; /* of the pairs */
	cleanup_free char **argv = xreallocarray(NULL, 2 * n + at + 1, sizeof(*argv));
	cleanup_free int *spare = xreallocarray(NULL, 2 * n, sizeof(*spare));
	char *envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int rc = -posix_spawn_file_actions_init(&actions);

	argv[0] = xstrdup("mx");
	argv[1] = xstrdup("analyze");
	argv[2] = xstrdup("--output=-");
	if (r->config.cache)
		argv[3] = xasprintf("--cache=%s", r->config.cache);
	argv[2 * n + at] = NULL;
	if (rc == 0)
		rc = -posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	if (rc == 0)
		rc = -posix_spawn_file_actions_adddup2(&actions, r->memfd, 1);
	if (rc == 0)
		rc = -posix_spawn_file_actions_adddup2(&actions, complaints, 2);
	for (size_t i = 0; i < 2 * n; i++) {
		argv[at + i] = xasprintf("/proc/self/fd/%d", (int)(FIRST_FD + i));
		spare[i] = fcntl(pairs[i / 2].fd[i % 2], F_DUPFD_CLOEXEC, (int)(FIRST_FD + 2 * n));
		if (rc == 0)
			rc = spare[i] < 0 ? -errno
					  : -posix_spawn_file_actions_adddup2(
						    &actions, spare[i], (int)(FIRST_FD + i));
	}
	tsc_take_back();
	if (rc == 0)
		rc = -posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, envp);
	tsc_give_up();
	/* Not on the monitor's CPU, where the clients are served. */
	if (rc == 0)
		sched_setaffinity(pid, sizeof(r->cpus), &r->cpus);
	for (size_t i = 0; i < 2 * n; i++) {
		if (spare[i] >= 0)
			close(spare[i]);
	}
	for (size_t i = 0; i < 2 * n + at; i++)
		free(argv[i]);
	posix_spawn_file_actions_destroy(&actions);
	r->n_analysed = n;
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

/* The map that was made before the start. It is of the files that were in sight then. */
static void try_given(struct recovery *r)
{
	cleanup_free char *path = xasprintf("/proc/self/fd/%d", r->config.map_fd);
	struct sea_map *map = NULL;
	struct err why = { 0 };

	if (r->config.map_fd < 0 || r->config.map || r->map || r->memfd >= 0)
		return;
	free(r->no_use);
	r->no_use = NULL;
	if (sea_map_open(path, &map, &why) < 0 || twins_check(r->twins, map, &why) < 0) {
		if (map)
			sea_map_close(map);
		r->no_use = xstrdup(why.text);
		return;
	}
	twins_pairs(r->twins, &r->n_analysed);
	r->map = map;
	r->by_fd = true;
}

const char *recovery_map_source(struct recovery *r, char **ret_why)
{
	const char *source;

	pthread_mutex_lock(&r->lock);
	source = r->by_fd || r->config.map ? "given" : "made";
	*ret_why = r->no_use ? xstrdup(r->no_use) : NULL;
	pthread_mutex_unlock(&r->lock);
	return source;
}

/* Does it run one of the programs that were analysed? */
static bool runs_program(const struct recovery *r, const struct tracee *t)
{
	size_t n;
	const struct twin *program = twins_pairs(r->twins, &n);
	struct stat known, now;
	char link[64];

	snprintf(link, sizeof(link), "/proc/%d/exe", t->tgid);
	if (stat(link, &now) < 0)
		return false;
	for (int v = 0; v < 2; v++) {
		if (fstat(program->fd[v], &known) == 0 && known.st_ino == now.st_ino &&
			known.st_dev == now.st_dev)
			return true;
	}
	return false;
}

/* All of them may run something else by now than what was analysed. */
static int check_program(const struct recovery *r, struct tracee *const *ts, int n, struct err *err)
{
	for (int i = 0; i < n; i++) {
		if (runs_program(r, ts[i]))
			return 0;
	}
	return err_set(err, ENOENT, "the process runs neither of the programs that were analysed");
}

/* The files of both that differ, and a map of all of them. */
static int know_files(struct recovery *r, struct tracee *const *ts, int n_ts, struct err *err)
{
	size_t n;
	int rc = 0;

	if (!twins_complete(r->twins))
		return err_set(err, ENOENT, "the versions have not both come to their programs");
	for (int i = 0; i < n_ts && rc == 0; i++)
		rc = twins_see(r->twins, ts[i], err);
	if (rc < 0)
		return rc;
	twins_pairs(r->twins, &n);
	if (!r->config.map && (r->memfd >= 0 || r->by_fd) && n > r->n_analysed) {
		if (r->versions[0].splice || r->versions[1].splice)
			return err_set(err, ENOTSUP,
				"the program has loaded a file that differs since functions were "
				"put in");
		forget(r);
	}
	try_given(r);
	rc = need_map(r, err);
	if (rc == 0)
		rc = check_program(r, ts, n_ts, err);
	return rc < 0 ? rc : twins_check(r->twins, r->map, err);
}

/* Prepared before. */
static int check_safe(
	struct recovery *r, int from, struct tracee *const *threads, int n, struct err *err)
{
	int rc = 0;

	/* One that is looked at thread by thread stands still meanwhile. */
	if (r->looked.pid != threads[0]->tgid) {
		forget_looked(r);
		rc = objects_find(r->files, r->map, threads[0], &r->looked.objects, err);
		r->looked.pid = rc == 0 ? threads[0]->tgid : 0;
	}
	for (int i = 0; i < n && rc == 0; i++)
		rc = safe_point(r->unwinder, r->map, &r->looked.objects, r->versions[from].splice,
			threads[i], err);
	return rc;
}

int recovery_safe(
	struct recovery *r, int from, struct tracee *const *threads, int n, struct err *err)
{
	int rc;

	pthread_mutex_lock(&r->lock);
	rc = check_safe(r, from, threads, n, err);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int recovery_backtrace(struct recovery *r, int version, struct tracee *t,
	struct unwind_frame *frames, int max, struct err *err)
{
	int n;

	pthread_mutex_lock(&r->lock);
	n = unwinder_backtrace(
		r->unwinder, t, splice_find, r->versions[version].splice, frames, max, err);
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* The version's file of @pair, which may be known by another name than in the map. */
static char *path_of(void *arg, const struct sea_map_object *pair, int side)
{
	const struct recovery *r = arg;
	const char *root = r->config.roots[side] ? r->config.roots[side] : "";
	const char *name = sea_map_string(r->map, pair->path[side]);
	size_t n;
	const struct twin *twins = twins_pairs(r->twins, &n);

	for (size_t i = 0; i < n; i++) {
		if (memcmp(twins[i].sha[side], pair->sha[side], sizeof(pair->sha[side])) == 0)
			return xasprintf("/proc/self/fd/%d", twins[i].fd[side]);
	}
	return xasprintf("%s%s%s", root, *root && name[0] != '/' ? "/" : "", name);
}

/* The processes of a version in which something differs; they have the same objects. */
struct crowd {
	struct tracee **ts;
	int n;
	struct objects objects; /* what is mapped in any of them is in its maps */
};

static void free_crowd(struct crowd *crowd)
{
	free(crowd->ts);
	objects_free(&crowd->objects);
}

static bool differs(const struct object *o)
{
	return o->pair->state != SEA_O_IDENTICAL;
}

static size_t count_differing(const struct objects *objects)
{
	size_t n = 0;

	for (size_t i = 0; i < objects->n; i++)
		n += differs(&objects->v[i]);
	return n;
}

static bool have_same(const struct objects *a, const struct objects *b)
{
	if (count_differing(a) != count_differing(b))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct object *x = &a->v[i], *y = objects_at(b, x->start);

		if (differs(x) && (!y || y->pair != x->pair || y->start != x->start))
			return false;
	}
	return true;
}

/* Functions are put at the same place in all processes, also in those that they will fork. */
static int find_crowd(
	struct recovery *r, struct tracee *const *ts, int n, struct crowd *ret, struct err *err)
{
	struct crowd crowd = { .ts = xreallocarray(NULL, n, sizeof(*crowd.ts)) };
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++) {
		cleanup_objects struct objects own = { 0 };

		rc = objects_find(r->files, r->map, ts[i], &own, err);
		if (rc < 0 || !count_differing(&own))
			continue;
		if (!crowd.n) {
			crowd.objects = own;
			own = (struct objects){ 0 };
		} else if (have_same(&crowd.objects, &own)) {
			maps_merge(&crowd.objects.maps, &own.maps);
		} else {
			rc = err_set(err, ENOTSUP,
				"processes of the program have loaded other files that differ");
		}
		crowd.ts[crowd.n++] = ts[i];
	}
	if (rc < 0) {
		free_crowd(&crowd);
		return rc;
	}
	*ret = crowd;
	return 0;
}

/* The first time the functions are put in; after that they are only switched. */
static int exchange(struct recovery *r, const struct splice *known, bool in,
	const struct crowd *crowd, struct splice **ret, struct err *err)
{
	const struct splice_files files = { path_of, r };

	if (!known)
		return splice_put(
			r->grafts, r->map, &crowd->objects, crowd->ts, crowd->n, &files, ret, err);
	if (!splice_covers(known, &crowd->objects))
		return err_set(err, ENOTSUP, "an object that differs was loaded since");
	*ret = splice_dup(known);
	return splice_switch(*ret, crowd->ts, crowd->n, in, err);
}

static int prepare(struct recovery *r, int from, struct tracee *const *ts, int n, struct err *err)
{
	const struct splice_files files = { path_of, r };
	struct crowd crowd;
	int rc = know_files(r, ts, n, err);

	forget_looked(r);
	if (rc == 0)
		rc = find_crowd(r, ts, n, &crowd, err);
	if (rc < 0)
		return rc;
	if (!r->versions[from].splice)
		rc = splice_prepare(r->grafts, r->map, &crowd.objects, &files, err);
	free_crowd(&crowd);
	return rc;
}

int recovery_prepare(struct recovery *r, int from, struct tracee *const *ts, int n, struct err *err)
{
	int rc;

	pthread_mutex_lock(&r->lock);
	rc = prepare(r, from, ts, n, err);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static int convert(
	struct recovery *r, int version, int from, struct tracee *const *ts, int n, struct err *err)
{
	const bool in = !r->versions[from].in;
	struct splice *splice = NULL;
	struct crowd crowd;
	int rc = find_crowd(r, ts, n, &crowd, err);

	forget_looked(r);
	if (rc < 0)
		return rc;
	rc = exchange(r, r->versions[from].splice, in, &crowd, &splice, err);
	free_crowd(&crowd);
	if (rc < 0) {
		splice_free(splice);
		return rc;
	}
	splice_free(r->versions[version].splice);
	r->versions[version].splice = splice;
	r->versions[version].in = in;
	return splice_count(splice);
}

int recovery_convert(
	struct recovery *r, int version, int from, struct tracee *const *ts, int n, struct err *err)
{
	int rc;

	pthread_mutex_lock(&r->lock);
	rc = convert(r, version, from, ts, n, err);
	pthread_mutex_unlock(&r->lock);
	return rc;
}
