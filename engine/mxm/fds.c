/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/fds.h"

#include <string.h>

#include "base/xalloc.h"

#define FD_LIMIT (1 << 20)

static struct ofd *ofd_new(void)
{
	struct ofd *ofd = xzalloc(sizeof(*ofd));

	ofd->refs = 1;
	list_init(&ofd->registrations);
	list_init(&ofd->members);
	return ofd;
}

static void reg_put(struct epoll_reg *reg)
{
	if (--reg->refs == 0)
		free(reg);
}

static void reg_delete(struct epoll_reg *reg)
{
	list_remove(&reg->of_set);
	list_remove(&reg->of_target);
	reg->set = reg->target = NULL;
	reg_put(reg);
}

static void ofd_put(struct ofd *ofd)
{
	if (!ofd || --ofd->refs)
		return;
	list_for_each_safe (at, &ofd->registrations)
		reg_delete(container_of(at, struct epoll_reg, of_target));
	list_for_each_safe (at, &ofd->members)
		reg_delete(container_of(at, struct epoll_reg, of_set));
	free(ofd);
}

struct fdtab *fds_new(void)
{
	struct fdtab *fds = xzalloc(sizeof(*fds));

	fds->refs = 1;
	return fds;
}

/* The slot of @fd, made where the descriptor was inherited and never spoken of. NULL: no such
 * number. */
static struct fdslot *slot(struct fdtab *fds, int fd)
{
	if (fd < 0 || fd >= FD_LIMIT)
		return NULL;
	if (fd >= fds->nslots) {
		int n = fds->nslots ? fds->nslots : 16;

		while (n <= fd)
			n *= 2;
		fds->slots = xreallocarray(fds->slots, n, sizeof(*fds->slots));
		memset(fds->slots + fds->nslots, 0, (n - fds->nslots) * sizeof(*fds->slots));
		fds->nslots = n;
	}
	return &fds->slots[fd];
}

static struct ofd *ofd_of(struct fdtab *fds, int fd)
{
	struct fdslot *s = slot(fds, fd);

	if (!s)
		return NULL;
	if (!s->ofd)
		s->ofd = ofd_new();
	return s->ofd;
}

static void clear(struct fdslot *s)
{
	struct ofd *ofd = s->ofd;

	*s = (struct fdslot){ 0 };
	ofd_put(ofd);
}

struct fdtab *fds_copy(struct mxm *mxm, struct fdtab *from)
{
	struct fdtab *fds = fds_new();

	pthread_mutex_lock(&mxm->lock);
	for (int fd = 0; fd < from->nslots; fd++) {
		if (!from->slots[fd].ofd)
			continue;
		*slot(fds, fd) = from->slots[fd];
		from->slots[fd].ofd->refs++;
	}
	pthread_mutex_unlock(&mxm->lock);
	return fds;
}

struct fdtab *fds_get(struct mxm *mxm, struct fdtab *fds)
{
	pthread_mutex_lock(&mxm->lock);
	fds->refs++;
	pthread_mutex_unlock(&mxm->lock);
	return fds;
}

void fds_put(struct mxm *mxm, struct fdtab *fds)
{
	if (!fds)
		return;
	pthread_mutex_lock(&mxm->lock);
	if (--fds->refs == 0) {
		for (int fd = 0; fd < fds->nslots; fd++)
			clear(&fds->slots[fd]);
		free(fds->slots);
		free(fds);
	}
	pthread_mutex_unlock(&mxm->lock);
}

void fds_open(struct mxm *mxm, struct fdtab *fds, int fd, bool cloexec)
{
	struct fdslot *s;

	pthread_mutex_lock(&mxm->lock);
	s = slot(fds, fd);
	if (s) {
		clear(s);
		s->ofd = ofd_new();
		s->cloexec = cloexec;
	}
	pthread_mutex_unlock(&mxm->lock);
}

void fds_dup(struct mxm *mxm, struct fdtab *fds, int from, int to, bool cloexec)
{
	struct ofd *ofd;
	struct fdslot *s;

	pthread_mutex_lock(&mxm->lock);
	ofd = ofd_of(fds, from);
	s = slot(fds, to);
	if (ofd && s && from != to) {
		ofd->refs++;
		clear(s);
		s->ofd = ofd;
		s->cloexec = cloexec;
	}
	pthread_mutex_unlock(&mxm->lock);
}

void fds_close(struct mxm *mxm, struct fdtab *fds, int fd)
{
	pthread_mutex_lock(&mxm->lock);
	if (fd >= 0 && fd < fds->nslots)
		clear(&fds->slots[fd]);
	pthread_mutex_unlock(&mxm->lock);
}

