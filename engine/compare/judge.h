/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's built-in rules would make of a difference. */
#ifndef MX_COMPARE_JUDGE_H
#define MX_COMPARE_JUDGE_H

#include "compare/trace.h"

#define JUDGE_RULES_MAX 8

struct judgement {
	bool covered;
	const char *rules[JUDGE_RULES_MAX]; /* that are needed, each once */
	int nrules;
	/* Not covered: what the two ask for where they part; NULL: nothing more. */
	const struct trace_call *parts[2];
	const char *unsupported; /* the reason for which the engine runs one version alone */
};

/* The runs of calls are what stands in the two sequences at the difference, and around it. */
void judge(const struct trace_call *const *old, uint32_t nold, const struct trace_call *const *new,
	uint32_t nnew, struct judgement *ret);

#endif
