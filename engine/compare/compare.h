/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two traces are compared, thread by thread, and it is foreseen whether the two versions would run
 * together: which of their differences the built-in rules cover, and what recovery could do.
 */
#ifndef MX_COMPARE_COMPARE_H
#define MX_COMPARE_COMPARE_H

#include "compare/judge.h"
#include "compare/myers.h"
#include "compare/sequence.h"

/* Of one pair of threads; one side is empty where only one version has it. */
struct compared_thread {
	char *name;
	bool timed; /* what is done upon timeouts, see sequence.h */
	bool has[2];
	struct sequence seq[2];
	struct myers diff;
};

/* Hunks that lie close together, and the calls around them. */
struct difference {
	const struct compared_thread *thread;
	const struct myers_hunk *hunks;
	size_t nhunks;
	uint32_t from[2], to[2]; /* from the first hunk's beginning to the last one's end */
	struct judgement judged;
	bool unsteady;	/* the old version differs from itself there, from run to run */
	bool cut_off;	/* one version has crashed before it came to what the other one did */
	size_t same_as; /* its number; of an earlier one that is just like it */
};

struct comparison {
	const struct trace *traces[2]; /* the caller's; old, new */
	bool calls_only;
	struct compared_thread *threads;
	size_t nthreads;
	struct difference *differences;
	size_t n;
	uint64_t ncalls[2]; /* that are compared */
	uint64_t distance;
	uint64_t unsteady; /* of the distance, in unsteady differences */
	bool exact;
	const struct trace_call *unsupported; /* made by both, but the engine does not know it */
};

/* @traces must outlive what is returned. */
struct comparison *comparison_make(
	const struct trace *old, const struct trace *new, bool calls_only);
void comparison_free(struct comparison *c);

/* Marks what @noise, the comparison of two runs of the old version, shows to be unsteady. */
void comparison_mark_unsteady(struct comparison *c, const struct comparison *noise);

/* What recovery could do for the two programs. */
struct outlook {
	bool known;
	char *why_not;	     /* where it is not known */
	uint32_t functions;  /* of the new version */
	uint32_t changed;    /* in one of the versions, compared with the other */
	uint32_t spliceable; /* of those */
};

/* Asks SEA. Never fails: where there is no answer, that is said. */
void outlook_find(const char *old_path, const char *new_path, struct outlook *ret);
void outlook_free(struct outlook *o);

enum verdict {
	VERDICT_IDENTICAL,   /* the same sequence of calls, but for what is unsteady */
	VERDICT_TOGETHER,    /* they differ, in what the rules cover */
	VERDICT_DIVERGES,    /* a difference that no rule covers */
	VERDICT_CRASHES,     /* one version crashes under this workload: the other one goes on */
	VERDICT_UNSUPPORTED, /* a call that the engine cannot replicate */
};

struct forecast {
	enum verdict verdict;
	/* Differences, those like an earlier one not counted; `known` has no unsteady ones. */
	size_t known, covered, unsteady;
	int crashes;			/* which version; -1: none */
	const struct difference *first; /* that is not covered, or NULL */
	bool differ_in_end;		/* in how they end, or in what the workload says */
};

void forecast_make(const struct comparison *c, struct forecast *ret);
const char *verdict_name(enum verdict verdict);
/* In one line, without an end of line. */
void forecast_print(struct str *out, const struct forecast *f, const struct comparison *c,
	const struct outlook *outlook);

#endif
