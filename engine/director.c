/* SPDX-License-Identifier: Apache-2.0 */
#include "director.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "crash_report.h"
#include "director_state.h"
#include "rem/recovery.h"
#include "stats.h"

#define MINUTE_NS 60000000000ul

static const char *name_of(const struct director *d, int version)
{
	return version < 0 ? NULL : d->config.mxm.versions[version].name;
}

void director_enter(struct director *d, enum run_phase phase, const char *reason)
{
	enum run_phase former = state_enter(d->state, phase);
	struct event_out ev;

	if (state_phase(d->state) == former)
		return;
	eventlog_begin(d->config.log, &ev, "phase");
	event_str(&ev, "phase", state_phase_name(phase));
	event_str(&ev, "from", state_phase_name(former));
	event_str(&ev, "reason", reason);
	event_end(&ev);
}

int director_version_called(const struct director *d, const char *name)
{
	for (int v = 0; v < d->config.mxm.nversions; v++) {
		if (strcmp(d->config.mxm.versions[v].name, name) == 0)
			return v;
	}
	return -1;
}

/* Have there been as many failures as the operator allows? */
static bool is_enough(struct director *d)
{
	return d->config.abort_after && state_lives(d->state, director_version_called(d, "old")) &&
	       state_failures(d->state) >= d->config.abort_after;
}

static void *on_crash(void *arg, const struct mxm_crash *crash)
{
	struct director *d = arg;
	struct event_out *ev = xzalloc(sizeof(*ev));

	d->last_crash = crash->sig;
	d->pausing = false;
	d->after_loss = PHASE_DEGRADED;
	state_count_crash(d->state, crash->version);
	if (crash->version == director_version_called(d, "new") && is_enough(d))
		d->decided = PHASE_ABORTED;
	eventlog_begin(d->config.log, ev, "crash");
	event_version(ev, name_of(d, crash->version), crash->known, (int64_t)crash->seq);
	event_str(ev, "signal", sys_signal_name(crash->sig));
	if (crash->info.si_code > 0 && crash->sig != SIGKILL)
		event_hex(ev, "address", (uint64_t)crash->info.si_addr);
	if (crash_has_report(crash)) {
		event_precede(ev);
		return ev;
	}
	event_end(ev);
	free(ev);
	return NULL;
}

static void on_crash_told(void *arg, void *report, const struct mxm_crash *crash)
{
	struct director *d = arg;
	struct event_out *ev = report;

	crash_report(ev, crash, name_of(d, crash->version), d->config.core_dir, d->recovery);
	event_end(ev);
	free(ev);
}

static int preferred(const struct director *d, const struct mxm_divergence *div)
{
	switch (d->config.prefer) {
	case PREFER_OLD:
		return director_version_called(d, "old");
	case PREFER_NEW:
		return director_version_called(d, "new");
	case PREFER_LEADER:
	case PREFER_STOP:
		break;
	}
	return div->leader;
}

static int on_divergence(void *arg, const struct mxm_divergence *div)
{
	struct director *d = arg;
	bool stop = d->config.prefer == PREFER_STOP, enough;
	int keep, lost;
	struct event_out ev;

	d->after_loss = PHASE_DIVERGED;
	d->pausing = false;
	state_count_divergence(d->state, div->why);
	enough = !stop && is_enough(d);
	keep = enough ? director_version_called(d, "old") : preferred(d, div);
	/* A leader that is gone is out of the question: the follower was draining its stream. */
	if (!state_lives(d->state, keep))
		keep = keep == div->leader ? div->follower : div->leader;
	if (keep == div->follower && (div->cannot_lead || div->lacks_memory || div->lags) &&
		state_lives(d->state, div->leader))
		keep = div->leader;
	lost = keep == div->leader ? div->follower : div->leader;
	if (enough)
		d->decided = PHASE_ABORTED;
	d->stopping |= stop;
	eventlog_begin(d->config.log, &ev, "divergence");
	event_version(&ev, name_of(d, div->follower), div->pid, (int64_t)div->seq);
	event_str(&ev, "kind", div->why);
	event_str(&ev, "leader", name_of(d, div->leader));
	event_str(&ev, "leader_call", div->leader_call);
	event_str(&ev, "follower_call", div->follower_call);
	event_bool(&ev, "executed", div->executed);
	if (div->cannot_lead)
		event_bool(&ev, "lacks_descriptors", true);
	if (div->lacks_memory)
		event_bool(&ev, "lacks_memory", true);
	if (div->lags)
		event_bool(&ev, "coming_back", true);
	event_str(&ev, "policy", stop ? "stop" : enough ? "abort" : "let go");
	event_str(&ev, stop ? "stopped" : "let_go", stop ? "all" : name_of(d, lost));
	event_end(&ev);
	return stop ? MXM_STOP : lost;
}

