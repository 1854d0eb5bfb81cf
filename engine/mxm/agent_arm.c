/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/agent_arm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/agent_table.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/install.h"
#include "mxm/late.h"
#include "mxm/patch.h"
#include "mxm/ring.h"
#include "mxm/vdso.h"

/* Has every version of the process its agent? */
bool agent_is_complete(const struct group *group, const struct proc *proc)
{
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		if ((v == group->leader || (group->followers & (1u << v))) && !proc->agents[v])
			return false;
	}
	return true;
}

/* A remote call of a task that may stand at a call's entry. */
static int remote(struct task *task, long *ret, long nr, uint64_t a, uint64_t b, uint64_t c,
	uint64_t d, uint64_t e, uint64_t f)
{
	int rc = tracee_remote(&task->tracee, task->at_entry_stop, ret, nr, a, b, c, d, e, f);

	task->at_entry_stop = false;
	return rc;
}

/* What is the process's own, in one piece; the control pages come to stand in the middle of it. */
static int map_own(struct task *task)
{
	/* A forked process has what its parent had. */
	int fixed = task->tuple->proc->agent_below[task->version] ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	long r;
	int rc = remote(task, &r, SYS_mmap, AGENT_CODE,
		AGENT_SLOTS + AGENT_NSLOTS * AGENT_SLOT_SIZE - AGENT_CODE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | fixed, (uint64_t)-1, 0);

	return rc < 0 ? rc : r != AGENT_CODE ? -EEXIST : 0;
}

static int fill_code(struct task *task)
{
	const size_t image = agent_image_end - agent_image;
	struct agent_table table;
	long r;
	int rc;

	agent_table_build(&table, task->tuple->group->mxm);
	rc = tracee_write(&task->tracee, raddr(AGENT_CODE), agent_image, image);
	if (rc == 0)
		rc = tracee_write(&task->tracee, raddr(AGENT_TABLE), &table, sizeof(table));
	if (rc == 0)
		rc = remote(task, &r, SYS_mprotect, AGENT_CODE, AGENT_CONTROL - AGENT_CODE,
			PROT_READ | PROT_EXEC, 0, 0, 0);
	return rc < 0 ? rc : (int)r;
}

static struct agent_batched mmap_of(
	uint64_t at, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
	return (struct agent_batched){ SYS_mmap,
		{ at, len, (uint64_t)prot, (uint64_t)flags, (uint64_t)fd, offset } };
}

/* The control pages and the ring. Only the leader may write to the ring, each to its own page. */
static int map_ring(struct task *task, int fd)
{
	const struct agent_header *header = (const struct agent_header *)agent_image;
	const uint64_t control = AGENT_VERSIONS * 4096ul;
	const int ring = PROT_READ | (task_follows(task) ? 0 : PROT_WRITE);
	const int fixed =
		task->tuple->proc->agent_below[task->version] ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	struct agent_batched calls[] = {
		mmap_of(AGENT_CONTROL, control, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0),
		{ SYS_mprotect,
			{ AGENT_CONTROL + task->version * 4096ul, 4096, PROT_READ | PROT_WRITE } },
		mmap_of(AGENT_RING, AGENT_RING_SIZE, ring, MAP_SHARED | fixed, fd, control),
		mmap_of(AGENT_RING + AGENT_RING_SIZE, AGENT_RING_SIZE, ring, MAP_SHARED | fixed, fd,
			control),
		{ SYS_close, { (uint64_t)fd } },
	};
	const uint64_t right[] = { AGENT_CONTROL, 0, AGENT_RING, AGENT_RING + AGENT_RING_SIZE, 0 };
	int rc = tracee_remote_batch(
		&task->tracee, task->at_entry_stop, header->batch, calls, ARRAY_SIZE(calls));

	task->at_entry_stop = false;
	for (unsigned i = 0; i < ARRAY_SIZE(calls) && rc == 0; i++) {
		if (calls[i].nr != right[i])
			rc = (int64_t)calls[i].nr < 0 ? (int)calls[i].nr : -EEXIST;
	}
	return rc;
}

static int protect(struct tracee *t, uint64_t at, uint64_t len, int prot)
{
	long r;
	int rc = tracee_remote(t, false, &r, SYS_mprotect, at, len, prot, 0, 0, 0);

	return rc < 0 ? rc : (int)r;
}

