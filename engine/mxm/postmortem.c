/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/postmortem.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "mxm/group.h"
#include "mxm/tsc.h"

struct postmortem {
	struct group *group;
	struct mxm_crash crash;
	struct tracee tracee; /* as it was in the crash */
	void *report;
	pthread_t thread;
	bool begun;
	bool done; /* set by the thread */
};

void postmortem_plan(struct task *task, const struct mxm_crash *crash, void *report)
{
	struct postmortem *p = xzalloc(sizeof(*p));

	(void)tracee_regs(&task->tracee);
	p->group = task->tuple->group;
	p->crash = *crash;
	p->tracee = task->tracee;
	p->crash.tracee = &p->tracee;
	p->report = report;
	task->postmortem = p;
}

static void tell(struct postmortem *p)
{
	const struct mxm *mxm = p->group->mxm;

	mxm->ops->crash_told(mxm->ops_arg, p->report, &p->crash);
}

static void *run(void *arg)
{
	struct postmortem *p = arg;
	struct mxm *mxm = p->group->mxm;

	tsc_take_back();
	sched_setaffinity(0, sizeof(mxm->affinity), &mxm->affinity);
	tell(p);
	pthread_mutex_lock(&mxm->lock);
	__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
	group_poke(p->group);
	pthread_mutex_unlock(&mxm->lock);
	return NULL;
}

/* Words that only the tracer's own thread can read, one by one, are read by it. */
static bool is_readable_elsewhere(const struct task *task)
{
	return !task->tracee.mm->no_vm || !task->tracee.mm->no_fd;
}

bool postmortem_begin(struct task *task)
{
	struct postmortem *p = task->postmortem;

	if (!p || p->begun)
		return false;
	p->begun = is_readable_elsewhere(task) && pthread_create(&p->thread, NULL, run, p) == 0;
	if (p->begun)
		return true;
	tell(p);
	task->postmortem = NULL;
	free(p);
	return false;
}

bool postmortem_is_over(struct task *task)
{
	struct postmortem *p = task->postmortem;

	if (!p)
		return true;
	if (!p->begun || !__atomic_load_n(&p->done, __ATOMIC_ACQUIRE))
		return false;
	pthread_join(p->thread, NULL);
	task->postmortem = NULL;
	free(p);
	return true;
}

void postmortem_gone(struct task *task)
{
	struct postmortem *p = task->postmortem;

	if (!p)
		return;
	task->postmortem = NULL;
	if (p->begun)
		pthread_join(p->thread, NULL);
	else {
		p->crash.tracee = NULL;
		tell(p);
	}
	free(p);
}
