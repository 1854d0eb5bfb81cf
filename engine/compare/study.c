/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/study.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xalloc.h"

#define ROOT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where execvp(3) would find it; NULL: nowhere. */
static char *find_program(const char *root, const char *name)
{
	const char *path = root ? ROOT_PATH : getenv("PATH"), *end;

	if (strchr(name, '/'))
		return xasprintf("%s%s", root ? root : "", name);
	for (path = path ? path : ROOT_PATH;; path = end + 1) {
		char *full;

		end = strchrnul(path, ':');
		full = xasprintf("%s%.*s/%s", root ? root : "", (int)(end - path), path, name);
		if (access(full, X_OK) == 0 && !is_directory(full))
			return full;
		free(full);
		if (!*end)
			return NULL;
	}
}

static void share(struct subject *s, const char *const *shared)
{
	size_t n = 0;

	while (shared && shared[n])
		n++;
	s->shared = xzalloc((n + 2) * sizeof(*s->shared));
	for (size_t i = 0; i < n; i++)
		s->shared[i] = shared[i];
	/* What a version does where it was started is what the comparison is about. */
	if (s->place)
		s->shared[n] = place_path(s->place);
	s->record.shared_paths = s->shared;
}

static char **make_argv(const char *argv0, char *const *args)
{
	size_t n = 0;
	char **argv;

	while (args[n])
		n++;
	argv = xreallocarray(NULL, n + 2, sizeof(*argv));
	argv[0] = (char *)argv0;
	memcpy(argv + 1, args, (n + 1) * sizeof(*argv));
	return argv;
}

static int find(struct subject *s, char *const *args, struct err *err)
{
	char *real;

	if (is_directory(s->given)) {
		if (!args[0])
			return err_set(
				err, EINVAL, "with directories the program comes first after '--'");
		s->root = realpath(s->given, NULL);
		if (!s->root)
			return err_errno(err, errno, "%s", s->given);
		s->file = find_program(s->root, args[0]);
		s->record.program = args[0];
		s->record.root = s->root;
		s->record.cwd = "/";
		return 0;
	}
	/* It starts elsewhere: its name must not depend on where the caller is. */
	s->file = find_program(NULL, s->given);
	real = s->file ? realpath(s->file, NULL) : NULL;
	if (!real)
		return err_errno(err, ENOENT, "%s", s->given);
	free(s->file);
	s->record.program = s->file = real;
	return 0;
}

int subject_init(struct subject *s, const struct study *study, const char *given, char *const *args,
	const char *const *shared, struct err *err)
{
	int rc;

	s->given = given;
	rc = find(s, args, err);
	if (rc < 0)
		return rc;
	s->argv = make_argv(study->argv0 ? study->argv0
			    : s->root	 ? args[0]
					 : given,
		s->root ? args + 1 : args);
	s->record.argv = s->argv;
	if (!study->here) {
		rc = place_new(s->root, study->files, &s->place, err);
		if (rc < 0)
			return rc;
		s->record.cwd = place_path(s->place);
	}
	if (s->root)
		share(s, shared);
	return 0;
}

void subject_free(struct subject *s)
{
	trace_free(s->trace);
	place_free(s->place);
	free(s->shared);
	free(s->argv);
	free(s->file);
	free(s->root);
}

static int record(struct subject *s, struct trace **ret, struct err *err)
{
	int rc = s->place ? place_prepare(s->place, err) : 0;

	if (rc == 0)
		rc = record_run(&s->record, ret, err);
	return rc < 0 ? err_context(err, "%s", s->given) : 0;
}

