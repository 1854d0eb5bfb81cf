/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/ring.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mxm/events.h"
#include "mxm/group.h"
#include "mxm/pieces.h"

#define CONTROL_SIZE (AGENT_VERSIONS * 4096ul)

/* How many records are made events for who looks ahead. */
#define UNROLLED 256

int ring_new(struct ring **ret_ring, struct err *err)
{
	const size_t size = CONTROL_SIZE + AGENT_RING_SIZE;
	cleanup_close int fd = memfd_create("mx-ring", MFD_CLOEXEC);
	struct ring *ring;
	uint8_t *pages;

	if (fd < 0)
		return err_errno(err, errno, "memfd_create");
	if (ftruncate(fd, (off_t)size) < 0)
		return err_errno(err, errno, "no memory for a ring");
	/* The ring twice in a row, so that no item wraps. */
	pages = mmap(NULL, size + AGENT_RING_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED ||
		mmap(pages, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
			MAP_FAILED ||
		mmap(pages + size, AGENT_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			fd, CONTROL_SIZE) == MAP_FAILED)
		return err_errno(err, errno, "mmap of a ring");
	ring = xzalloc(sizeof(*ring));
	ring->fd = take_fd(&fd);
	ring->pages = pages;
	*ret_ring = ring;
	return 0;
}

struct agent_control *ring_control(struct ring *ring, int version)
{
	return (struct agent_control *)(ring->pages + version * 4096ul);
}

uint64_t ring_calls(struct ring *ring, int version)
{
	return __atomic_load_n(&ring_control(ring, version)->calls, __ATOMIC_RELAXED);
}

void ring_end(struct group *group)
{
	struct ring *ring = group->ring;

	if (!ring)
		return;
	for (int v = 0; v < group->mxm->config.nversions; v++)
		__atomic_add_fetch(
			&group->mxm->stats.agent_calls[v], ring_calls(ring, v), __ATOMIC_RELAXED);
	group->ring = NULL;
	munmap(ring->pages, CONTROL_SIZE + 2ul * AGENT_RING_SIZE);
	close(ring->fd);
	free(ring);
}

static uint8_t *item_at(struct ring *ring, uint64_t position)
{
	return ring->pages + CONTROL_SIZE + position % AGENT_RING_SIZE;
}

const struct agent_record *ring_record(struct ring *ring, uint64_t at)
{
	return (const struct agent_record *)item_at(ring, at);
}

static uint64_t head_of(struct group *group)
{
	return __atomic_load_n(&ring_control(group->ring, group->leader)->head, __ATOMIC_ACQUIRE);
}

static uint64_t read_of(struct group *group, int version)
{
	return __atomic_load_n(&ring_control(group->ring, version)->read, __ATOMIC_ACQUIRE);
}

static void advance(struct group *group, int version, uint64_t by)
{
	struct agent_control *c = ring_control(group->ring, version);

	__atomic_store_n(&c->read, read_of(group, version) + by, __ATOMIC_RELEASE);
	group->ring->live |= 1u << version;
}

void ring_mark(struct group *group, struct event *event)
{
	struct agent_control *c = ring_control(group->ring, group->leader);
	struct agent_item *item = (struct agent_item *)item_at(group->ring, c->head);

	*item = (struct agent_item){
		.size = sizeof(*item), .kind = AGENT_MARK, .tuple = event->tuple->id
	};
	event->at = c->head;
	event->span = sizeof(*item);
	__atomic_store_n(&c->head, c->head + sizeof(*item), __ATOMIC_SEQ_CST);
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		if (group->followers & (1u << v))
			ring_wake(group, v);
	}
}

void ring_consumed(struct group *group, struct event *event, int version)
{
	struct agent_item *item;

	if (!group->ring || !event->span)
		return;
	if (read_of(group, version) == event->at) {
		advance(group, version, event->span);
	} else if (event->recorded && read_of(group, version) < event->at) {
		item = (struct agent_item *)item_at(group->ring, event->at);
		item->kind |= AGENT_TAKEN(version);
	}
}

bool ring_is_drained(struct group *group, int version)
{
	return !group->ring || !group->ring->marks || read_of(group, version) == head_of(group);
}

uint64_t ring_lag(struct group *group, int version)
{
	return ring_is_drained(group, version) ? 0 : head_of(group) - read_of(group, version);
}

uint64_t ring_taken(struct group *group, int version)
{
	return group->ring ? read_of(group, version) : 0;
}

bool ring_waits(const struct tuple *tuple, int version)
{
	struct group *group = tuple->group;
	uint64_t at, head;

	if (!group->ring || !group->ring->marks)
		return false;
	head = head_of(group);
	for (at = read_of(group, version); at != head;) {
		const struct agent_item *item = (void *)item_at(group->ring, at);
		size_t size = item->size;

		/* What is damaged is found out by who takes it. */
		if (head - at > AGENT_RING_SIZE || size > head - at || size % 16 ||
			size < sizeof(*item))
			return true;
		if (item->tuple == tuple->id && !(item->kind & AGENT_TAKEN(version)))
			return true;
		at += size;
	}
	return false;
}

