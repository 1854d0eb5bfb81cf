/* SPDX-License-Identifier: Apache-2.0 */
/* A run from outside: start, end, the ticker. */
#include "mxm/spins.h"
#include "mxm/mxm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "base/near.h"
#include "base/xalloc.h"
#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/ids.h"
#include "mxm/launch.h"
#include "mxm/ring.h"
#include "mxm/rejoin.h"
#include "mxm/scripts.h"
#include "mxm/shadows.h"
#include "mxm/tsc.h"

#define TICK_NS 10000000l
/* While a version is to come back, or has not caught up. */
#define TICK_FAST_NS 1000000l
#define CHILDREN_MAX (1u << 20)
#define GROUP_AGE_NS 2000000000ul

/* Breaks a monitor's wait: see tracee_wait(). */
static void on_poke(int sig)
{
}

static bool wants_poke(const struct group *group)
{
	return group->started && !group->over &&
	       (group->poked || __atomic_load_n(&group->wants_ticks, __ATOMIC_SEQ_CST));
}

static bool any_wants_poke(struct mxm *mxm)
{
	list_for_each (at, &mxm->groups) {
		if (wants_poke(container_of(at, struct group, link)))
			return true;
	}
	return false;
}

/* Between two ticks; with the lock. */
static void rest(struct mxm *mxm)
{
	struct timespec until;
	long ns = TICK_NS;

	list_for_each (at, &mxm->groups) {
		const struct group *group = container_of(at, struct group, link);

		if (rejoin_is_due(group) || __atomic_load_n(&group->laggards, __ATOMIC_RELAXED))
			ns = TICK_FAST_NS;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += until.tv_nsec;
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_cond_clockwait(&mxm->hurry, &mxm->lock, CLOCK_MONOTONIC, &until);
}

/*
 * Pokes the monitors that asked for it, until they have looked: a signal that comes just before
 * waitpid(2) is lost, the next one is not.
 */
static void *ticker(void *arg)
{
	struct mxm *mxm = arg;

	/* What fails here fails for the thread that launches, which says so. */
	if (mxm->config.drop_chroot)
		(void)mxm->config.drop_chroot();
	pthread_mutex_lock(&mxm->lock);
	while (mxm->ticking) {
		/* Said before it looks: a monitor that asks after the look finds it said. */
		__atomic_store_n(&mxm->ticker_sleeps, true, __ATOMIC_SEQ_CST);
		if (!any_wants_poke(mxm)) {
			pthread_cond_wait(&mxm->changed, &mxm->lock);
			continue;
		}
		__atomic_store_n(&mxm->ticker_sleeps, false, __ATOMIC_SEQ_CST);
		list_for_each (at, &mxm->groups) {
			struct group *group = container_of(at, struct group, link);

			if (wants_poke(group))
				pthread_kill(group->thread, SIGRTMIN);
		}
		rest(mxm);
	}
	pthread_mutex_unlock(&mxm->lock);
	return NULL;
}

static int start_ticker(struct mxm *mxm, struct err *err)
{
	struct sigaction sa = { .sa_handler = on_poke };
	int rc;

	sigaction(SIGRTMIN, &sa, NULL);
	tsc_init();
	mxm->ticking = true;
	rc = near_thread(&mxm->ticker, ticker, mxm);
	if (rc) {
		mxm->ticking = false;
		return err_errno(err, rc, "cannot start a thread");
	}
	return 0;
}

int mxm_start(const struct mxm_config *config, const struct mxm_ops *ops, void *arg,
	struct mxm **ret_mxm, struct err *err)
{
	struct mxm *mxm = xzalloc(sizeof(*mxm));
	struct group *group;
	int rc;

	mxm->config = *config;
	mxm->ops = ops;
	mxm->ops_arg = arg;
	mxm->leader = config->leader;
	mxm->no_getfd = config->lock_memory_ways;
	pthread_mutex_init(&mxm->lock, NULL);
	pthread_cond_init(&mxm->changed, NULL);
	pthread_cond_init(&mxm->hurry, NULL);
	pthread_cond_init(&mxm->ended, NULL);
	list_init(&mxm->groups);
	list_init(&mxm->shadows);
	list_init(&mxm->ids);
	list_init(&mxm->dead_ids);
	list_init(&mxm->dead_tuples);
	sched_getaffinity(0, sizeof(mxm->affinity), &mxm->affinity);
	mxm->next_cpu = cpus_index(&mxm->affinity, sched_getcpu());
	mxm->for_good = config->nversions == 1;
	for (int v = 0; v < config->nversions; v++) {
		struct version *version = &mxm->versions[v];

		version->index = v;
		version->name = config->versions[v].name;
		version->alive = true;
		version->identity = v == config->leader;
		version->listener = -1;
		pthread_mutex_init(&version->install_lock, NULL);
		mxm->has_roots |= config->versions[v].root != NULL;
	}
	mxm->scripts = scripts_find(config);
	mxm->scripts_differ = scripts_differ(config);
	group = group_new(
		mxm, config->leader, ((1u << config->nversions) - 1) & ~(1u << config->leader));
	rc = start_ticker(mxm, err);
	if (rc == 0)
		rc = launch(mxm, group, err);
	if (rc < 0) {
		mxm_free(mxm);
		return rc;
	}
	*ret_mxm = mxm;
	return 0;
}

/* Has @pid ended, and does no monitor trace it (any more)? */
static bool is_left_over(pid_t pid)
{
	cleanup_str struct str text = STR_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return io_read_file(path, 65536, &text, NULL) == 0 &&
	       strstr(str_text(&text), "\nState:\tZ") &&
	       strstr(str_text(&text), "\nTracerPid:\t0\n");
}

/*
 * Orphans come to the engine's main thread, since the engine is their sub-reaper or their init.
 * They are waited for one by one: a wait for any child would also take the stops of those that a
 * monitor traces, the tracer being in the same process as the parent (kernel/exit.c,
 * wait_consider_task()). No SIGCHLD is listened to: one comes at every stop.
 */
static void reap_orphans(void)
{
	cleanup_str struct str text = STR_INIT;
	char path[64], *at, *end;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	if (io_read_file(path, CHILDREN_MAX, &text, NULL) < 0 || !text.len)
		return;
	for (at = text.data;; at = end) {
		pid_t pid = (pid_t)strtol(at, &end, 10);

		if (end == at)
			return;
		if (is_left_over(pid))
			(void)waitpid(pid, NULL, WNOHANG | __WALL | __WNOTHREAD);
	}
}

/*
 * A group that ended a while ago: no other monitor can be about to send something there. One that
 * never had a monitor keeps its tuples, which events may name.
 */
static struct group *take_old_group(struct mxm *mxm)
{
	uint64_t now = event_clock();

	list_for_each (at, &mxm->groups) {
		struct group *group = container_of(at, struct group, link);

		if (group->over && list_is_empty(&group->tuples) &&
			now - group->over_ns > GROUP_AGE_NS) {
			list_remove(at);
			return group;
		}
	}
	return NULL;
}

static void group_free(struct group *group)
{
	if (group->started)
		pthread_join(group->thread, NULL);
	spins_end(group);
	free(group->orphans);
	free(group);
}

static void reap_groups(struct mxm *mxm)
{
	struct group *group;

	while ((group = take_old_group(mxm))) {
		pthread_mutex_unlock(&mxm->lock);
		group_free(group);
		pthread_mutex_lock(&mxm->lock);
	}
}

void mxm_join(struct mxm *mxm)
{
	pthread_mutex_lock(&mxm->lock);
	while (mxm->ngroups) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		pthread_cond_timedwait(&mxm->ended, &mxm->lock, &until);
		reap_orphans();
		reap_groups(mxm);
	}
	pthread_mutex_unlock(&mxm->lock);
	reap_orphans();
}