int subject_record(struct subject *s, bool first, struct err *err)
{
	int rc = s->trace ? 0 : record(s, &s->trace, err), status;

	if (rc < 0 || !first || !s->trace->workload_status)
		return rc;
	status = s->trace->workload_status;
	return err_set(err, EPROTO, "%s fails with %s: %s %d", s->record.workload, s->given,
		WIFEXITED(status) ? "status" : "signal",
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* The runs of a pair, and of them the two that were found to be most alike. */
struct runs {
	const struct study *study;
	struct trace *old[PAIR_RUNS_MAX], *new[PAIR_RUNS_MAX];
	unsigned nold, nnew;
};

/* Compares two of the runs; every other run of the old version tells what is unsteady. */
static struct comparison *compare_runs(
	const struct runs *r, unsigned old, unsigned new, bool calls_only)
{
	struct comparison *c = comparison_make(r->old[old], r->new[new], calls_only);

	for (unsigned i = 0; i < r->nold; i++) {
		struct comparison *noise;

		if (i == old)
			continue;
		noise = comparison_make(r->old[old], r->old[i], calls_only);
		comparison_mark_unsteady(c, noise);
		comparison_free(noise);
	}
	return c;
}

/* How far two runs are apart: what no rule covers first, then all that is steady. */
static uint64_t apartness(const struct comparison *c)
{
	struct forecast f;

	forecast_make(c, &f);
	return ((uint64_t)(f.known - f.covered + f.differ_in_end) << 40) + c->distance -
	       c->unsteady;
}

/*
 * Compares those with the last run of either version, and keeps the two that are most alike: what
 * really differs does so in all of them.
 */
static void find_most_alike(const struct runs *r, struct pair *ret)
{
	for (unsigned i = 0; i < r->nold; i++) {
		for (unsigned k = 0; k < r->nnew; k++) {
			struct comparison *c;

			if (ret->comparison && i + 1 < r->nold && k + 1 < r->nnew)
				continue;
			c = compare_runs(r, i, k, r->study->calls_only);
			/* What was found before had fewer runs to tell it what is unsteady. */
			if (ret->comparison && apartness(c) > apartness(ret->comparison)) {
				comparison_free(c);
				continue;
			}
			comparison_free(ret->comparison);
			ret->comparison = c;
			comparison_free(ret->names);
			ret->names = compare_runs(r, i, k, true);
		}
	}
}

static int run_again(
	struct runs *r, struct subject *old, struct subject *new, struct pair *ret, struct err *err)
{
	struct forecast f;
	int rc;

	for (unsigned i = 0; i < r->study->again && ret->comparison->n; i++) {
		rc = record(old, &r->old[r->nold], err);
		if (rc < 0)
			return rc;
		ret->again[ret->nagain++] = r->old[r->nold++];
		find_most_alike(r, ret);
		forecast_make(ret->comparison, &f);
		if (!f.first && !f.differ_in_end)
			continue;
		rc = record(new, &r->new[r->nnew], err);
		if (rc < 0)
			return rc;
		ret->again[ret->nagain++] = r->new[r->nnew++];
		find_most_alike(r, ret);
	}
	return 0;
}

int pair_compare(const struct study *study, struct subject *old, struct subject *new,
	struct pair *ret, struct err *err)
{
	struct runs runs = {
		.study = study, .old = { old->trace }, .new = { new->trace }, .nold = 1, .nnew = 1
	};
	int rc;

	*ret = (struct pair){ 0 };
	find_most_alike(&runs, ret);
	rc = run_again(&runs, old, new, ret, err);
	if (rc == 0 && old->sources && new->sources) {
		ret->has_lines = true;
		rc = sources_compare(old->sources, new->sources, &ret->lines, err);
	}
	if (rc < 0) {
		pair_free(ret);
		return rc;
	}
	if (!study->no_recovery && old->file && new->file)
		outlook_find(old->file, new->file, &ret->outlook);
	forecast_make(ret->comparison, &ret->forecast);
	return 0;
}

void pair_free(struct pair *p)
{
	comparison_free(p->comparison);
	comparison_free(p->names);
	for (unsigned i = 0; i < p->nagain; i++)
		trace_free(p->again[i]);
	outlook_free(&p->outlook);
	*p = (struct pair){ 0 };
}
