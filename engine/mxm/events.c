/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/events.h"

#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mxm/early.h"
#include "mxm/fds.h"
#include "mxm/pieces.h"
#include "mxm/remake.h"
#include "mxm/ring.h"
#include "mxm/shadows.h"

struct event *event_new(struct tuple *tuple, enum event_kind kind)
{
	struct event *event = xzalloc(sizeof(*event));

	event->kind = kind;
	event->tuple = tuple;
	list_init(&event->link);
	return event;
}

void event_free(struct event *event)
{
	if (!event)
		return;
	list_remove(&event->link);
	for (int i = 0; i < event->nfds; i++)
		close(event->fds[i].fd);
	for (int i = 0; i < event->nlate; i++)
		close(event->late[i].newfd.fd);
	for (int i = 0; i < event->nregs; i++) {
		if (event->regs[i])
			fds_epoll_put(event->tuple->group->mxm, event->regs[i]);
	}
	shadows_event_over(event->tuple->group->mxm, event);
	free(event->regs);
	free(event->fds);
	free(event->late);
	str_free(&event->in);
	str_free(&event->out);
	str_free(&event->extra);
	free(event);
}

/* Of those at the end; or the end. */
static struct list *first_patient(struct group *group)
{
	struct list *at = &group->ready;

	while (at->prev != &group->ready && container_of(at->prev, struct event, link)->patient)
		at = at->prev;
	return at;
}

bool event_is_due(const struct group *group)
{
	return !list_is_empty(&group->ready) &&
	       !(container_of(group->ready.next, struct event, link)->patient &&
		       remake_is_busy(group));
}

void event_ready(struct event *event)
{
	const struct tuple *tuple = event->tuple;
	struct group *group = tuple->group;

	/* One that has kept the baton over its call goes on with it. */
	if (group->baton[group->leader] == &tuple->tasks[group->leader])
		list_append(group->ready.next, &event->link);
	else
		list_append(event->patient ? &group->ready : first_patient(group), &event->link);
}

static size_t weight(const struct event *event)
{
	return sizeof(*event) + event->in.room + event->out.room;
}

void event_publish(struct event *event)
{
	struct group *group = event->tuple->group;
	struct mxm *mxm = group->mxm;

	list_remove(&event->link);
	event->seq = __atomic_add_fetch(&mxm->next_seq, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&mxm->stats.events, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(
		&mxm->stats.payload_bytes, event->in.len + event->out.len, __ATOMIC_RELAXED);
	event->pending = group->followers & ~event->tuple->parted;
	group->published++;
	for (int v = 0; event->tuple->parted && v < MXM_VERSIONS_MAX; v++) {
		if (event->tuple->parted & group->followers & (1u << v))
			pieces_keep(&event->tuple->tasks[v], event);
	}
	if (!event->pending) {
		event_free(event);
		return;
	}
	if (list_is_empty(&group->stream)) {
		for (int v = 0; v < MXM_VERSIONS_MAX; v++)
			group->consumed_ns[v] = event_clock();
	}
	if (group->ring && group->ring->marks)
		ring_mark(group, event);
	list_append(&group->stream, &event->link);
	event->tuple->unconsumed++;
	group->lag++;
	group->lag_bytes += weight(event);
}

void event_insert(struct event *event, int version)
{
	struct group *group = event->tuple->group;
	struct list *before = group->stream.next;

	while (before != &group->stream) {
		const struct event *other = container_of(before, struct event, link);

		if (other->span && other->at > event->at)
			break;
		before = before->next;
	}
	event->pending = 1u << version;
	/* A list's end is before its head: so is any place before the node that stands there. */
	list_append(before, &event->link);
	event->tuple->unconsumed++;
	group->lag++;
	group->lag_bytes += weight(event);
}

struct event *event_next(struct group *group, int version)
{
	list_for_each (at, &group->stream) {
		struct event *event = container_of(at, struct event, link);

		if (event->pending & (1u << version))
			return event;
	}
	return NULL;
}

bool event_waits(const struct tuple *tuple, int version)
{
	list_for_each (at, &tuple->group->stream) {
		struct event *event = container_of(at, struct event, link);

		if (event->tuple == tuple && (event->pending & (1u << version)))
			return true;
	}
	return ring_waits(tuple, version);
}

void event_consumed(struct event *event, int version)
{
	struct group *group = event->tuple->group;

	event->pending &= ~(1u << version);
	if ((event->aside & (1u << version)) && event->tuple->tasks[version].aside)
		event->tuple->tasks[version].aside--;
	event->tuple->tasks[version].looks = 0;
	early_settle(&event->tuple->tasks[version], event);
	ring_consumed(group, event, version);
	group->consumed_ns[version] = event_clock();
	if (event->pending)
		return;
	group->lag--;
	group->lag_bytes -= weight(event);
	event->tuple->unconsumed--;
	event_free(event);
}

void event_forget(struct group *group, struct tuple *tuple, int version)
{
	list_for_each_safe (at, &group->stream) {
		struct event *event = container_of(at, struct event, link);

		if ((event->pending & (1u << version)) && (!tuple || event->tuple == tuple))
			event_consumed(event, version);
	}
}

uint64_t event_clock(void)
{
	struct timespec ts;

	/* The coarse clock does not read the time stamp counter: tsc.h. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * 1000000000ul + ts.tv_nsec;
}
