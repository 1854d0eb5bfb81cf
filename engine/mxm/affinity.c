/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPU a group runs on. A wake-up from one CPU to another costs many times one that stays
 * (docs/architecture.md, "Where things run"), so a monitor and the tasks that it serves begin on
 * one CPU; children inherit it. Versions that compute, without calls, are better off on two: then
 * the followers move to the next CPU, and come back when calls are frequent again. So are versions
 * whose agents talk, as long as another CPU has nothing to do: nobody sleeps and is woken then, who
 * waits looks again and again (agent_control.spins). The program is told of the CPUs that it would
 * have without the engine: special_ids.c.
 *
 * A version alone has nothing to keep together but its monitor, and its threads run at the same
 * time: while it makes few stops (it computes, or its agent makes its calls) it runs where the
 * program wants to.
 */
#include "mxm/cpus.h"
#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/ring.h"

/* Events between two ticks: at most this many is computing, more than APART is talking, which is
 * dearer between two CPUs. */
#define COMPUTES 4
#define APART	 16
#define TICK_NS	 10000000ul
#define TALKS	 64
/* Calls by an agent between two looks at the CPUs: fewer are not worth a CPU. */
#define TALKS_CALLS 500
/* How often CPUs are looked at, and how long after a CPU proved to be none that is free. */
#define LOOK_NS	     100000000ul
#define PAUSE_MIN_NS 1000000000ul
#define PAUSE_MAX_NS 16000000000ul
/* How long who waits looks before it sleeps, on a CPU of its own: more than a wake-up takes. */
#define SPIN_NS 300000
/* A version alone that makes TALKS stops in this time talks to its monitor. */
#define TALKS_NS 20000000

/* The @skip-th CPU that the engine may use. */
static void nth_cpu(const struct mxm *mxm, unsigned skip, cpu_set_t *ret_one)
{
	int cpu = cpus_nth(&mxm->affinity, skip);

	CPU_ZERO(ret_one);
	if (cpu >= 0)
		CPU_SET(cpu, ret_one);
}

void affinity_choose(struct group *group)
{
	struct mxm *mxm = group->mxm;
	cpu_set_t one;

	if (!CPU_COUNT(&mxm->affinity))
		return;
	group->cpu = __atomic_fetch_add(&mxm->next_cpu, 1, __ATOMIC_RELAXED);
	nth_cpu(mxm, group->cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

void affinity_join(struct group *group, pid_t tid)
{
	cpu_set_t one;

	if (!CPU_COUNT(&group->mxm->affinity))
		return;
	nth_cpu(group->mxm, group->cpu, &one);
	sched_setaffinity(tid, sizeof(one), &one);
}

static void place(struct group *group, int version, unsigned cpu)
{
	cpu_set_t one;

	nth_cpu(group->mxm, cpu, &one);
	list_for_each (at, &group->tuples) {
		const struct task *task = &container_of(at, struct tuple, link)->tasks[version];

		if (task->state != TASK_ABSENT)
			sched_setaffinity(task->tracee.tid, sizeof(one), &one);
	}
}

/* The leader's tasks go where the program wants them, or back to the monitor. */
static void set_free(struct group *group, bool free)
{
	group->free = free;
	group->stops = 0;
	group->stops_since = event_clock();
	if (!free) {
		place(group, group->leader, group->cpu);
		return;
	}
	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);
		const struct task *task = &tuple->tasks[group->leader];

		if (task->state != TASK_ABSENT)
			sched_setaffinity(task->tracee.tid, sizeof(tuple->proc->affinity),
				&tuple->proc->affinity);
	}
}

/* Whether who waits for another version looks again and again, in every process of the group. */
static void set_spins(struct group *group, bool spins)
{
	const uint32_t count = spins ? cpus_pauses(SPIN_NS) : 0;

	for (int v = 0; group->ring && v < group->mxm->config.nversions; v++)
		ring_control(group->ring, v)->spins = count;
}

static void spread(struct group *group, unsigned cpu)
{
	group->spread = true;
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		if (group->followers & (1u << v))
			place(group, v, cpu);
	}
}

/* All versions back to where the monitor is. */
static void gather(struct group *group)
{
	group->spread = group->spread_for_talk = false;
	set_spins(group, false);
	for (int v = 0; v < group->mxm->config.nversions; v++)
		place(group, v, group->cpu);
}

void affinity_gather(struct group *group)
{
	if (group->free)
		set_free(group, false);
	if (group->spread)
		gather(group);
}

