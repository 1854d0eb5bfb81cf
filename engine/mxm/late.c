/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/late.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/wire.h"
#include "base/xalloc.h"
#include "mxm/events.h"
#include "mxm/fds.h"
#include "mxm/group.h"
#include "mxm/install.h"
#include "mxm/ring.h"

#define TABLE_AT (AGENT_PROCESS + offsetof(struct agent_process, late))

static bool has_table(const struct task *task)
{
	return task->state != TASK_ABSENT && task->tuple->proc->agents[task->version] &&
	       task->tuple->group->ring;
}

/* False: the process has none, or nothing is late. */
static bool read_table(const struct task *task, struct agent_late *ret)
{
	struct tracee *t = (struct tracee *)&task->tracee;

	return has_table(task) &&
	       tracee_read(t, raddr(TABLE_AT), ret, offsetof(struct agent_late, fds)) == 0 &&
	       ret->n && tracee_read(t, raddr(TABLE_AT), ret, sizeof(*ret)) == 0;
}

static uint64_t entry_of(const struct task *task, int fd)
{
	uint64_t entry = 0;

	if (fd < 0 || fd >= AGENT_LATE_FDS || !has_table(task) ||
		tracee_read((struct tracee *)&task->tracee,
			raddr(TABLE_AT + offsetof(struct agent_late, fds) + fd * 8ul), &entry,
			sizeof(entry)) < 0)
		return 0;
	return entry;
}

static void write_entry(struct task *task, int fd, uint64_t entry)
{
	struct agent_late table;

	if (fd < 0 || fd >= AGENT_LATE_FDS || !has_table(task) ||
		tracee_read(&task->tracee, raddr(TABLE_AT), &table, sizeof(table)) < 0)
		return;
	table.n += (entry != 0) - (table.fds[fd] != 0);
	table.fds[fd] = entry;
	/* -ESRCH: it vanished, which the loop will see. */
	(void)!tracee_write(&task->tracee, raddr(TABLE_AT), &table, sizeof(table));
}

/* How many are late in the group, as its agents say: whether it is worth a look. */
static uint32_t *count_of(struct group *group)
{
	return &ring_control(group->ring, group->leader)->late;
}

void late_forget(struct task *task)
{
	const struct agent_late none = { 0 };

	if (has_table(task))
		(void)!tracee_write(&task->tracee, raddr(TABLE_AT + sizeof(uint32_t)), &none.n,
			sizeof(none) - sizeof(uint32_t));
}

void late_forbid(struct task *task)
{
	const uint32_t may = 0;

	if (has_table(task))
		(void)!tracee_write(&task->tracee, raddr(TABLE_AT), &may, sizeof(may));
}

void late_stop(struct task *follower)
{
	struct tuple *tuple = follower->tuple;

	if (tuple->proc->no_late)
		return;
	tuple->proc->no_late = true;
	late_forbid(&tuple->tasks[tuple->group->leader]);
}

bool late_is_possible(const struct task *task)
{
	const struct proc *proc = task->tuple->proc;
	int copy;

	if (proc->fds->refs > 1 || proc->no_late)
		return false;
	list_for_each (at, &task->tuple->group->tuples) {
		const struct tuple *other = container_of(at, struct tuple, link);

		if (other != task->tuple && other->proc == proc)
			return false;
	}
	/* In its last stop it can be asked for nothing: what it has is taken, or lost. */
	copy = install_copy(task, 0);
	if (copy >= 0)
		close(copy);
	return copy >= 0 || copy == -EBADF;
}

static void add(struct event *event, const struct late_fd *late)
{
	event->late = xreallocarray(event->late, event->nlate + 1, sizeof(*event->late));
	event->late[event->nlate++] = *late;
}

static void is_lost(struct task *task, int fd)
{
	cleanup_str struct str text = STR_INIT;
	struct mxm *mxm = task->tuple->group->mxm;

	str_printf(&text, "descriptor %d, opened without a stop, cannot be copied", fd);
	mxm->ops->note(mxm->ops_arg, "replication-failed", task->version, task->tuple->ids->known,
		str_text(&text));
	for (int v = 0; v < mxm->config.nversions; v++) {
		if (v != task->version && mxm->versions[v].alive)
			drop_version(mxm, v);
	}
}

