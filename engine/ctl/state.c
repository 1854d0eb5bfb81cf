/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/state.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/xalloc.h"

#define TALLY_MAX   32
#define SAMPLES_MAX 600

/* Counters by name; more names than there is room for are counted as "other". */
struct tally {
	struct {
		const char *name;
		uint64_t n;
	} items[TALLY_MAX];
	int count;
};

/* The counts at a point in time. Where there are too many points, every second one goes. */
struct sample {
	double at;
	uint64_t calls[STATE_VERSIONS_MAX];
	uint32_t divergences, crashes;
	uint8_t phase;
};

struct run_state {
	pthread_mutex_t lock;
	int nversions, leader;
	const char *names[STATE_VERSIONS_MAX], *programs[STATE_VERSIONS_MAX];
	bool alive[STATE_VERSIONS_MAX];
	uint64_t crashes[STATE_VERSIONS_MAX];
	enum run_phase phase;
	struct tally divergences, recoveries, rules;
	double recovery_seconds;
	struct timespec started; /* CLOCK_REALTIME */
	double begun, failed, sampled, every;
	struct sample *samples; /* grows to SAMPLES_MAX */
	int nsamples, room;
};

static const char *const phases[PHASES] = {
	[PHASE_INITIALIZING] = "initializing",
	[PHASE_MIRRORING] = "mirroring",
	[PHASE_DIVERGED] = "diverged",
	[PHASE_RECOVERING] = "recovering",
	[PHASE_PAUSED] = "paused",
	[PHASE_PROMOTED] = "promoted",
	[PHASE_ABORTED] = "aborted",
	[PHASE_DEGRADED] = "degraded",
};

const char *state_phase_name(enum run_phase phase)
{
	return phases[phase];
}

