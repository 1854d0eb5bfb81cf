/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which function of the old version is which of the new. Wrong is worse than missing: a pair is
 * made only where one piece of evidence singles it out, and is taken back where others contradict.
 */
#ifndef MX_SEA_MATCH_H
#define MX_SEA_MATCH_H

#include "sea/image.h"

#define SEA_ENOUGH_FOR_SHAPE 8 /* instructions below which shape says little */

enum sea_side { SEA_OLD, SEA_NEW };

/* How a pair was found, best first. */
enum sea_evidence {
	SEA_BY_NOTHING,
	SEA_BY_NAME,
	SEA_BY_CONTENT,	 /* the only one with these instructions, imports and literals */
	SEA_BY_CODE,	 /* the only one with these instructions */
	SEA_BY_LITERALS, /* the only one with these strings and imports */
	SEA_BY_CALLS,	 /* matched callers refer to it at the same place */
	SEA_BY_POINTERS, /* matched tables of pointers hold it at the same place */
	SEA_BY_ORDER,	 /* between the same neighbours */
	SEA_N_EVIDENCE,
};

struct sea_vote {
	uint64_t old_addr, new_addr;
	uint16_t weight;
	uint16_t access; /* bytes accessed at the address, 0 where only the address is taken */
	uint8_t kind;	 /* enum sea_evidence that it would be */
};

struct sea_votes {
	struct sea_vote *v;
	uint32_t n, room;
	bool full; /* a limit was met: what follows was dropped */
};

enum {
	SEA_DOUBT_CONSTANTS = 1, /* short, and the constants do not tell which of its kind it is */
	SEA_DOUBT_TWIN = 2,	 /* another one of that side has the same content */
};

struct sea_match {
	struct sea_image *im[2];
	uint32_t *peer[2];     /* by function: the function on the other side, or SEA_NONE */
	uint8_t *how;	       /* by old function: enum sea_evidence */
	uint8_t *confidence;   /* by old function: 0..100 */
	uint64_t *canon[2];    /* by reference: what it means in both versions, 0 if not known */
	struct sea_votes code; /* pairs of function starts */
	struct sea_votes data; /* pairs of addresses outside code */
	uint8_t *seen;	       /* by old function: its pair has voted */
	uint8_t *doubt[2];     /* by function: SEA_DOUBT_* */
	struct sea_budget *budget;
};

/* Builds all pairs. On a spent budget: -ETIME. */
MUST_CHECK int sea_match_run(struct sea_image *old_im, struct sea_image *new_im,
	struct sea_budget *budget, struct sea_match *ret, struct err *err);
void sea_match_free(struct sea_match *m);

void sea_vote_add(struct sea_votes *v, struct sea_vote vote);
/* Sorts and adds up equal votes. */
void sea_votes_settle(struct sea_votes *v);

/* Whether the two names can be one function's: equal but for what the compiler appends. */
bool sea_names_agree(const char *a, const char *b);
/* The name without what the compiler appends; .part and .cold stay. To @ret. */
void sea_name_base(const char *name, struct str *ret);
/* Share of instructions of the same shape, 0..100, whatever their order. */
unsigned sea_similarity(const struct sea_match *m, uint32_t fo, uint32_t fn);
/* Whether nothing known forbids that the two are one function. */
bool sea_may_pair(const struct sea_match *m, uint32_t fo, uint32_t fn);
void sea_pair(struct sea_match *m, uint32_t fo, uint32_t fn, enum sea_evidence how, unsigned conf);
void sea_unpair(struct sea_match *m, uint32_t fo);

/* Hash of what the instructions do, without constants. */
uint64_t sea_func_shape(const struct sea_image *im, const struct sea_func *f);
/* Fills m->doubt; wants the contexts of the functions. */
void sea_find_families(struct sea_match *m);

/* What a reference means in both versions: import, literal, matched function; 0 if not known. */
uint64_t sea_canon_static(const struct sea_image *im, const struct sea_ref *r);
uint64_t sea_canon(const struct sea_match *m, enum sea_side side, uint32_t ref);
/* The same for a relocated word. */
uint64_t sea_canon_reloc(const struct sea_match *m, enum sea_side side, const struct sea_reloc *r);

/* Instructions that correspond, as indexes into the images' insns, in order. */
struct sea_aligned {
	uint32_t o, n;
};

/*
 * Aligns a pair of functions; the list is malloc'ed. *@ret_lockstep: both have the same
 * instructions, in shape, from start to end.
 */
void sea_align(const struct sea_match *m, uint32_t fo, uint32_t fn, struct sea_aligned **ret,
	uint32_t *ret_n, bool *ret_lockstep);

/*
 * Aligns two sequences of tokens; for each common element calls @same in order. Splits at tokens
 * that are unique on both sides, so that the work stays near n log n on any input.
 */
void sea_diff(const uint64_t *a, uint32_t n_a, const uint64_t *b, uint32_t n_b,
	void (*same)(void *ctx, uint32_t i, uint32_t k), void *ctx);

/* Makes pairs from votes of pairs that are not yet seen; returns how many. */
uint32_t sea_propagate(struct sea_match *m);
/* Makes pairs from positions between matched neighbours; returns how many. */
uint32_t sea_match_order(struct sea_match *m);
/* Takes back the pairs that the rest contradicts; returns how many. Fills m->code and m->data. */
uint32_t sea_match_verify(struct sea_match *m);

#endif