static void wake(void *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void ring_wake(struct group *group, int version)
{
	struct agent_control *c = ring_control(group->ring, version);
	struct agent_control *leader = ring_control(group->ring, group->leader);

	if (!__atomic_load_n(&c->waiting, __ATOMIC_SEQ_CST))
		return;
	if (version != group->leader) {
		__atomic_add_fetch(&leader->turn, 1, __ATOMIC_SEQ_CST);
		wake(&leader->turn);
		return;
	}
	__atomic_add_fetch(&c->wake, 1, __ATOMIC_SEQ_CST);
	wake(&c->wake);
	/* At a barrier: one that goes to sleep just now looks again by itself after its nap. */
	for (int v = 0; v < group->mxm->config.nversions; v++) {
		if (group->followers & (1u << v))
			wake(&ring_control(group->ring, v)->vetted);
	}
}

void ring_forsake(struct group *group, int version)
{
	uint64_t *vetted;

	if (!group->ring)
		return;
	/* Of no call: a leader that is about to sleep on it does not. */
	vetted = &ring_control(group->ring, version)->vetted;
	__atomic_store_n(vetted, ~0ul, __ATOMIC_SEQ_CST);
	wake(vetted);
}

uint64_t ring_asks(struct group *group)
{
	return group->ring ? __atomic_load_n(&ring_control(group->ring, group->leader)->asks,
				     __ATOMIC_RELAXED)
			   : 0;
}

bool ring_progress(struct group *group, int version)
{
	uint64_t now, before;

	if (!group->ring)
		return false;
	now = read_of(group, version);
	before = group->ring->read_at_tick[version];
	group->ring->read_at_tick[version] = now;
	return now != before;
}

static struct tuple *tuple_of(struct group *group, uint64_t id)
{
	list_for_each (at, &group->tuples) {
		struct tuple *tuple = container_of(at, struct tuple, link);

		if (tuple->id == id)
			return tuple;
	}
	return NULL;
}

/* The record at @at as an event for @version alone. NULL: it is none. */
static struct event *make_event(struct group *group, int version, uint64_t at,
	const struct agent_record *record, size_t size)
{
	const char *in = (const char *)(record + 1);
	const size_t room = size - sizeof(*record);
	uint32_t in_len = record->in_len, out_len = record->out_len;
	struct tuple *tuple = tuple_of(group, record->item.tuple);
	struct event *event;

	if (!tuple || in_len > room || out_len > room - in_len || record->item.nr >= AGENT_CALLS)
		return NULL;
	event = event_new(tuple, EVENT_CALL);
	event->call.nr = event->call.issued = record->item.nr;
	memcpy(event->call.args, record->args, sizeof(record->args));
	event->call.row = sys_resolve(event->call.nr, event->call.args);
	event->result = record->result;
	if (event->call.nr == SYS_lseek && (int64_t)record->args[5] > 0)
		event->value = record->args[5]; /* as positions_note() has it */
	event->executed = true;
	str_append(&event->in, in, in_len);
	if (event->call.row && event->call.row->special == SPECIAL_EPOLL && event->result > 0) {
		if (out_len != (uint64_t)event->result * 12) {
			event_free(event);
			return NULL;
		}
		str_append(&event->extra, in + in_len, out_len);
		event->nregs = (int)event->result;
		event->regs = xzalloc(event->nregs * sizeof(struct epoll_reg *));
	} else {
		str_append(&event->out, in + in_len, out_len);
	}
	event->at = at;
	event->span = (uint32_t)size;
	event->recorded = true;
	event->of_file = record->item.kind & AGENT_OF_FILE;
	event_insert(event, version);
	return event;
}

/* The leader has written what cannot be: it is let go, as if it had crashed. */
static void is_damaged(struct group *group, int version)
{
	struct mxm *mxm = group->mxm;

	mxm->ops->note(mxm->ops_arg, "ring-damaged", group->leader, 0,
		"the leader's process has written over the ring");
	if (mxm->versions[group->leader].alive)
		drop_version(mxm, group->leader);
	/* Nor are its positions believed any more: the engine's own events are what is left. */
	group->ring->marks = false;
	advance(group, version, head_of(group) - read_of(group, version));
}

static struct event *recorded_at(struct group *group, int version, uint64_t at)
{
	list_for_each (p, &group->stream) {
		struct event *event = container_of(p, struct event, link);

		if (event->recorded && event->at == at && (event->pending & (1u << version)))
			return event;
	}
	return NULL;
}

/* What was made an event, and was then taken by the agent after all. */
static void forget_taken(struct group *group, int version, uint64_t read)
{
	list_for_each_safe (p, &group->stream) {
		struct event *event = container_of(p, struct event, link);

		if (event->recorded && event->at < read && (event->pending & (1u << version)))
			event_consumed(event, version);
	}
}

/* The follower's agent will not find the event in the ring: its task asks the engine meanwhile. */
static void put_aside(struct event *event, int version)
{
	if (event->aside & (1u << version))
		return;
	event->aside |= 1u << version;
	event->tuple->tasks[version].aside++;
}

/* Does a task wait for an event? */
static bool is_any_waiting(const struct group *group, int version)
{
	list_for_each (at, &group->tuples) {
		const struct task *task = &container_of(at, struct tuple, link)->tasks[version];

		if (task->state == TASK_ASKING || task->state == TASK_NEWBORN)
			return true;
	}
	return false;
}

/*
 * The record at the front of the ring, of a task that does not come to it before others have come
 * to what stands behind it: it leaves the ring, as an event like those of the engine.
 */
static bool record_aside(struct group *group, int version, const struct agent_record *record,
	bool (*skip)(const struct task *task))
{
	const uint64_t at = read_of(group, version);
	const size_t size = record->item.size;
	struct event *event = recorded_at(group, version, at);
	const struct tuple *tuple = event ? event->tuple : tuple_of(group, record->item.tuple);

	if (!tuple || !skip(&tuple->tasks[version]) || !is_any_waiting(group, version))
		return false;
	if (!event && size >= sizeof(*record))
		event = make_event(group, version, at, record, size);
	if (!event)
		return false;
	event->recorded = false;
	event->span = 0;
	put_aside(event, version);
	advance(group, version, size);
	return true;
}

/* The same of a mark: the event stays where it is. */
static void mark_aside(struct group *group, int version)
{
	const uint64_t at = read_of(group, version);

	list_for_each (p, &group->stream) {
		struct event *event = container_of(p, struct event, link);

		if (event->span && !event->recorded && event->at == at &&
			(event->pending & (1u << version)))
			put_aside(event, version);
	}
}

/*
 * Goes on in the ring up to the mark at @until (~0: none is waited for). Returns the event of a
 * record for which the follower asks by ptrace; *@ret_reached: the mark is the next item.
 */
static struct event *go_on_to(struct group *group, int version, uint64_t until,
	bool (*skip)(const struct task *task), bool *ret_reached)
{
	bool runs = group->baton[version] != NULL;

	*ret_reached = false;
	for (;;) {
		uint64_t read = read_of(group, version), there = head_of(group) - read;
		const struct agent_record *record = (void *)item_at(group->ring, read);
		const struct tuple *tuple;
		struct event *event;
		uint16_t kind;
		size_t size;

		if (read == until) {
			*ret_reached = true;
			return NULL;
		}
		if (!there)
			return NULL;
		size = record->item.size;
		if (there > AGENT_RING_SIZE || size > there || size % 16 ||
			size < sizeof(record->item)) {
			is_damaged(group, version);
			return NULL;
		}
		kind = record->item.kind;
		if ((kind & AGENT_KINDS) == AGENT_MARK || (kind & AGENT_TAKEN(version))) {
			/* Of an event that is passed over, or was taken out of its turn. */
			if (runs)
				return NULL;
			if ((kind & AGENT_KINDS) == AGENT_MARK)
				mark_aside(group, version);
			advance(group, version, size);
			continue;
		}
		if (runs)
			return NULL;
		if (record_aside(group, version, record, skip))
			continue;
		event = recorded_at(group, version, read);
		if (event)
			return event;
		tuple = tuple_of(group, record->item.tuple);
		if (tuple && (tuple->parted & (1u << version)) && size >= sizeof(*record)) {
			event = make_event(group, version, read, record, size);
			if (event) {
				pieces_keep(&event->tuple->tasks[version], event);
				event_consumed(event, version);
				continue;
			}
		}
		if (tuple && tuple->tasks[version].state != TASK_ASKING)
			return NULL;
		event = size < sizeof(*record) ? NULL
					       : make_event(group, version, read, record, size);
		if (!event)
			is_damaged(group, version);
		return event;
	}
}

void ring_unroll(struct group *group, int version)
{
	uint64_t at, head;

	if (!group->ring || !group->ring->marks)
		return;
	at = read_of(group, version);
	head = head_of(group);
	for (int n = 0; n < UNROLLED && at < head; n++) {
		const struct agent_record *record = ring_record(group->ring, at);
		size_t size = record->item.size;

		if (head - at > AGENT_RING_SIZE || size > head - at || size % 16 ||
			size < sizeof(record->item))
			return;
		if ((record->item.kind & ~AGENT_OF_FILE) == AGENT_RECORD &&
			size >= sizeof(*record) && !recorded_at(group, version, at) &&
			!make_event(group, version, at, record, size))
			return;
		at += size;
	}
}

struct event *ring_next(struct group *group, int version, bool (*skip)(const struct task *task))
{
	const bool has_ring = group->ring && group->ring->marks;
	struct event *found;
	bool reached;

	if (has_ring)
		forget_taken(group, version, read_of(group, version));
	list_for_each (p, &group->stream) {
		struct event *event = container_of(p, struct event, link);

		if (!(event->pending & (1u << version)) || skip(&event->tuple->tasks[version]))
			continue;
		if (!has_ring || !event->span || event->at < read_of(group, version))
			return event;
		found = go_on_to(group, version, event->at, skip, &reached);
		return reached ? event : found;
	}
	return has_ring ? go_on_to(group, version, ~0ul, skip, &reached) : NULL;
}