void fds_set_cloexec(struct mxm *mxm, struct fdtab *fds, int fd, bool cloexec)
{
	pthread_mutex_lock(&mxm->lock);
	if (ofd_of(fds, fd))
		fds->slots[fd].cloexec = cloexec;
	pthread_mutex_unlock(&mxm->lock);
}

bool fds_is_open(struct mxm *mxm, struct fdtab *fds, int fd)
{
	bool open;

	pthread_mutex_lock(&mxm->lock);
	open = ofd_of(fds, fd) != NULL;
	pthread_mutex_unlock(&mxm->lock);
	return open;
}

void fds_exec(struct mxm *mxm, struct fdtab *fds)
{
	pthread_mutex_lock(&mxm->lock);
	for (int fd = 0; fd < fds->nslots; fd++) {
		if (fds->slots[fd].cloexec)
			clear(&fds->slots[fd]);
	}
	pthread_mutex_unlock(&mxm->lock);
}

static int fd_of(const struct fdtab *fds, const struct ofd *ofd)
{
	for (int fd = 0; fd < fds->nslots; fd++) {
		if (fds->slots[fd].ofd == ofd)
			return fd;
	}
	return -1;
}

bool fds_is_member(struct mxm *mxm, struct fdtab *fds, int fd)
{
	bool member;

	pthread_mutex_lock(&mxm->lock);
	member = fd >= 0 && fd < fds->nslots && fds->slots[fd].ofd &&
		 !list_is_empty(&fds->slots[fd].ofd->registrations);
	pthread_mutex_unlock(&mxm->lock);
	return member;
}

bool fds_is_last(struct mxm *mxm, struct fdtab *fds, int fd)
{
	bool last;

	pthread_mutex_lock(&mxm->lock);
	last = fd >= 0 && fd < fds->nslots && fds->slots[fd].ofd && fds->slots[fd].ofd->refs == 1;
	pthread_mutex_unlock(&mxm->lock);
	return last;
}

int fds_stale_members(
	struct mxm *mxm, struct fdtab *fds, int fd, struct fds_stale *ret_stale, int max)
{
	struct ofd *ofd;
	int n = 0;

	pthread_mutex_lock(&mxm->lock);
	ofd = fd >= 0 && fd < fds->nslots ? fds->slots[fd].ofd : NULL;
	if (ofd && ofd->refs == 1) {
		list_for_each_safe (at, &ofd->registrations) {
			struct epoll_reg *reg = container_of(at, struct epoll_reg, of_target);
			int set_fd = fd_of(fds, reg->set);

			if (set_fd >= 0 && set_fd != fd && n < max)
				ret_stale[n++] = (struct fds_stale){ set_fd, reg->fd };
			reg_delete(reg);
		}
	}
	pthread_mutex_unlock(&mxm->lock);
	return n;
}

static struct epoll_reg *find_member(struct ofd *set, struct ofd *target, int fd)
{
	list_for_each (at, &target->registrations) {
		struct epoll_reg *reg = container_of(at, struct epoll_reg, of_target);

		if (reg->set == set && reg->fd == fd)
			return reg;
	}
	return NULL;
}

struct epoll_reg *fds_epoll_set(
	struct mxm *mxm, struct fdtab *fds, int set_fd, int fd, int owner, uint64_t data)
{
	struct ofd *set, *target;
	struct epoll_reg *reg = NULL;

	pthread_mutex_lock(&mxm->lock);
	set = ofd_of(fds, set_fd);
	target = ofd_of(fds, fd);
	if (set && target) {
		set->is_epoll = true;
		reg = find_member(set, target, fd);
		if (!reg) {
			reg = xzalloc(sizeof(*reg));
			reg->refs = 1;
			reg->set = set;
			reg->target = target;
			reg->fd = fd;
			reg->adder = fds;
			list_append(&set->members, &reg->of_set);
			list_append(&target->registrations, &reg->of_target);
		}
		reg->kernel = data;
		reg->data[owner] = data;
		reg->known = 1u << owner;
		reg->refs++;
	}
	pthread_mutex_unlock(&mxm->lock);
	return reg;
}

void fds_epoll_delete(struct mxm *mxm, struct fdtab *fds, int set_fd, int fd)
{
	struct ofd *set, *target;
	struct epoll_reg *reg;

	pthread_mutex_lock(&mxm->lock);
	set = ofd_of(fds, set_fd);
	target = ofd_of(fds, fd);
	reg = set && target ? find_member(set, target, fd) : NULL;
	if (reg)
		reg_delete(reg);
	pthread_mutex_unlock(&mxm->lock);
}

struct epoll_reg *fds_epoll_find(struct mxm *mxm, struct fdtab *fds, int set_fd, uint64_t data)
{
	struct epoll_reg *found = NULL;
	struct ofd *set;

