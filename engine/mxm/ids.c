/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/ids.h"

#include <unistd.h>

#include "base/xalloc.h"

/* Ended ids that are remembered, for waits and signals that name them late. */
#define DEAD_KEPT 1024

struct ids *ids_new(struct mxm *mxm, pid_t known)
{
	struct ids *ids = xzalloc(sizeof(*ids));

	ids->known = known;
	pthread_mutex_lock(&mxm->lock);
	list_append(&mxm->ids, &ids->link);
	pthread_mutex_unlock(&mxm->lock);
	return ids;
}

void ids_set(struct mxm *mxm, struct ids *ids, int version, pid_t real)
{
	pthread_mutex_lock(&mxm->lock);
	ids->real[version] = real;
	pthread_mutex_unlock(&mxm->lock);
}

void ids_end(struct mxm *mxm, struct ids *ids)
{
	pthread_mutex_lock(&mxm->lock);
	ids->dead = true;
	list_remove(&ids->link);
	list_append(&mxm->dead_ids, &ids->link);
	if (++mxm->ndead_ids > DEAD_KEPT) {
		struct ids *oldest = container_of(mxm->dead_ids.next, struct ids, link);

		list_remove(&oldest->link);
		free(oldest);
		mxm->ndead_ids--;
	}
	pthread_mutex_unlock(&mxm->lock);
}

void ids_free_all(struct mxm *mxm)
{
	struct list *lists[] = { &mxm->ids, &mxm->dead_ids };

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		list_for_each_safe (at, lists[i]) {
			list_remove(at);
			free(container_of(at, struct ids, link));
		}
	}
}

/* With the lock held. The newest first: a number can have been used before. */
static struct ids *find_known(struct mxm *mxm, pid_t known)
{
	struct list *lists[] = { &mxm->ids, &mxm->dead_ids };

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		for (struct list *at = lists[i]->prev; at != lists[i]; at = at->prev) {
			struct ids *ids = container_of(at, struct ids, link);

			if (ids->known == known)
				return ids;
		}
	}
	return NULL;
}

static pid_t translate(struct mxm *mxm, int version, pid_t id, bool to_real)
{
	struct list *lists[] = { &mxm->ids, &mxm->dead_ids };
	pid_t want = id < 0 ? -id : id, found = want;
	bool done = false;

	if (mxm->versions[version].identity || id == 0 || id == -1)
		return id;
	pthread_mutex_lock(&mxm->lock);
	for (unsigned i = 0; i < ARRAY_SIZE(lists) && !done; i++) {
		/* The newest first: a number can have been used before. */
		for (struct list *at = lists[i]->prev; at != lists[i]; at = at->prev) {
			struct ids *ids = container_of(at, struct ids, link);

			if (to_real ? ids->known != want
				    : ids->real[version] != want && ids->standin[version] != want)
				continue;
			found = to_real ? ids->real[version] : ids->known;
			done = true;
			break;
		}
	}
	pthread_mutex_unlock(&mxm->lock);
	return id < 0 ? -found : found;
}

pid_t ids_to_real(struct mxm *mxm, int version, pid_t known)
{
	return translate(mxm, version, known, true);
}

pid_t ids_to_known(struct mxm *mxm, int version, pid_t real)
{
	return translate(mxm, version, real, false);
}

/* No process has it (pid_max is 2^22 at most: proc(5)). */
#define PID_NONE (1 << 30)

void ids_forget_version(struct mxm *mxm, int version)
{
	struct list *lists[] = { &mxm->ids, &mxm->dead_ids };

	pthread_mutex_lock(&mxm->lock);
	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		list_for_each (at, lists[i]) {
			struct ids *ids = container_of(at, struct ids, link);

			ids->real[version] = PID_NONE;
			ids->standin[version] = 0;
		}
	}
	pthread_mutex_unlock(&mxm->lock);
}

void ids_set_standin(struct mxm *mxm, int version, pid_t known, pid_t standin)
{
	struct ids *ids;

	pthread_mutex_lock(&mxm->lock);
	ids = find_known(mxm, known);
	if (ids)
		ids->standin[version] = standin;
	pthread_mutex_unlock(&mxm->lock);
}

pid_t ids_to_waited(struct mxm *mxm, int version, pid_t known)
{
	const struct ids *ids;
	pid_t standin;

	if (mxm->versions[version].identity || known <= 0)
		return ids_to_real(mxm, version, known);
	pthread_mutex_lock(&mxm->lock);
	ids = find_known(mxm, known);
	standin = ids ? ids->standin[version] : 0;
	pthread_mutex_unlock(&mxm->lock);
	return standin ? standin : ids_to_real(mxm, version, known);
}

bool ids_is_pid(pid_t real)
{
	return real != PID_NONE;
}

void ids_expect_kill(struct mxm *mxm, pid_t known)
{
	pthread_mutex_lock(&mxm->lock);
	list_for_each (at, &mxm->ids) {
		struct ids *ids = container_of(at, struct ids, link);

		if (ids->known == known)
			ids->kill_expected = true;
	}
	pthread_mutex_unlock(&mxm->lock);
}

void ids_expect_kill_of_group(struct mxm *mxm, int version, pid_t known)
{
	pid_t group = known ? ids_to_real(mxm, version, known) : 0;

	pthread_mutex_lock(&mxm->lock);
	list_for_each (at, &mxm->ids) {
		struct ids *ids = container_of(at, struct ids, link);

		if (!group || getpgid(ids->real[version]) == group)
			ids->kill_expected = true;
	}
	pthread_mutex_unlock(&mxm->lock);
}

bool ids_is_own(struct mxm *mxm, int version, pid_t real)
{
	bool own = false;

	pthread_mutex_lock(&mxm->lock);
	list_for_each (at, &mxm->ids)
		own |= container_of(at, struct ids, link)->real[version] == real;
	pthread_mutex_unlock(&mxm->lock);
	return own;
}
