/* SPDX-License-Identifier: Apache-2.0 */
/* What a director knows. Between director.c, which is told what happens, and decide.c. */
#ifndef MX_DIRECTOR_STATE_H
#define MX_DIRECTOR_STATE_H

#include <stdatomic.h>

#include "ctl/state.h"
#include "director.h"

struct director {
	struct director_config config;
	struct mxm *mxm;
	pthread_mutex_t lock;
	bool ended;
	int status;
	bool stopping;	/* the policy ends all versions */
	int last_crash; /* signal, for a run that no version survived */
	struct run_state *state;
	enum run_phase after_loss; /* the phase that the loss of a version leads to */
	_Atomic bool switching;	   /* the leader is let go to come back as the follower */
	_Atomic bool pausing;	   /* the follower is let go until it is wanted back */
	_Atomic int paused;	   /* the version that was let go so, -1: none */
	const char *came_from;	   /* what the version that is wanted back was lost by */
	int functions;		   /* put into the copy that is being made */
	struct recovery *recovery; /* NULL: a lost version stays lost */
	struct limit {
		uint64_t begun_ns; /* of the minute */
		unsigned n;
	} recoveries[MXM_VERSIONS_MAX], resyncs[MXM_VERSIONS_MAX];
	_Atomic enum run_phase decided; /* promoted or aborted; else initializing */
	void (*on_end)(void *arg, int status);
	void *on_end_arg;
};

/* Enters @phase, and logs it where it is another one. */
void director_enter(struct director *d, enum run_phase phase, const char *reason);
/* -1: there is none of that name. */
int director_version_called(const struct director *d, const char *name);
void director_get_counts(struct director *d, struct state_counts *ret);

#endif