	pthread_mutex_lock(&mxm->lock);
	set = ofd_of(fds, set_fd);
	if (set) {
		list_for_each (at, &set->members) {
			struct epoll_reg *reg = container_of(at, struct epoll_reg, of_set);

			if (reg->kernel != data)
				continue;
			found = reg;
			found->refs++;
			break;
		}
	}
	pthread_mutex_unlock(&mxm->lock);
	return found;
}

int fds_epoll_own(
	struct mxm *mxm, struct fdtab *fds, int set_fd, int fd, int version, uint64_t *data)
{
	struct ofd *set;
	int found = -1;

	pthread_mutex_lock(&mxm->lock);
	set = ofd_of(fds, set_fd);
	if (set) {
		list_for_each (at, &set->members) {
			struct epoll_reg *reg = container_of(at, struct epoll_reg, of_set);

			if (reg->kernel != *data || reg->data[version] == *data || reg->fd == fd ||
				!(reg->known & (1u << version)))
				continue;
			*data = reg->kernel = reg->data[version];
			found = reg->fd;
			break;
		}
	}
	pthread_mutex_unlock(&mxm->lock);
	return found;
}

bool fds_epoll_data(
	struct mxm *mxm, struct fdtab *fds, int set_fd, int fd, int version, uint64_t *ret_data)
{
	struct ofd *set;
	bool found = false;

	pthread_mutex_lock(&mxm->lock);
	set = ofd_of(fds, set_fd);
	if (set) {
		list_for_each (at, &set->members) {
			const struct epoll_reg *reg = container_of(at, struct epoll_reg, of_set);

			if (reg->fd != fd || !(reg->known & (1u << version)))
				continue;
			*ret_data = reg->data[version];
			found = true;
		}
	}
	pthread_mutex_unlock(&mxm->lock);
	return found;
}

int fds_epoll_added(struct mxm *mxm, struct fdtab *fds, struct fds_stale *ret_members, int max)
{
	int n = 0;

	pthread_mutex_lock(&mxm->lock);
	for (int fd = 0; fd < fds->nslots; fd++) {
		const struct ofd *set = fds->slots[fd].ofd;

		/* By one of its numbers is enough. */
		if (!set || !set->is_epoll || fd_of(fds, set) != fd)
			continue;
		list_for_each (at, &set->members) {
			const struct epoll_reg *reg = container_of(at, struct epoll_reg, of_set);

			if (reg->adder == fds && n < max)
				ret_members[n++] = (struct fds_stale){ fd, reg->fd };
		}
	}
	pthread_mutex_unlock(&mxm->lock);
	return n;
}

bool fds_epoll_is_plain(struct mxm *mxm, struct fdtab *fds, int fd, unsigned versions)
{
	struct ofd *set;
	bool plain;

	pthread_mutex_lock(&mxm->lock);
	set = fd >= 0 && fd < fds->nslots ? fds->slots[fd].ofd : NULL;
	plain = set && set->is_epoll;
	if (plain) {
		list_for_each (at, &set->members) {
			const struct epoll_reg *reg = container_of(at, struct epoll_reg, of_set);

			plain &= (versions & ~reg->known) == 0;
			for (int v = 0; v < mxm->config.nversions; v++)
				plain &= !(versions & (1u << v)) || reg->data[v] == reg->kernel;
		}
	}
	pthread_mutex_unlock(&mxm->lock);
	return plain;
}

void fds_epoll_copy(struct mxm *mxm, struct fdtab *fds, int from, int version)
{
	pthread_mutex_lock(&mxm->lock);
	for (int fd = 0; fd < fds->nslots; fd++) {
		struct ofd *set = fds->slots[fd].ofd;

		if (!set)
			continue;
		list_for_each (at, &set->members) {
			struct epoll_reg *reg = container_of(at, struct epoll_reg, of_set);

			reg->data[version] = reg->data[from];
			reg->known &= ~(1u << version);
			reg->known |= (reg->known >> from & 1) << version;
		}
	}
	pthread_mutex_unlock(&mxm->lock);
}

void fds_epoll_put(struct mxm *mxm, struct epoll_reg *reg)
{
	pthread_mutex_lock(&mxm->lock);
	reg_put(reg);
	pthread_mutex_unlock(&mxm->lock);
}

bool fds_is_private(const struct proc *proc, int version, int fd)
{
	return fd >= 0 && fd < FDS_OWN_MAX &&
	       (proc->private_fds[version][fd / 64] >> (fd % 64) & 1);
}

void fds_set_private(struct proc *proc, int version, int fd, bool is_private)
{
	uint64_t bit = 1ul << (fd % 64);

	if (fd < 0 || fd >= FDS_OWN_MAX)
		return;
	if (is_private)
		proc->private_fds[version][fd / 64] |= bit;
	else
		proc->private_fds[version][fd / 64] &= ~bit;
}