void late_settle(struct task *task, struct event *event)
{
	struct group *group = task->tuple->group;
	struct proc *proc = task->tuple->proc;
	struct agent_late table;
	unsigned n = 0;

	if (!group->ring || !__atomic_load_n(count_of(group), __ATOMIC_RELAXED) ||
		!read_table(task, &table))
		return;
	for (int fd = 0; fd < AGENT_LATE_FDS && n < AGENT_LATE_MAX; fd++) {
		bool cloexec = table.fds[fd] & AGENT_LATE_CLOEXEC;
		int copy;

		if (!table.fds[fd])
			continue;
		n++;
		fds_open(group->mxm, proc->fds, fd, cloexec);
		if (!event)
			continue;
		copy = install_copy(task, fd);
		if (copy >= 0)
			add(event, &(struct late_fd){ { fd, copy, cloexec }, table.fds[fd] });
		else if (copy != -ESRCH)
			is_lost(task, fd);
	}
	late_forget(task);
	__atomic_sub_fetch(count_of(group), n, __ATOMIC_RELAXED);
}

bool late_is_due(const struct event *event, int version)
{
	return event->nlate && !(event->late_given & (1u << version));
}

/* The task has them when its call is made again. */
static void put_before(struct task *task, const struct event *event, const struct newfd *fds, int n)
{
	bool runs;
	int rc = install_before(task, fds, n, &runs);

	if (rc < 0 && rc != -ESRCH) {
		drop_diverged(task, NULL, (struct event *)event, "descriptor");
		return;
	}
	baton_take(task);
	task->at_entry_stop = false;
	task_enter(task, TASK_RUNNING);
	if (rc == 0 && !runs)
		task_resume(task, RESUME_RUN, 0);
}

void late_give(struct task *task, struct event *event)
{
	const struct proc *proc = task->tuple->proc;
	cleanup_free struct newfd *fds = xreallocarray(NULL, event->nlate, sizeof(*fds));
	int n = 0;

	event->late_given |= 1u << task->version;
	for (int i = 0; i < event->nlate; i++) {
		int fd = event->late[i].newfd.num;

		write_entry(task, fd, 0);
		/* What the leader alone has a use for is not in the follower's way. */
		if (!proc->unshared_fds[task->version][fd])
			fds[n++] = event->late[i].newfd;
	}
	put_before(task, event, fds, n);
}

bool late_fetch(struct task *task, const struct event *event)
{
	const struct sys_row *row = task->call.row;
	struct newfd newfd = { .num = -1 };
	uint64_t entry = 0;

	for (int i = 0; i < row->nargs && !entry; i++) {
		if (row->args[i].kind == ARG_FD) {
			late_stop(task);
			newfd.num = (int)task->call.args[i];
			entry = entry_of(task, newfd.num);
		}
	}
	if (!entry)
		return false;
	newfd.cloexec = entry & AGENT_LATE_CLOEXEC;
	newfd.fd = late_copy(task, newfd.num);
	if (newfd.fd < 0) {
		drop_diverged(task, NULL, (struct event *)event, "descriptor");
		return true;
	}
	write_entry(task, newfd.num, 0);
	put_before(task, event, &newfd, 1);
	close(newfd.fd);
	return true;
}

void late_note(struct task *task, const struct event *event)
{
	const struct call *call = &event->call;

	if (!event->recorded)
		return;
	if (call->nr == SYS_close && event->result == 0)
		write_entry(task, (int)call->args[0], 0);
	if (call->nr == SYS_openat && event->result >= 0)
		write_entry(task, (int)event->result,
			agent_late_entry(event->at, call->args[2], event->of_file));
}

static const struct late_fd *find(const struct late_fd *fds, int n, uint64_t entry)
{
	for (int i = 0; i < n; i++) {
		if (fds[i].entry == entry)
			return &fds[i];
	}
	return NULL;
}

/* Takes @late, whose copy is @fd, over into what is kept. */
static void keep(struct proc *proc, struct newfd newfd, int fd, uint64_t entry)
{
	if (fd < 0)
		return;
	if (find(proc->kept, proc->nkept, entry)) {
		close(fd);
		return;
	}
	newfd.fd = fd;
	proc->kept = xreallocarray(proc->kept, proc->nkept + 1, sizeof(*proc->kept));
	proc->kept[proc->nkept++] = (struct late_fd){ newfd, entry };
}

static void keep_of_event(struct proc *proc, const struct event *event)
{
	for (int i = 0; event && i < event->nlate; i++) {
		const struct late_fd *late = &event->late[i];

		keep(proc, late->newfd, fcntl(late->newfd.fd, F_DUPFD_CLOEXEC, 0), late->entry);
	}
}

void late_keep(struct task *task)
{
	struct proc *proc = task->tuple->proc;
	struct agent_late table;

	if (task_follows(task) || !task->tuple->group->followers)
		return;
	/* An event that was not made is forgotten. */
	keep_of_event(proc, task->event);
	if (!read_table(task, &table))
		return;
	for (int fd = 0; fd < AGENT_LATE_FDS && proc->nkept < 2 * AGENT_LATE_MAX; fd++) {
		const bool cloexec = table.fds[fd] & AGENT_LATE_CLOEXEC;

		if (table.fds[fd])
			keep(proc, (struct newfd){ fd, -1, cloexec }, install_copy(task, fd),
				table.fds[fd]);
	}
}