void affinity_stopped(struct group *group)
{
	if (++group->stops < TALKS || !group->free)
		return;
	if (event_clock() - group->stops_since < TALKS_NS) {
		set_free(group, false);
		return;
	}
	group->stops = 0;
	group->stops_since = event_clock();
}

bool affinity_is_due(const struct group *group)
{
	return !group->followers && !group->free && CPU_COUNT(&group->mxm->affinity) > 1;
}

static bool computes(const struct group *group, int version)
{
	const struct task *holder = group->baton[version];

	return holder && holder->state == TASK_RUNNING;
}

/* How long the followers' tasks were kept from the CPU, ever. */
static uint64_t delay_of_followers(const struct group *group)
{
	uint64_t delay = 0;

	list_for_each (at, &group->tuples) {
		const struct tuple *tuple = container_of(at, struct tuple, link);

		for (int v = 0; v < group->mxm->config.nversions; v++) {
			if ((group->followers & (1u << v)) && tuple->tasks[v].state != TASK_ABSENT)
				delay += cpus_delay(tuple->tasks[v].tracee.tid);
		}
	}
	return delay;
}

/* What has come about since the last look. */
struct look {
	uint64_t ns, events, calls, asks, naps, delay;
};

static struct look look_again(struct group *group)
{
	const struct agent_control *c = ring_control(group->ring, group->leader);
	struct look now = { .ns = event_clock(),
		.events = group->published,
		.calls = ring_calls(group->ring, group->leader),
		.asks = ring_asks(group),
		.naps = __atomic_load_n(&c->naps, __ATOMIC_RELAXED),
		.delay = group->spread ? delay_of_followers(group) : 0 };
	struct look since = { now.ns - group->look.ns, now.events - group->look.events,
		now.calls - group->look.calls, now.asks - group->look.asks,
		now.naps - group->look.naps, now.delay - group->look.delay };

	group->look.ns = now.ns;
	group->look.events = now.events;
	group->look.calls = now.calls;
	group->look.asks = now.asks;
	group->look.naps = now.naps;
	group->look.delay = now.delay;
	return since;
}

/* The CPU is not free after all, or versions that are apart have to wake each other. */
static void spread_in_vain(struct group *group)
{
	uint64_t *pause = &group->look.pause_ns;

	gather(group);
	*pause = *pause ? 2 * *pause : PAUSE_MIN_NS;
	if (*pause > PAUSE_MAX_NS)
		*pause = PAUSE_MAX_NS;
	group->look.not_before_ns = event_clock() + *pause;
}

/* Versions whose agents talk go to a CPU each while one is free, and come back when it is not. */
static void spread_talkers(struct group *group)
{
	const struct mxm *mxm = group->mxm;
	struct look since;
	int own, other;

	if (!group->ring || !group->ring->marks || event_clock() - group->look.ns < LOOK_NS)
		return;
	since = look_again(group);
	if (group->spread_for_talk) {
		if (since.delay > since.ns / 4 || since.naps > since.asks / 4 ||
			since.events > since.ns / TICK_NS * APART)
			spread_in_vain(group);
		else if (since.calls < TALKS_CALLS)
			gather(group); /* who talks seldom sleeps in between, and is woken */
		return;
	}
	own = cpus_nth(&mxm->affinity, group->cpu);
	other = cpus_idlest(&group->look.idle, &mxm->affinity, own);
	if (other < 0 || group->spread || since.ns > 4 * LOOK_NS || since.calls < TALKS_CALLS ||
		event_clock() < group->look.not_before_ns)
		return;
	spread(group, cpus_index(&mxm->affinity, other));
	group->spread_for_talk = true;
	group->look.delay = delay_of_followers(group);
	set_spins(group, mxm->config.sync == MXM_BARRIER);
}

void affinity_tick(struct group *group)
{
	/* At a barrier agents talk as well; on CPUs of their own they need no wake-up for it. */
	uint64_t asks = ring_asks(group);
	uint64_t events = group->published - group->published_at_tick;
	uint64_t asked = asks - group->asks_at_tick;

	group->published_at_tick = group->published;
	group->asks_at_tick = asks;
	if (CPU_COUNT(&group->mxm->affinity) < 2)
		return;
	if (affinity_is_due(group)) {
		if (group->stops <= COMPUTES)
			set_free(group, true);
		group->stops = 0;
		return;
	}
	spread_talkers(group);
	if (group->spread && !group->spread_for_talk && events + asked > APART)
		gather(group);
	else if (!group->spread && events + asked <= COMPUTES && computes(group, group->leader))
		spread(group, group->cpu + 1);
}
