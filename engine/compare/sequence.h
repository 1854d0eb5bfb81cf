/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread did, as a sequence of numbers that can be compared: calls that ask for the same
 * have the same number in both traces. What timing decides is left out:
 *
 * - futex calls, looks at clocks, sched_yield, calls that a signal broke off, accepts that came too
 *   late;
 * - waits for the outside (epoll_wait, poll, select) and sleeps but for the first of each kind;
 * - what is done each time that a wait has timed out: each such piece of work (the same calls by
 *   the same functions) is kept once, and compared apart.
 */
#ifndef MX_COMPARE_SEQUENCE_H
#define MX_COMPARE_SEQUENCE_H

#include "compare/trace.h"

/* Gives the same number to equal strings. */
struct interner;
struct interner *interner_new(void);
void interner_free(struct interner *in);
/* From 1 on. */
uint32_t interner_number(struct interner *in, const char *key, size_t len);

struct sequence {
	uint32_t *tokens;
	const struct trace_call **calls; /* of each token; the trace's */
	uint32_t n;
};

/*
 * @thread's calls. @calls_only: arguments make no difference, as long as the operation is the same.
 * @ret_timed: what was done upon timeouts.
 */
void sequence_make(const struct trace *trace, uint32_t thread, bool calls_only, struct interner *in,
	struct sequence *ret_main, struct sequence *ret_timed);
void sequence_free(struct sequence *s);

#endif