static void on_ruled(void *arg, const struct mxm_ruling *r)
{
	struct director *d = arg;
	struct event_out ev;

	state_count_rule(d->state, r->rule);
	if (!r->news)
		return;
	eventlog_begin(d->config.log, &ev, "rule");
	event_version(&ev, name_of(d, r->follower), r->pid, (int64_t)r->seq);
	event_str(&ev, "rule", r->rule);
	event_str(&ev, "follower_call", r->follower_call);
	event_str(&ev, "leader_call", r->leader_call);
	event_end(&ev);
}

static void on_unsupported(void *arg, int version, pid_t pid, const char *call, const char *why)
{
	struct director *d = arg;
	struct event_out ev;

	d->after_loss = PHASE_DEGRADED;
	state_count_divergence(d->state, "unsupported");
	eventlog_begin(d->config.log, &ev, "unsupported-syscall");
	event_version(&ev, name_of(d, version), pid, -1);
	event_str(&ev, "call", call);
	event_str(&ev, "reason", why);
	event_end(&ev);
}

static void log_refusal(struct director *d, int version, const char *why)
{
	struct event_out ev;

	state_count_recovery(d->state, "refused", 0);
	eventlog_begin(d->config.log, &ev, "recovery-refused");
	event_version(&ev, name_of(d, version), 0, -1);
	event_str(&ev, "rung", "rejoin");
	event_str(&ev, "reason", why);
	event_end(&ev);
}

static void log_resync(struct director *d, int version, unsigned n)
{
	struct event_out ev;

	eventlog_begin(d->config.log, &ev, "resync");
	event_version(&ev, name_of(d, version), 0, -1);
	event_int(&ev, "in_this_minute", n);
	event_int(&ev, "at_most", d->config.max_resyncs);
	event_end(&ev);
}

/* Is the version that is let go to come back? */
static bool may_recover(struct director *d, int version)
{
	bool crashed = d->after_loss == PHASE_DEGRADED;
	struct limit *limit = crashed ? &d->recoveries[version] : &d->resyncs[version];
	uint64_t now = clock_ns();

	if (!d->recovery || d->decided || d->stopping)
		return false;
	d->came_from = crashed ? "crash" : "divergence";
	if (atomic_exchange(&d->switching, false)) {
		d->came_from = "decision";
		return true;
	}
	if (!crashed && !d->config.max_resyncs)
		return false;
	if (!limit->begun_ns || now - limit->begun_ns > MINUTE_NS)
		*limit = (struct limit){ .begun_ns = now };
	if (limit->n++ < (crashed ? d->config.max_recoveries : d->config.max_resyncs)) {
		if (!crashed)
			log_resync(d, version, limit->n);
		return true;
	}
	log_refusal(d, version,
		crashed ? "it came back as often as --max-recoveries allows in a minute"
			: "it came back as often as --max-resyncs allows in a minute");
	return false;
}

static bool on_drop(void *arg, int version, int leads, bool was_leader)
{
	struct director *d = arg;
	bool pauses = atomic_exchange(&d->pausing, false) && leads >= 0 && !d->decided;
	bool comes_back = leads >= 0 && !pauses && may_recover(d, version);
	struct event_out ev;

	eventlog_begin(d->config.log, &ev, "discarded");
	event_version(&ev, name_of(d, version), 0, -1);
	event_str(&ev, "leader", leads < 0 || d->stopping ? "none" : name_of(d, leads));
	event_end(&ev);
	state_lost(d->state, version);
	if (pauses)
		d->paused = version;
	state_set_leader(d->state, leads);
	if (d->decided)
		director_enter(d, d->decided, "decision");
	else if (pauses)
		director_enter(d, PHASE_PAUSED, "decision");
	else if (leads >= 0)
		director_enter(
			d, comes_back ? PHASE_RECOVERING : d->after_loss, name_of(d, version));
	if (!was_leader || leads < 0 || d->stopping)
		return comes_back;
	eventlog_begin(d->config.log, &ev, "takeover");
	event_version(&ev, name_of(d, leads), 0, -1);
	event_str(&ev, "from", name_of(d, version));
	event_end(&ev);
	return comes_back;
}

