/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mx-hook: an OCI hook (prestart or createRuntime) that prepares a container for two versions. The
 * runtime calls it when the container's mounts are made and its root is not yet entered. It
 * composes the old version's root, finds and checks the two programs, and leaves the map of their
 * differences in the container's configuration folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "base/version.h"
#include "ctl/eventlog.h"
#include "hook/cache.h"
#include "hook/job.h"
#include "hook/objects.h"
#include "hook/programs.h"
#include "oci/config.h"
#include "oci/root.h"
#include "oci/spec.h"
#include "oci/state.h"

#define STATE_JSON_MAX (1u << 20)

struct job {
	struct plan plan;
	pid_t pid;
	unsigned seconds;
	int map;	  /* where the map goes */
	uint64_t map_max; /* bytes */
	struct map_cache cache;
	struct map_names *names; /* shared with the worker, which sets them */
};

static int find_program(int root, const struct plan *plan, const char *version, const char *name,
	struct program *ret_program, struct err *err)
{
	int rc = program_find(root, plan, name, ret_program, err);

	return rc < 0 ? err_context(err, "%s version", version) : 0;
}

/* Adds what @name is in both roots, where it is a program in both. */
static int add_pair(const struct job *job, const char *old_name, const char *new_name, int old_root,
	int new_root, bool optional, struct object_pairs *pairs, struct err *err)
{
	cleanup_program struct program old = { .fd = -1 }, new = { .fd = -1 };
	struct err own = { 0 };
	int rc = find_program(new_root, &job->plan, "new", new_name, &new, &own);

	if (rc == 0)
		rc = find_program(old_root, &job->plan, "old", old_name, &old, &own);
	if (rc < 0)
		return optional ? 0 : err_set(err, own.code, "%s", own.text);
	return objects_collect(
		pairs, new.path, take_fd(&old.fd), take_fd(&new.fd), old_root, new_root, err);
}

/*
 * The programs, and a word among the first arguments that names a program: an image's entry point
 * is often a script that ends in `exec "$@"`.
 */
static int collect(const struct job *job, int old_root, int new_root, struct object_pairs *pairs,
	struct err *err)
{
	const struct json *old_args = job->plan.old_args, *new_args = job->plan.new_args;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 3 && i < json_count(new_args); i++) {
		const char *old_name = json_string(json_at(old_args, i));
		const char *new_name = json_string(json_at(new_args, i));

		if (old_name)
			rc = add_pair(
				job, old_name, new_name, old_root, new_root, i > 0, pairs, err);
	}
	return rc;
}

/*
 * What reads untrusted files needs no privileges: it has all descriptors that it uses. A user
 * namespace may lack such an id, or forbid setgroups(2); what is left is then that of its owner.
 */
static int drop_privileges(struct err *err)
{
	const uid_t nobody = 65534;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "no_new_privs");
	if (setgroups(0, NULL) < 0 || setresgid(nobody, nobody, nobody) < 0 ||
		setresuid(nobody, nobody, nobody) < 0) {
		if (errno != EINVAL && errno != EPERM)
			return err_errno(err, errno, "give up privileges");
	}
	/* Another uid makes /proc/self root's, and descriptors are opened again through it. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "PR_SET_DUMPABLE");
	return 0;
}

/* Runs in the worker: the map from the cache, or made by a process without privileges. */
static int make_map(struct job *job, struct object_pairs *pairs, struct err *err)
{
	struct map_names *names = job->names;
	int rc = 0;

	if (objects_id(pairs, names->id) &&
		map_cache_copy(&job->cache, names->id, MAP_BY_ID, job->map, job->map_max))
		return 0;
	rc = objects_key(pairs, names->key, err);
	if (rc < 0)
		return rc;
	names->made =
		!map_cache_copy(&job->cache, names->key, MAP_BY_CONTENTS, job->map, job->map_max);
	if (!names->made)
		return 0;
	/* Only the names of this map: what reads the files must not choose another one's. */
	munmap(names, sizeof(*names));
	rc = objects_open_to_all(pairs, err);
	if (rc == 0)
		rc = drop_privileges(err);
	return rc < 0 ? rc : objects_map(pairs, job->map, job->map_max, job->seconds, err);
}

/* Runs in the worker. */
static int prepare(void *arg, struct err *err)
{
	struct job *job = arg;
	cleanup_close int new_root = -1, old_root = -1;
	struct object_pairs pairs = { .n = 0 };
	int rc = join_container(job->pid, err);

	if (rc == 0)
		rc = root_compose(&job->plan, &new_root, &old_root, err);
	if (rc == 0)
		rc = collect(job, old_root, new_root, &pairs, err);
	if (rc == 0)
		rc = make_map(job, &pairs, err);
	objects_free(&pairs);
	return rc;
}

static int open_map(const char *state, int *ret_fd, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/config/map", state);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_errno(err, errno, "create %s", path);
	*ret_fd = fd;
	return 0;
}

/* The work, and the map's way into the cache when it was made anew. */
static int work(struct job *job, const struct config *config, struct err *ret_failure)
{
	int rc;

	job->names = mmap(NULL, sizeof(*job->names), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (job->names == MAP_FAILED)
		return err_errno(ret_failure, errno, "mmap");
	map_cache_open(config, &job->cache);
	rc = worker_run(prepare, job, job->seconds, ret_failure);
	if (rc == 0)
		map_cache_keep(&job->cache, job->names, job->map);
	munmap(job->names, sizeof(*job->names));
	map_cache_close(&job->cache);
	return rc;
}

static int write_note(const char *state, const char *name, const char *text, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", state, name);
	cleanup_close int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "create %s", path);
	rc = io_write_all(fd, text, strlen(text));
	return rc < 0 ? err_errno(err, -rc, "write %s", path) : 0;
}