static double now(void)
{
	struct timespec ts;

	/* Coarse: monitors may not read the time stamp counter (mxm/tsc.h). */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

struct run_state *state_new(int nversions, const char *const *names, const char *const *programs)
{
	struct run_state *s = xzalloc(sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	s->nversions = nversions;
	for (int v = 0; v < nversions; v++) {
		s->names[v] = names[v];
		s->programs[v] = programs[v];
		s->alive[v] = true;
	}
	clock_gettime(CLOCK_REALTIME, &s->started);
	s->begun = s->failed = now();
	s->every = 1;
	return s;
}

void state_free(struct run_state *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->samples);
	free(s);
}

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* Until the end of the scope. */
#define HOLD(s)                                                                                    \
	pthread_mutex_t *held_ __attribute__((cleanup(unlock))) = &(s)->lock;                      \
	pthread_mutex_lock(held_)

enum run_phase state_phase(struct run_state *s)
{
	HOLD(s);
	return s->phase;
}

enum run_phase state_enter(struct run_state *s, enum run_phase phase)
{
	HOLD(s);
	enum run_phase former = s->phase;

	if (former != PHASE_PROMOTED && former != PHASE_ABORTED)
		s->phase = phase;
	return former;
}

void state_set_leader(struct run_state *s, int version)
{
	HOLD(s);
	s->leader = version;
}

void state_lost(struct run_state *s, int version)
{
	HOLD(s);
	s->alive[version] = false;
}

void state_back(struct run_state *s, int version)
{
	HOLD(s);
	s->alive[version] = true;
}

bool state_lives(struct run_state *s, int version)
{
	HOLD(s);
	return version >= 0 && version < s->nversions && s->alive[version];
}

int state_living(struct run_state *s)
{
	int n = 0;

	HOLD(s);
	for (int v = 0; v < s->nversions; v++)
		n += s->alive[v];
	return n;
}

static uint64_t count(struct tally *t, const char *name)
{
	int i;

	for (i = 0; i < t->count; i++) {
		if (strcmp(t->items[i].name, name) == 0)
			return ++t->items[i].n;
	}
	if (t->count == TALLY_MAX - 1)
		name = "other";
	if (t->count == TALLY_MAX)
		return ++t->items[TALLY_MAX - 1].n;
	t->items[t->count].name = name;
	return ++t->items[t->count++].n;
}

static uint64_t sum(const struct tally *t)
{
	uint64_t n = 0;

	for (int i = 0; i < t->count; i++)
		n += t->items[i].n;
	return n;
}

void state_count_crash(struct run_state *s, int version)
{
	HOLD(s);
	s->crashes[version]++;
	s->failed = now();
}

void state_count_divergence(struct run_state *s, const char *kind)
{
	HOLD(s);
	count(&s->divergences, kind);
	s->failed = now();
}

void state_count_recovery(struct run_state *s, const char *result, double seconds)
{
	HOLD(s);
	count(&s->recoveries, result);
	s->recovery_seconds += seconds;
}

uint64_t state_recoveries(struct run_state *s, const char *result)
{
	HOLD(s);
	for (int i = 0; i < s->recoveries.count; i++) {
		if (strcmp(s->recoveries.items[i].name, result) == 0)
			return s->recoveries.items[i].n;
	}
	return 0;
}

uint64_t state_count_rule(struct run_state *s, const char *rule)
{
	HOLD(s);
	return count(&s->rules, rule);
}

static uint64_t all_crashes(const struct run_state *s)
{
	uint64_t n = 0;

	for (int v = 0; v < s->nversions; v++)
		n += s->crashes[v];
	return n;
}

uint64_t state_failures(struct run_state *s)
{
	HOLD(s);
	return sum(&s->divergences) + all_crashes(s);
}

void state_begin_calm(struct run_state *s)
{
	HOLD(s);
	s->failed = now();
}

double state_calm_seconds(struct run_state *s)
{
	HOLD(s);
	return now() - s->failed;
}

static void thin_out(struct run_state *s)
{
	int kept = 0;

	for (int i = 1; i < s->nsamples; i += 2)
		s->samples[kept++] = s->samples[i];
	s->nsamples = kept;
	s->every *= 2;
}

void state_sample(struct run_state *s, const struct state_counts *counts)
{
	HOLD(s);
	double at = now();
	struct sample *sample;

	if (s->nsamples && at - s->sampled < s->every * 0.9)
		return;
	if (s->nsamples == SAMPLES_MAX)
		thin_out(s);
	if (s->nsamples == s->room) {
		s->room = s->room ? s->room * 2 : 16;
		s->samples = xreallocarray(s->samples, s->room, sizeof(*s->samples));
	}
	sample = &s->samples[s->nsamples++];
	*sample = (struct sample){ .at = at - s->begun,
		.divergences = (uint32_t)sum(&s->divergences),
		.crashes = (uint32_t)all_crashes(s),
		.phase = (uint8_t)s->phase };
	memcpy(sample->calls, counts->calls, sizeof(sample->calls));
	s->sampled = at;
}

static void put_tally(struct jsonw *w, const char *key, const struct tally *t)
{
	jsonw_key(w, key);
	jsonw_object_begin(w);
	for (int i = 0; i < t->count; i++)
		jsonw_kv_uint(w, t->items[i].name, t->items[i].n);
	jsonw_object_end(w);
}

static void put_versions(struct run_state *s, const struct state_counts *counts, struct jsonw *w)
{
	jsonw_key(w, "versions");
	jsonw_array_begin(w);
	for (int v = 0; v < s->nversions; v++) {
		jsonw_object_begin(w);
		jsonw_kv_str(w, "name", s->names[v]);
		jsonw_kv_str(w, "program", s->programs[v]);
		jsonw_kv_bool(w, "runs", s->alive[v]);
		jsonw_kv_uint(w, "syscalls", counts->calls[v]);
		jsonw_kv_uint(w, "crashes", s->crashes[v]);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

void state_put_status(struct run_state *s, const struct state_counts *counts, struct jsonw *w)
{
	char stamp[32];
	struct tm tm;

	HOLD(s);
	gmtime_r(&s->started.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	jsonw_kv_str(w, "phase", phases[s->phase]);
	jsonw_kv_str(w, "leader", s->leader < 0 ? NULL : s->names[s->leader]);
	jsonw_kv_str(w, "started", stamp);
	jsonw_key(w, "age");
	jsonw_double(w, now() - s->begun, 1);
	jsonw_key(w, "calm");
	jsonw_double(w, now() - s->failed, 1);
	put_versions(s, counts, w);
	jsonw_kv_uint(w, "events", counts->events);
	jsonw_kv_uint(w, "signals", counts->signals);
	jsonw_kv_uint(w, "processes", counts->processes);
	jsonw_kv_uint(w, "threads", counts->threads);
	jsonw_kv_uint(w, "payload_bytes", counts->payload_bytes);
	put_tally(w, "divergences", &s->divergences);
	put_tally(w, "rules", &s->rules);
	put_tally(w, "recoveries", &s->recoveries);
	jsonw_key(w, "recovery_seconds");
	jsonw_double(w, s->recovery_seconds, 6);
}

void state_put_figures(struct run_state *s, struct jsonw *w)
{
	HOLD(s);
	jsonw_key(w, "names");
	jsonw_array_begin(w);
	for (int v = 0; v < s->nversions; v++)
		jsonw_str(w, s->names[v]);
	jsonw_array_end(w);
	jsonw_key(w, "samples");
	jsonw_array_begin(w);
	for (int i = 0; i < s->nsamples; i++) {
		const struct sample *sample = &s->samples[i];

		jsonw_array_begin(w);
		jsonw_double(w, sample->at, 1);
		for (int v = 0; v < s->nversions; v++)
			jsonw_uint(w, sample->calls[v]);
		jsonw_uint(w, sample->divergences);
		jsonw_uint(w, sample->crashes);
		jsonw_str(w, phases[sample->phase]);
		jsonw_array_end(w);
	}
	jsonw_array_end(w);
}