void mxm_free(struct mxm *mxm)
{
	pthread_mutex_lock(&mxm->lock);
	mxm->ticking = false;
	pthread_cond_broadcast(&mxm->changed);
	pthread_mutex_unlock(&mxm->lock);
	pthread_join(mxm->ticker, NULL);
	list_for_each_safe (at, &mxm->groups) {
		struct group *group = container_of(at, struct group, link);

		list_remove(at);
		group_free(group);
	}
	for (int v = 0; v < mxm->config.nversions; v++) {
		if (mxm->versions[v].listener >= 0)
			close(mxm->versions[v].listener);
	}
	scripts_free(mxm->scripts);
	list_for_each_safe (at, &mxm->dead_tuples)
		free(container_of(at, struct tuple, link));
	ids_free_all(mxm);
	shadows_free(mxm);
	free(mxm);
}

/*
 * SIGNAL_UNKILLABLE in kernel/signal.c: a signal with its default action is dropped when it is
 * sent, unless it is blocked. SIGCONT has done its work by then.
 */
static bool is_ignored_by_pid_1(pid_t pid, int sig)
{
	if (sig == SIGCONT || sig == SIGKILL || sig == SIGSTOP)
		return false;
	return !(
		(thread_signals(pid, "SigCgt:") | thread_signals(pid, "SigBlk:")) >> (sig - 1) & 1);
}

void mxm_signal(struct mxm *mxm, int sig)
{
	pid_t root;

	pthread_mutex_lock(&mxm->lock);
	root = mxm->versions[mxm->leader].root_pid;
	pthread_mutex_unlock(&mxm->lock);
	if (root <= 0 || (mxm->config.as_pid_1 && is_ignored_by_pid_1(root, sig)))
		return;
	syscall(SYS_kill, root, sig);
}

uint64_t mxm_calls_by_ptrace(const struct mxm *mxm, int version, uint64_t nr)
{
	return nr < CALLS_COUNTED ? __atomic_load_n(&mxm->by_ptrace[version][nr], __ATOMIC_RELAXED)
				  : 0;
}

void mxm_stats(struct mxm *mxm, struct mxm_stats *ret_stats)
{
	pthread_mutex_lock(&mxm->lock);
	*ret_stats = mxm->stats;
	list_for_each (at, &mxm->groups) {
		struct ring *ring = container_of(at, struct group, link)->ring;

		for (int v = 0; ring && v < mxm->config.nversions; v++)
			ret_stats->agent_calls[v] += ring_calls(ring, v);
	}
	pthread_mutex_unlock(&mxm->lock);
}