static void on_runs(void *arg, int version, pid_t pid)
{
	struct director *d = arg;

	if (d->recovery)
		recovery_runs(d->recovery, version, pid);
}

static int on_rejoin_prepare(
	void *arg, int version, int from, struct tracee *const *ts, int n, struct err *err)
{
	struct director *d = arg;

	if (d->decided)
		return err_set(err, ECANCELED, "the operator has decided for one version");
	return recovery_prepare(d->recovery, from, ts, n, err);
}

static int on_rejoin_safe(
	void *arg, int version, int from, struct tracee *const *threads, int n, struct err *err)
{
	struct director *d = arg;

	return recovery_safe(d->recovery, from, threads, n, err);
}

static int on_rejoin_made(
	void *arg, int version, int from, struct tracee *const *ts, int n, struct err *err)
{
	struct director *d = arg;
	int rc = recovery_convert(d->recovery, version, from, ts, n, err);

	if (rc < 0)
		return rc;
	d->functions = rc;
	return 0;
}

static void on_not_switched(void *arg, const char *why)
{
	struct director *d = arg;
	struct event_out ev;

	bool pauses = atomic_exchange(&d->pausing, false);

	d->switching = false;
	eventlog_begin(d->config.log, &ev, "decision-failed");
	event_str(&ev, "decision", pauses ? "pause" : "switch");
	event_str(&ev, "text", why);
	event_end(&ev);
	if (state_living(d->state) > 1)
		director_enter(d, PHASE_MIRRORING, "decision-failed");
}

static void on_rejoined(void *arg, int version, uint64_t ns, const char *why)
{
	struct director *d = arg;
	cleanup_free char *no_use = NULL;
	struct event_out ev;

	if (why) {
		log_refusal(d, version, why);
		director_enter(
			d, d->paused >= 0 ? PHASE_PAUSED : d->after_loss, name_of(d, version));
		return;
	}
	if (d->paused >= 0)
		state_begin_calm(d->state);
	d->paused = -1;
	state_back(d->state, version);
	state_count_recovery(d->state, "recovered", ns / 1e9);
	eventlog_begin(d->config.log, &ev, "recovered");
	event_version(&ev, name_of(d, version), 0, -1);
	event_str(&ev, "rung", "rejoin");
	event_str(&ev, "after", d->came_from);
	event_printf(&ev, "ms", "%.3f", ns / 1e6);
	event_int(&ev, "functions", d->functions);
	event_str(&ev, "map", recovery_map_source(d->recovery, &no_use));
	if (no_use)
		event_str(&ev, "map_no_use", no_use);
	event_end(&ev);
	/* The one that it was copied from may have been lost on the way. */
	if (state_living(d->state) > 1)
		director_enter(d, PHASE_MIRRORING, name_of(d, version));
}

static void on_entered(void *arg)
{
	struct director *d = arg;

	if (state_phase(d->state) == PHASE_INITIALIZING)
		director_enter(
			d, d->config.mxm.nversions > 1 ? PHASE_MIRRORING : PHASE_DEGRADED, NULL);
}

static void on_note(void *arg, const char *event, int version, pid_t pid, const char *text)
{
	struct director *d = arg;
	struct event_out ev;

	eventlog_begin(d->config.log, &ev, event);
	event_version(&ev, name_of(d, version), pid, -1);
	event_str(&ev, "text", text);
	event_end(&ev);
}

/* Who hears of the end may read the log then. */
static void tell_end(void *arg)
{
	struct director *d = arg;

	if (d->on_end)
		d->on_end(d->on_end_arg, d->status);
}

static void on_end(void *arg, int status)
{
	struct director *d = arg;
	struct event_out ev;
	bool first;

	pthread_mutex_lock(&d->lock);
	first = !d->ended;
	d->ended = true;
	if (first)
		d->status = status;
	pthread_mutex_unlock(&d->lock);
	if (!first)
		return;
	eventlog_begin(d->config.log, &ev, "exit");
	if (WIFSIGNALED(status))
		event_str(&ev, "signal", sys_signal_name(WTERMSIG(status)));
	else
		event_int(&ev, "status", WEXITSTATUS(status));
	event_end(&ev);
	eventlog_when_out(d->config.log, tell_end, d);
}

