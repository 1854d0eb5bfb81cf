/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run is doing and has counted: the one place that holds it. The director writes, the
 * control socket reads; every function takes the state's own lock, for a moment, and no other.
 */
#ifndef MX_CTL_STATE_H
#define MX_CTL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/jsonw.h"

#define STATE_VERSIONS_MAX 4

enum run_phase {
	PHASE_INITIALIZING, /* the programs have not reached their entry */
	PHASE_MIRRORING,    /* all versions run as one */
	PHASE_DIVERGED,	    /* the versions did different things, and one was let go */
	PHASE_RECOVERING,   /* a version is being brought back */
	PHASE_PAUSED,	    /* by decision: one version alone until the other is wanted back */
	PHASE_PROMOTED,	    /* by decision: the new version alone */
	PHASE_ABORTED,	    /* by decision: the old version alone */
	PHASE_DEGRADED,	    /* a version was lost, the others go on */
	PHASES
};

struct run_state;

/* Names are the caller's and outlive the state. */
struct run_state *state_new(int nversions, const char *const *names, const char *const *programs);
void state_free(struct run_state *s);

const char *state_phase_name(enum run_phase phase);
enum run_phase state_phase(struct run_state *s);
/* Returns the former phase. A decision (promoted, aborted) is final: later phases don't replace it.
 */
enum run_phase state_enter(struct run_state *s, enum run_phase phase);

void state_set_leader(struct run_state *s, int version); /* -1: none */
void state_lost(struct run_state *s, int version);
/* It is back: a recovered version runs again. */
void state_back(struct run_state *s, int version);
bool state_lives(struct run_state *s, int version);
int state_living(struct run_state *s);

void state_count_crash(struct run_state *s, int version);
/* @kind is one of a few fixed words. */
void state_count_divergence(struct run_state *s, const char *kind);
void state_count_recovery(struct run_state *s, const char *result, double seconds);
/* How many there were with this result. */
uint64_t state_recoveries(struct run_state *s, const char *result);
/* Returns how often that rule was applied now. */
uint64_t state_count_rule(struct run_state *s, const char *rule);
/* Divergences and crashes in all. */
uint64_t state_failures(struct run_state *s);
/* Seconds since the last divergence or crash, or since the start. */
double state_calm_seconds(struct run_state *s);
/* Both run from now on: what was calm while one ran alone does not count. */
void state_begin_calm(struct run_state *s);

/* What MXM counts; calls made since the last of these are a sample for the plots. */
struct state_counts {
	uint64_t calls[STATE_VERSIONS_MAX];
	uint64_t events, signals, processes, threads, payload_bytes;
};
void state_sample(struct run_state *s, const struct state_counts *counts);

/* Appends the fields of the "status" object, and of the "figures" object. */
void state_put_status(struct run_state *s, const struct state_counts *counts, struct jsonw *w);
void state_put_figures(struct run_state *s, struct jsonw *w);

#endif