int agent_protect_ring(struct tracee *t, int version, bool leads)
{
	int rc = protect(t, AGENT_CONTROL, AGENT_VERSIONS * 4096ul, PROT_READ);

	if (rc == 0)
		rc = protect(t, AGENT_CONTROL + version * 4096ul, 4096, PROT_READ | PROT_WRITE);
	return rc < 0 ? rc
		      : protect(t, AGENT_RING, 2ul * AGENT_RING_SIZE,
				PROT_READ | (leads ? PROT_WRITE : 0));
}

static int map_all(struct task *task)
{
	struct group *group = task->tuple->group;
	struct agent_process process = { 0 };
	int there, rc;

	memcpy(process.private_fds, task->tuple->proc->private_fds[task->version],
		sizeof(process.private_fds));
	process.late.may = late_is_possible(task);
	process.identity = group->mxm->versions[task->version].identity;
	vdso_functions(
		task->tracee.tid, &process.clock_gettime, &process.gettimeofday, &process.time);
	rc = map_own(task);
	if (rc == 0)
		rc = fill_code(task);
	if (rc == 0)
		rc = tracee_write(&task->tracee, raddr(AGENT_PROCESS), &process, sizeof(process));
	if (rc == 0)
		rc = install_send(task, group->ring->fd, &there);
	return rc < 0 ? rc : map_ring(task, there);
}

/* Writes into the agent's pages; one that vanished will be seen by the loop. */
bool agent_tell(struct task *task, uint64_t at, const void *data, size_t len)
{
	return tracee_write(&task->tracee, raddr(at), data, len) == 0;
}

/* Tells the leader's agent of @set what the followers' data is like. */
void agent_tell_plain(struct task *leader, int set)
{
	struct group *group = leader->tuple->group;
	struct proc *proc = leader->tuple->proc;
	uint64_t at = AGENT_PROCESS + offsetof(struct agent_process, plain_epolls) + set / 64 * 8ul;
	uint64_t word, bit = 1ul << (set % 64);
	bool plain = fds_epoll_is_plain(
		group->mxm, proc->fds, set, group->followers | 1u << group->leader);

	if (tracee_read(&leader->tracee, raddr(at), &word, sizeof(word)) < 0)
		return;
	word = plain ? word | bit : word & ~bit;
	agent_tell(leader, at, &word, sizeof(word));
}

/* All sets of the process, as they are now. */
void agent_tell_all_plain(struct group *group, struct proc *proc)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);
		struct task *leader = &tuple->tasks[group->leader];

		if (tuple->proc != proc || leader->state == TASK_ABSENT)
			continue;
		for (int fd = 0; fd < proc->fds->nslots && fd < 1024; fd++) {
			if (proc->fds->slots[fd].ofd && proc->fds->slots[fd].ofd->is_epoll)
				agent_tell_plain(leader, fd);
		}
		return;
	}
}

void agent_begin(struct group *group, struct proc *proc)
{
	struct ring *ring = group->ring;

	for (int v = 0; v < AGENT_VERSIONS; v++) {
		struct agent_control *c = ring_control(ring, v);

		c->followers = group->followers;
		c->awaited = group->followers & ~group->laggards;
		c->read = ring_control(ring, group->leader)->head;
	}
	ring->live = 0;
	ring->marks = group->followers != 0;
	agent_tell_all_plain(group, proc);
}

void agent_arm(struct task *task)
{
	struct group *group = task->tuple->group;
	struct proc *proc = task->tuple->proc;
	struct mxm *mxm = group->mxm;
	struct err err = { 0 };
	int rc = group->ring ? 0 : ring_new(&group->ring, &err);

	if (rc == 0)
		rc = map_all(task);
	if (rc < 0) {
		proc->no_agent = true;
		if (rc != -ESRCH)
			mxm->ops->note(mxm->ops_arg, "no-agent", task->version,
				task->tuple->ids->known, err.text[0] ? err.text : strerror(-rc));
	} else {
		proc->agents[task->version] = xzalloc(sizeof(struct agent));
		proc->agents[task->version]->writes = !task_follows(task);
		/* A stub that it has from its parent leads to its own agent now. */
		proc->agents[task->version]->patches = proc->inherited[task->version]
							       ? proc->inherited[task->version]
							       : patches_new();
		proc->inherited[task->version] = NULL;
		proc->agent_below[task->version] = true;
		if (agent_is_complete(group, proc) && !group->ring->marks)
			agent_begin(group, proc);
		else
			agent_tell_all_plain(group, proc);
	}
	tracee_retry_call(&task->tracee, task->call.issued);
	task_resume(task, RESUME_RUN, 0);
}
