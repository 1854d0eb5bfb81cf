/* SPDX-License-Identifier: Apache-2.0 */
/* Versions are run, and compared two by two: what mx compare does. */
#ifndef MX_COMPARE_STUDY_H
#define MX_COMPARE_STUDY_H

#include "compare/compare.h"
#include "compare/place.h"
#include "compare/record.h"

struct study {
	const char *files;	      /* for place_new() */
	const char *argv0;	      /* what all versions are called by; NULL: as they are given */
	bool here;		      /* they start where the caller is */
	unsigned again;		      /* runs that tell what is unsteady; below PAIR_RUNS_MAX */
	bool calls_only, no_recovery; /* see compare.h */
};

/* A version. */
struct subject {
	const char *given;   /* as the operator calls it */
	char *file;	     /* its program, for the analysis; NULL: not known */
	char *root;	     /* real path, or NULL */
	const char *sources; /* directory with its sources, or NULL */
	struct record_config record;
	char **argv;
	const char **shared; /* record.shared_paths' memory */
	struct place *place;
	struct trace *trace;
};

/*
 * @args are the program's arguments without argv[0]; where @given is a directory, the first of them
 * is the program inside of it. Strings must outlive it. -ENOENT, -EINVAL: there is no such program.
 */
MUST_CHECK int subject_init(struct subject *s, const struct study *study, const char *given,
	char *const *args, const char *const *shared, struct err *err);
void subject_free(struct subject *s);

/*
 * Runs it; the trace is kept in the subject. A workload that fails with the @first version tells
 * nothing: -EPROTO. Where it fails with a later one only, that is a difference.
 */
MUST_CHECK int subject_record(struct subject *s, bool first, struct err *err);

/* The most runs of one version. */
#define PAIR_RUNS_MAX 16

struct pair {
	struct comparison *comparison;
	struct comparison *names; /* the same without arguments */
	struct outlook outlook;
	struct forecast forecast;
	struct trace *again[2 * PAIR_RUNS_MAX];
	unsigned nagain;
	bool has_lines;
	uint64_t lines; /* of the sources, deleted and inserted */
};

/*
 * Of two subjects that were recorded. Where they differ the old one is run again, to learn what is
 * unsteady; where something remains that no rule covers the new one is, too, and the two runs are
 * taken that are most alike.
 */
MUST_CHECK int pair_compare(const struct study *study, struct subject *old, struct subject *new,
	struct pair *ret, struct err *err);
void pair_free(struct pair *p);

/* Lines that differ between the C and C++ sources in two directories. */
MUST_CHECK int sources_compare(
	const char *old, const char *new, uint64_t *ret_lines, struct err *err);

#endif