static const struct mxm_ops ops = {
	.crashed = on_crash,
	.crash_told = on_crash_told,
	.diverged = on_divergence,
	.ruled = on_ruled,
	.unsupported = on_unsupported,
	.dropped = on_drop,
	.entered = on_entered,
	.runs = on_runs,
	.rejoin_prepare = on_rejoin_prepare,
	.rejoin_safe = on_rejoin_safe,
	.rejoin_made = on_rejoin_made,
	.rejoined = on_rejoined,
	.not_switched = on_not_switched,
	.note = on_note,
	.ended = on_end,
};

static void log_start(struct director *d)
{
	const struct mxm_config *c = &d->config.mxm;
	static const char *const syncs[] = { "lockstep", "barrier", "stream" };
	struct event_out ev;

	eventlog_begin(d->config.log, &ev, "start");
	for (int v = 0; v < c->nversions; v++)
		event_str(&ev, c->versions[v].name, c->versions[v].program);
	event_str(&ev, "leader", name_of(d, c->leader));
	event_str(&ev, "sync", syncs[c->sync]);
	event_end(&ev);
	if (!d->config.new_only)
		return;
	eventlog_begin(d->config.log, &ev, "new-only");
	event_version(&ev, "new", 0, -1);
	event_str(&ev, "reason", d->config.new_only);
	event_end(&ev);
}

static void prepare_recovery(struct director *d)
{
	const struct mxm_config *c = &d->config.mxm;
	struct recovery_config config = {
		.map = d->config.map, .cache = d->config.map_cache, .map_fd = d->config.map_fd
	};

	if (c->nversions != ARRAY_SIZE(config.roots) || !d->config.max_recoveries)
		return;
	for (int v = 0; v < c->nversions; v++)
		config.roots[v] = c->versions[v].root;
	d->recovery = recovery_new(&config);
}

int director_start(
	const struct director_config *config, struct director **ret_director, struct err *err)
{
	const char *names[MXM_VERSIONS_MAX], *programs[MXM_VERSIONS_MAX];
	struct director *d = xzalloc(sizeof(*d));
	int rc;

	d->config = *config;
	for (int v = 0; v < config->mxm.nversions; v++) {
		names[v] = config->mxm.versions[v].name;
		programs[v] = config->mxm.versions[v].program;
	}
	d->after_loss = PHASE_DEGRADED;
	d->paused = -1;
	d->state = state_new(config->mxm.nversions, names, programs);
	state_set_leader(d->state, config->mxm.leader);
	pthread_mutex_init(&d->lock, NULL);
	prepare_recovery(d);
	log_start(d);
	rc = mxm_start(&config->mxm, &ops, d, &d->mxm, err);
	if (rc < 0) {
		recovery_free(d->recovery);
		state_free(d->state);
		free(d);
		return rc;
	}
	*ret_director = d;
	return 0;
}

void director_on_end(struct director *d, void (*fn)(void *arg, int status), void *arg)
{
	bool ended;

	pthread_mutex_lock(&d->lock);
	d->on_end = fn;
	d->on_end_arg = arg;
	ended = d->ended;
	pthread_mutex_unlock(&d->lock);
	if (ended)
		fn(arg, d->status);
}

void director_signal(struct director *d, int sig)
{
	mxm_signal(d->mxm, sig);
}

int director_wait(struct director *d)
{
	mxm_join(d->mxm);
	/* No version survived to end by itself: the run ends as the last crash did. */
	if (!d->ended)
		on_end(d, d->last_crash ? d->last_crash : SIGKILL);
	if (d->config.stats)
		stats_print(d->mxm, &d->config.mxm, state_recoveries(d->state, "recovered"));
	return d->status;
}

void director_get_counts(struct director *d, struct state_counts *ret)
{
	struct mxm_stats stats;

	mxm_stats(d->mxm, &stats);
	*ret = (struct state_counts){
		.events = stats.events,
		.signals = stats.signals,
		.processes = stats.processes,
		.threads = stats.threads,
		.payload_bytes = stats.payload_bytes,
	};
	for (int v = 0; v < d->config.mxm.nversions; v++)
		ret->calls[v] = stats.version_calls[v] + stats.agent_calls[v];
}

void director_put_status(struct director *d, struct jsonw *w)
{
	struct state_counts counts;

	director_get_counts(d, &counts);
	state_put_status(d->state, &counts, w);
}

void director_put_figures(struct director *d, struct jsonw *w)
{
	struct state_counts counts;

	director_get_counts(d, &counts);
	state_sample(d->state, &counts);
	state_put_figures(d->state, w);
}

void director_free(struct director *d)
{
	mxm_free(d->mxm);
	recovery_free(d->recovery);
	state_free(d->state);
	free(d);
}
