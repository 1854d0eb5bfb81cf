/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator decides of a run, or has decided for it beforehand. */
#include <errno.h>
#include <stdatomic.h>

#include "director_state.h"

static void log_decision(struct director *d, const char *decision, const char *by)
{
	struct event_out ev;

	eventlog_begin(d->config.log, &ev, "decision");
	event_str(&ev, "decision", decision);
	event_str(&ev, "by", by);
	event_end(&ev);
}

int director_decide(struct director *d, enum decision decision, const char *by, struct err *err)
{
	bool promote = decision == DECIDE_PROMOTE;
	const char *name = promote ? "new" : "old";
	enum run_phase phase = promote ? PHASE_PROMOTED : PHASE_ABORTED;
	enum run_phase undecided = PHASE_INITIALIZING;
	int keep = director_version_called(d, name), rc;

	if (keep < 0 || !state_lives(d->state, keep))
		return err_set(err, EPERM, "the %s version does not run (any more)", name);
	if (!atomic_compare_exchange_strong(&d->decided, &undecided, phase) && undecided != phase)
		return err_set(err, EPERM, "the run is %s already", state_phase_name(undecided));
	if (state_phase(d->state) == phase)
		return 0;
	log_decision(d, promote ? "promote" : "abort", by);
	rc = mxm_keep(d->mxm, keep);
	if (rc < 0) {
		d->decided = PHASE_INITIALIZING;
		return err_set(err, EPERM, "the %s version has just gone", name);
	}
	director_enter(d, phase, "decision");
	return 0;
}

/* What stands against bringing a version back. */
static int check_recovery(struct director *d, struct err *err)
{
	if (d->decided)
		return err_set(err, EPERM, "the run is %s already",
			state_phase_name(state_phase(d->state)));
	if (!d->recovery)
		return err_set(err, EPERM,
			"the run was started with --max-recoveries 0, or with one version");
	return 0;
}

int director_restart(struct director *d, const char *name, const char *by, struct err *err)
{
	int version = director_version_called(d, name), rc = check_recovery(d, err);

	if (rc < 0)
		return rc;
	if (version < 0 || state_lives(d->state, version))
		return err_set(err, EPERM, "the %s version runs", name);
	log_decision(d, "restart", by);
	d->came_from = "decision";
	director_enter(d, PHASE_RECOVERING, "decision");
	mxm_want_back(d->mxm, version);
	return 0;
}

int director_switch(struct director *d, const char *by, struct err *err)
{
	int rc = check_recovery(d, err);

	if (rc < 0)
		return rc;
	if (state_living(d->state) < 2)
		return err_set(err, EPERM, "only one version runs");
	log_decision(d, "switch", by);
	d->switching = true;
	director_enter(d, PHASE_RECOVERING, "decision");
	mxm_switch(d->mxm);
	return 0;
}

int director_pause(struct director *d, const char *by, struct err *err)
{
	int rc = check_recovery(d, err);

	if (rc < 0)
		return rc;
	if (d->paused >= 0)
		return err_set(err, EPERM, "the comparison is paused already");
	if (state_living(d->state) < 2)
		return err_set(err, EPERM, "only one version runs");
	if (state_phase(d->state) != PHASE_MIRRORING)
		return err_set(
			err, EPERM, "the run is %s", state_phase_name(state_phase(d->state)));
	log_decision(d, "pause", by);
	d->pausing = true;
	mxm_pause(d->mxm);
	return 0;
}

int director_resume(struct director *d, const char *by, struct err *err)
{
	int version = d->paused, rc = check_recovery(d, err);

	if (rc < 0)
		return rc;
	if (d->pausing)
		return err_set(err, EPERM,
			"the comparison is being paused still: wait for that phase, by mx status "
			"-w");
	if (version < 0 || state_lives(d->state, version))
		return err_set(err, EPERM, "the comparison is not paused");
	log_decision(d, "resume", by);
	d->came_from = "pause";
	director_enter(d, PHASE_RECOVERING, "decision");
	mxm_want_back(d->mxm, version);
	return 0;
}

void director_tick(struct director *d)
{
	const struct director_config *c = &d->config;
	struct state_counts counts;
	struct event_out ev;
	struct err err;

	director_get_counts(d, &counts);
	state_sample(d->state, &counts);
	if (!c->promote_after || state_phase(d->state) != PHASE_MIRRORING ||
		state_calm_seconds(d->state) < c->promote_after ||
		counts.events < c->promote_events)
		return;
	if (director_decide(d, DECIDE_PROMOTE, "promote-after", &err) == 0)
		return;
	eventlog_begin(c->log, &ev, "decision-failed");
	event_str(&ev, "text", err.text);
	event_end(&ev);
}