bool late_is_left(struct task *task)
{
	struct agent_late table;

	return task->tuple->proc->nkept || read_table(task, &table);
}

int late_take_over(struct task *task)
{
	struct proc *proc = task->tuple->proc;
	struct agent_late table;
	int rc = 0;

	if (read_table(task, &table)) {
		for (int fd = 0; fd < AGENT_LATE_FDS && rc == 0; fd++) {
			const struct late_fd *kept;

			if (!table.fds[fd])
				continue;
			kept = find(proc->kept, proc->nkept, table.fds[fd]);
			rc = kept && kept->newfd.num == fd ? install_put(task, &kept->newfd)
							   : -EAGAIN;
			if (rc == 0)
				fds_open(task->tuple->group->mxm, proc->fds, fd,
					kept->newfd.cloexec);
		}
		late_forget(task);
	}
	if (task->tuple->group->ring)
		*count_of(task->tuple->group) = 0;
	late_free(proc);
	return rc;
}

/* The events that @follower was to have, in which there can be something for its process. */
static void each_event(
	const struct task *follower, void (*fn)(void *arg, const struct event *), void *arg)
{
	struct group *group = follower->tuple->group;

	list_for_each (at, &group->stream) {
		const struct event *event = container_of(at, struct event, link);

		if (event->tuple->proc == follower->tuple->proc &&
			(event->pending & (1u << follower->version)) &&
			late_is_due(event, follower->version))
			fn(arg, event);
	}
	/* Not made, or not its turn yet. */
	if (follower->tuple->tasks[group->leader].event)
		fn(arg, follower->tuple->tasks[group->leader].event);
}

static void note_there(void *arg, const struct event *event)
{
	struct agent_late *table = arg;

	for (int i = 0; i < event->nlate; i++)
		table->fds[event->late[i].newfd.num] = event->late[i].entry;
}

bool late_is_there(struct task *follower)
{
	struct group *group = follower->tuple->group;
	struct agent_late own, settled = { 0 }, leaders = { 0 };

	if (!read_table(follower, &own))
		return true;
	each_event(follower, note_there, &settled);
	if (!read_table(&follower->tuple->tasks[group->leader], &leaders))
		leaders = (struct agent_late){ 0 };
	for (int fd = 0; fd < AGENT_LATE_FDS; fd++) {
		if (own.fds[fd] && own.fds[fd] != leaders.fds[fd] && own.fds[fd] != settled.fds[fd])
			return false;
	}
	return true;
}

static void keep_event(void *arg, const struct event *event)
{
	keep_of_event(arg, event);
}

void late_part_ways(struct task *follower)
{
	each_event(follower, keep_event, follower->tuple->proc);
}

bool late_is(const struct task *task, int fd)
{
	return entry_of(task, fd) != 0;
}

bool late_is_file(const struct task *task, int fd)
{
	return entry_of(task, fd) & AGENT_LATE_FILE;
}

struct wanted_copy {
	uint64_t entry;
	int fd;
};

/* It is the engine's already, and goes to the follower with the event. */
static void copy_settled(void *arg, const struct event *event)
{
	struct wanted_copy *wanted = arg;
	const struct late_fd *late = find(event->late, event->nlate, wanted->entry);

	if (late && wanted->fd < 0)
		wanted->fd = fcntl(late->newfd.fd, F_DUPFD_CLOEXEC, 0);
}

int late_copy(const struct task *task, int fd)
{
	const struct task *leader = &task->tuple->tasks[task->tuple->group->leader];
	uint64_t entry = task_follows(task) ? entry_of(task, fd) : 0;
	struct wanted_copy settled = { .entry = entry, .fd = -1 };
	int copy;

	if (entry)
		each_event(task, copy_settled, &settled);
	if (settled.fd >= 0)
		return settled.fd;
	if (!entry || entry_of(leader, fd) != entry)
		return -EBADF;
	copy = install_copy(leader, fd);
	/* It runs: the number may be another file's by now. */
	if (copy >= 0 && entry_of(leader, fd) != entry) {
		close(copy);
		return -EBADF;
	}
	return copy;
}

void late_free(struct proc *proc)
{
	for (int i = 0; i < proc->nkept; i++)
		close(proc->kept[i].newfd.fd);
	free(proc->kept);
	proc->kept = NULL;
	proc->nkept = 0;
}