/* The engine appends to the log as the container's user. */
static int open_log(const char *state, struct eventlog **ret_log, struct err *err)
{
	cleanup_free char *dir = xasprintf("%s/state", state);
	cleanup_free char *path = xasprintf("%s/" STATE_LOG, state);
	struct stat st;
	int rc = eventlog_open(path, false, ret_log, err);

	if (rc < 0)
		return rc;
	if (stat(dir, &st) < 0 || lchown(path, st.st_uid, st.st_gid) < 0)
		return err_errno(err, errno, "chown %s", path);
	return 0;
}

static void log_failure(const char *state, const struct plan *plan, const struct err *failure)
{
	struct eventlog *log = NULL;
	struct event_out ev;
	struct err err = { 0 };

	if (open_log(state, &log, &err) < 0)
		fprintf(stderr, "mx-hook: %s\n", err.text);
	eventlog_begin(log, &ev, "hook-failed");
	event_str(&ev, "level", plan->new_only ? "warning" : "error");
	event_str(&ev, "reason", failure->text);
	event_str(&ev, "then", plan->new_only ? "the new version runs alone" : "not started");
	event_end(&ev);
	eventlog_close(log);
}

/* The container starts without a map, and the engine makes its own when it needs one. */
static int leave_map_out(const char *state, const struct err *why)
{
	cleanup_free char *path = xasprintf("%s/config/map", state);
	struct eventlog *log = NULL;
	struct event_out ev;
	struct err err = { 0 };

	fprintf(stderr, "mx-hook: warning: %s\n", why->text);
	if (open_log(state, &log, &err) < 0)
		fprintf(stderr, "mx-hook: %s\n", err.text);
	eventlog_begin(log, &ev, "map-left-out");
	event_str(&ev, "level", "warning");
	event_str(&ev, "reason", why->text);
	event_end(&ev);
	eventlog_close(log);
	if (unlink(path) == 0)
		return 0;
	fprintf(stderr, "mx-hook: remove %s: %m\n", path);
	return 1;
}

/* Returns the exit status. */
static int report_failure(const char *state, const struct plan *plan, const struct err *failure)
{
	struct err err = { 0 };
	int rc;

	log_failure(state, plan, failure);
	if (plan->new_only)
		rc = write_note(state, "config/new-only", failure->text, &err);
	else
		rc = write_note(state, STATE_FAILURE, failure->text, &err);
	if (rc < 0)
		fprintf(stderr, "mx-hook: %s\n", err.text);
	if (plan->new_only && rc == 0)
		return 0;
	fprintf(stderr, "mx-hook: %s\n", failure->text);
	return 1;
}

static bool asks_for_mx(const struct json *state)
{
	return json_string(json_get(json_get(state, "annotations"), "io.mx.old")) != NULL;
}

static int run(const char *conf, struct err *err)
{
	cleanup_config struct config config = { 0 };
	cleanup_json struct json *state = NULL;
	cleanup_str struct str text = STR_INIT;
	cleanup_free char *path = NULL;
	struct job job = { .map = -1 };
	struct err failure = { 0 };
	long long pid = 0;
	const char *mark;
	int rc = config_load(conf, &config, err);

	if (rc == 0)
		rc = io_read_fd(STDIN_FILENO, STATE_JSON_MAX, &text, err);
	if (rc == 0)
		rc = json_parse(str_text(&text), text.len, &state, err);
	if (rc < 0)
		return err_context(err, "container state on standard input");
	mark = json_string(json_get(json_get(state, "annotations"), SPEC_STATE_MARK));
	if (!mark && !asks_for_mx(state))
		return 0;
	if (!mark)
		return err_set(
			err, EINVAL, "the container asks for MX, but its runtime is not mx-shim");
	if (json_integer(json_get(state, "pid"), 1, INT32_MAX, &pid) < 0)
		return err_set(err, EINVAL,
			"no process is named: run it as a prestart or createRuntime hook");
	rc = state_path_by_mark(mark, &path, err);
	if (rc == 0)
		rc = plan_read(path, &job.plan, err);
	if (rc < 0)
		return rc;
	rc = open_map(path, &job.map, err);
	if (rc < 0)
		return rc;
	job.pid = pid;
	job.seconds = config.timeout;
	/* The other half is the event log's. */
	job.map_max = config.state_size / 2;
	if (work(&job, &config, &failure) == -EFBIG)
		rc = leave_map_out(path, &failure);
	else if (failure.code)
		rc = report_failure(path, &job.plan, &failure);
	close(job.map);
	plan_free(&job.plan);
	return rc;
}

int main(int argc, char **argv)
{
	const char *conf = NULL;
	struct err err = { 0 };
	int rc;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("mx-hook version %s\n", MX_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		puts("mx-hook is run by an OCI runtime, with the container's state on standard "
		     "input;\n"
		     "mx-shim asks for that: mx-hook(8).\n\n"
		     "Usage: mx-hook [--mx-conf FILE] <container-state\n\n"
		     "  --mx-conf FILE  read FILE instead of /etc/mx/mx.conf\n"
		     "  --help          this text\n"
		     "  --version       the version of mx-hook");
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--mx-conf") == 0)
		conf = argv[2];
	else if (argc != 1) {
		fprintf(stderr, "usage: mx-hook [--mx-conf FILE] <container-state\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	rc = run(conf, &err);
	if (rc < 0)
		fprintf(stderr, "mx-hook: %s\n", err.text);
	return rc ? 1 : 0;
}
