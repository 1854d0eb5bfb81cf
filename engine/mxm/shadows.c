/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/shadows.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "mxm/install.h"
#include "mxm/shadow.h"

#define CHUNK (1u << 20)
/* A process that has this many more than at the last look is looked at for those it has unmapped.
 */
#define LOOK_EVERY 16

static struct shadow *find(struct mxm *mxm, dev_t dev, ino_t ino)
{
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);

		if (!s->is_segment && s->dev == dev && s->ino == ino)
			return s;
	}
	return NULL;
}

static struct shadow *find_id(struct mxm *mxm, uint64_t id)
{
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);

		if (s->id == id)
			return s;
	}
	return NULL;
}

/* Copies [@from, @to) where the two differ; holes stay holes. */
static int copy_range(int source, int target, off_t from, off_t to)
{
	cleanup_free char *a = xmalloc(CHUNK);
	cleanup_free char *b = xmalloc(CHUNK);

	while (from < to) {
		size_t want = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t n = pread(source, a, want, from), m;

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		m = pread(target, b, n, from);
		if ((m != n || memcmp(a, b, n) != 0) && pwrite(target, a, n, from) != n)
			return -errno;
		from += n;
	}
	return 0;
}

static int grow(struct mxm *mxm, struct shadow *s, unsigned followers)
{
	struct stat st;
	off_t had = s->size;
	int rc = 0;

	if (fstat(s->file, &st) < 0)
		return -errno;
	for (int v = 0; v < mxm->config.nversions && rc == 0; v++) {
		off_t from = had;

		if (!(followers & (1u << v)))
			continue;
		if (s->copies[v] < 0) {
			s->copies[v] = memfd_create(SHADOW_NAME, MFD_CLOEXEC);
			from = 0;
		}
		if (s->copies[v] < 0)
			return -errno;
		if (st.st_size <= from)
			continue;
		if (ftruncate(s->copies[v], st.st_size) < 0)
			return -errno;
		rc = copy_range(s->file, s->copies[v], from, st.st_size);
	}
	if (st.st_size > s->size)
		s->size = st.st_size;
	return rc;
}

static void free_shadow(struct shadow *s)
{
	if (s->segment)
		shmdt(s->segment);
	if (!s->is_segment)
		close(s->file);
	for (int v = 0; v < MXM_VERSIONS_MAX; v++) {
		if (s->copies[v] >= 0)
			close(s->copies[v]);
	}
	list_remove(&s->link);
	free(s);
}

static void put(struct mxm *mxm, uint64_t id)
{
	struct shadow *s = find_id(mxm, id);

	if (s && --s->uses == 0)
		free_shadow(s);
}

void shadows_event_over(struct mxm *mxm, const struct event *event)
{
	bool maps = event->call.nr == SYS_mmap || event->call.nr == SYS_shmat;
	uint64_t id = maps ? event->value : event->wrote_shadow;

	if (!id)
		return;
	pthread_mutex_lock(&mxm->lock);
	put(mxm, id);
	pthread_mutex_unlock(&mxm->lock);
}

uint64_t shadows_hold(struct mxm *mxm, dev_t dev, ino_t ino, off_t size)
{
	struct shadow *s;

	pthread_mutex_lock(&mxm->lock);
	s = find(mxm, dev, ino);
	if (s) {
		s->uses++;
		s->size = size;
	}
	pthread_mutex_unlock(&mxm->lock);
	return s ? s->id : 0;
}

int shadows_copy(struct mxm *mxm, uint64_t id, int version, int *ret_file)
{
	struct shadow *s;
	int copy;

	pthread_mutex_lock(&mxm->lock);
	s = find_id(mxm, id);
	copy = s ? s->copies[version] : -1;
	*ret_file = s ? s->file : -1;
	pthread_mutex_unlock(&mxm->lock);
	return copy;
}

void shadows_fork(struct mxm *mxm, const struct proc *parent, struct proc *child)
{
	if (!parent->nshadows)
		return;
	pthread_mutex_lock(&mxm->lock);
	child->shadows = xreallocarray(NULL, parent->nshadows, sizeof(*child->shadows));
	child->nshadows = child->shadows_checked = parent->nshadows;
	for (unsigned i = 0; i < parent->nshadows; i++) {
		struct shadow *s = find_id(mxm, parent->shadows[i]);

		child->shadows[i] = parent->shadows[i];
		if (s)
			s->uses++;
	}
	pthread_mutex_unlock(&mxm->lock);
}

void shadows_release(struct mxm *mxm, struct proc *proc)
{
	pthread_mutex_lock(&mxm->lock);
	for (unsigned i = 0; i < proc->nshadows; i++)
		put(mxm, proc->shadows[i]);
	pthread_mutex_unlock(&mxm->lock);
	free(proc->shadows);
	proc->shadows = NULL;
	proc->nshadows = proc->shadows_checked = 0;
}

/* Does a process of any version still map the shadow, or its file? By inodes alone: one too many is
 * kept, never one too few. */
static bool is_mapped(const struct shadow *s, const struct str *maps, int n)
{
	ino_t inodes[MXM_VERSIONS_MAX + 1] = { s->ino };
	int ninodes = 1;
	struct stat st;

	for (int v = 0; v < MXM_VERSIONS_MAX; v++) {
		if (s->copies[v] >= 0 && fstat(s->copies[v], &st) == 0)
			inodes[ninodes++] = st.st_ino;
	}
	for (int i = 0; i < ninodes; i++) {
		char text[32];

		snprintf(text, sizeof(text), " %" PRIu64 " ", (uint64_t)inodes[i]);
		for (int k = 0; k < n; k++) {
			if (strstr(str_text(&maps[k]), text))
				return true;
		}
	}
	return false;
}

/* munmap(2) runs without a stop, so what is unmapped is found by looking, now and then. */
static void forget_unmapped(struct mxm *mxm, struct proc *proc)
{
	struct str maps[MXM_VERSIONS_MAX] = { 0 };
	unsigned kept = 0;
	bool known = true;

	for (int v = 0; v < mxm->config.nversions; v++) {
		char path[64];

		if (!mxm->versions[v].alive)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/maps", proc->ids->real[v]);
		known &= proc->ids->real[v] && io_read_file(path, MAPS_MAX, &maps[v], NULL) == 0;
	}
	for (unsigned i = 0; i < proc->nshadows && known; i++) {
		struct shadow *s = find_id(mxm, proc->shadows[i]);

		if (s && is_mapped(s, maps, mxm->config.nversions))
			proc->shadows[kept++] = proc->shadows[i];
		else
			put(mxm, proc->shadows[i]);
	}
	if (known)
		proc->nshadows = kept;
	proc->shadows_checked = proc->nshadows;
	for (int v = 0; v < mxm->config.nversions; v++)
		str_free(&maps[v]);
}

void shadow_add_to(struct mxm *mxm, struct proc *proc, struct shadow *s)
{
	for (unsigned i = 0; i < proc->nshadows; i++) {
		if (proc->shadows[i] == s->id)
			return;
	}
	proc->shadows = xreallocarray(proc->shadows, proc->nshadows + 1, sizeof(*proc->shadows));
	proc->shadows[proc->nshadows++] = s->id;
	s->uses++;
	if (proc->nshadows >= proc->shadows_checked + LOOK_EVERY)
		forget_unmapped(mxm, proc);
}

void shadow_use(struct mxm *mxm, struct proc *proc, struct shadow *s, struct event *event)
{
	event->value = s->id;
	event->gathers = true;
	s->uses++;
	shadow_add_to(mxm, proc, s);
}

struct shadow *shadow_new(struct mxm *mxm, const struct stat *st, int file)
{
	struct shadow *s = xzalloc(sizeof(*s));

	s->dev = st->st_dev;
	s->ino = st->st_ino;
	s->id = ++mxm->next_shadow;
	s->file = file;
	memset(s->copies, 0xff, sizeof(s->copies));
	list_append(&mxm->shadows, &s->link);
	return s;
}

int shadows_take(struct task *task, struct event *event, int num, bool writable)
{
	struct mxm *mxm = task->tuple->group->mxm;
	cleanup_close int fd = install_fetch(task, num);
	struct shadow *s;
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	pthread_mutex_lock(&mxm->lock);
	s = find(mxm, st.st_dev, st.st_ino);
	if (!s && writable)
		s = shadow_new(mxm, &st, take_fd(&fd));
	if (s) {
		rc = grow(mxm, s, task->tuple->group->followers);
		shadow_use(mxm, task->tuple->proc, s, event);
	}
	pthread_mutex_unlock(&mxm->lock);
	return rc;
}

struct group *shadows_home_locked(struct task *task, const struct event *event)
{
	struct shadow *s = find_id(task->tuple->group->mxm, event->value);

	if (s && !s->home)
		s->home = task->tuple->group;
	return s ? s->home : NULL;
}

void shadows_rehome_locked(struct mxm *mxm, const struct group *from, struct group *to)
{
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);

		if (s->home == from)
			s->home = to;
	}
}

int shadows_of(struct mxm *mxm, const struct event *event, int version)
{
	struct shadow *s;
	int fd;

	if (!event->value)
		return -1;
	pthread_mutex_lock(&mxm->lock);
	s = find_id(mxm, event->value);
	fd = s ? s->copies[version] : -1;
	pthread_mutex_unlock(&mxm->lock);
	return fd;
}

static bool is_of(const struct shadow *s, const struct group *group)
{
	if (s->home)
		return s->home == group;
	/* Its first mapping has not come to its end yet. */
	list_for_each (at, &group->tuples) {
		const struct proc *proc = container_of(at, struct tuple, link)->proc;

		for (unsigned i = 0; i < proc->nshadows; i++) {
			if (proc->shadows[i] == s->id)
				return true;
		}
	}
	return false;
}

void shadows_write_back(struct group *group, int version)
{
	struct mxm *mxm = group->mxm;

	pthread_mutex_lock(&mxm->lock);
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);
		struct stat st;

		if (!is_of(s, group) || s->copies[version] < 0)
			continue;
		if (s->is_segment) {
			if (s->segment &&
				pread(s->copies[version], s->segment, s->size, 0) != s->size)
				mxm->ops->note(mxm->ops_arg, "shared-mapping-lost", version, 0,
					"a segment of shared memory could not be written back");
			continue;
		}
		if (fstat(s->file, &st) < 0)
			continue;
		if (copy_range(s->copies[version], s->file, 0,
			    st.st_size < s->size ? st.st_size : s->size) < 0)
			mxm->ops->note(mxm->ops_arg, "shared-mapping-lost", version, 0,
				"a shared mapping could not be written back to its file");
	}
	pthread_mutex_unlock(&mxm->lock);
}

int shadow_file_of_copy(struct mxm *mxm, int version, ino_t ino, int *ret_segment)
{
	int file = -1;

	*ret_segment = -1;

	pthread_mutex_lock(&mxm->lock);
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);
		struct stat st;

		if (s->copies[version] < 0 || fstat(s->copies[version], &st) < 0 ||
			st.st_ino != ino)
			continue;
		if (s->is_segment)
			*ret_segment = (int)s->ino;
		else
			file = s->file;
	}
	pthread_mutex_unlock(&mxm->lock);
	return file;
}

/*
 * A file that has a name no more is shared by the processes of the program alone, and goes on as
 * the copy: they come to their next calls one by one, and one that stays behind would not see what
 * the others store. (One of memfd_create(2) never had a name, and is made to be handed to others.)
 */
static bool has_no_name(int file)
{
	char path[64], target[4096];
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0 || fstat(file, &st) < 0)
		return false;
	target[n] = '\0';
	return st.st_nlink == 0 && !str_starts(target, "/memfd:");
}

static int move_one(struct task *task, const char *line)
{
	struct mxm *mxm = task->tuple->group->mxm;
	uint64_t from, to, offset, ino;
	char perms[5];
	int prot = 0, there, file, segment, rc;
	long r;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64, &from, &to, perms,
		    &offset, &ino) != 5)
		return 0;
	prot |= perms[0] == 'r' ? PROT_READ : 0;
	prot |= perms[1] == 'w' ? PROT_WRITE : 0;
	prot |= perms[2] == 'x' ? PROT_EXEC : 0;
	file = shadow_file_of_copy(mxm, task->version, ino, &segment);
	if (segment >= 0)
		return segment_move(task, segment, from, to, offset, prot);
	if (file < 0 || has_no_name(file))
		return 0;
	rc = install_send(task, file, &there);
	if (rc < 0)
		return rc;
	rc = tracee_remote(&task->tracee, false, &r, SYS_mmap, from, to - from, prot,
		MAP_SHARED | MAP_FIXED, there, offset);
	if (rc == 0 && r < 0)
		rc = (int)r;
	if (rc == 0)
		rc = tracee_remote(&task->tracee, false, &r, SYS_close, there, 0, 0, 0, 0, 0);
	return rc;
}

int shadows_move(struct task *task)
{
	cleanup_str struct str maps = STR_INIT;
	char path[64], *rest, *line;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/maps", task->tracee.tid);
	rc = io_read_file(path, MAPS_MAX, &maps, NULL);
	if (rc < 0)
		return rc;
	rest = maps.data;
	while (rc == 0 && (line = strsep(&rest, "\n"))) {
		if (strstr(line, "/memfd:" SHADOW_NAME))
			rc = move_one(task, line);
	}
	return rc;
}

void shadows_forget_copies(struct mxm *mxm, int version)
{
	pthread_mutex_lock(&mxm->lock);
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);

		if (s->copies[version] >= 0)
			close(s->copies[version]);
		s->copies[version] = -1;
	}
	pthread_mutex_unlock(&mxm->lock);
}

/* A file may be told by one name from another that has its inode's number elsewhere. */
static bool is_named(int file, const char *name)
{
	char path[64], target[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(target, name) == 0;
}

/* The shadow of which @key is the file, or @leader's copy; *@ret_source: which of the two. */
static struct shadow *find_mapped(
	struct mxm *mxm, int leader, const struct shadow_key *key, int *ret_source)
{
	struct stat st, of_key = { 0 };

	if (key->file >= 0 && fstat(key->file, &of_key) < 0)
		return NULL;
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);

		if (s->is_segment)
			continue;
		*ret_source = s->copies[leader];
		if (*ret_source >= 0 && fstat(*ret_source, &st) == 0 && st.st_ino == key->ino &&
			str_starts(key->name, "/memfd:" SHADOW_NAME))
			return s;
		*ret_source = s->file;
		if (key->file >= 0 ? s->ino == of_key.st_ino && s->dev == of_key.st_dev
				   : s->ino == key->ino && is_named(s->file, key->name))
			return s;
	}
	return NULL;
}

int shadows_for_copy(
	struct group *group, struct proc *proc, int version, const struct shadow_key *key)
{
	struct mxm *mxm = group->mxm;
	int source = -1, rc = 0, fd;
	struct shadow *s;
	struct stat st;

	pthread_mutex_lock(&mxm->lock);
	if (segment_is(mxm, group->leader, key)) {
		rc = segment_for_copy_locked(group, proc, version, key);
		pthread_mutex_unlock(&mxm->lock);
		return rc;
	}
	s = find_mapped(mxm, group->leader, key, &source);
	if (!s && !key->writable)
		rc = -ENOTUNIQ;
	else if (!s && (key->file < 0 || fstat(key->file, &st) < 0))
		rc = -ENOENT;
	if (!s && rc == 0) {
		fd = fcntl(key->file, F_DUPFD_CLOEXEC, 0);
		rc = fd < 0 ? -errno : 0;
		s = rc == 0 ? shadow_new(mxm, &st, fd) : NULL;
		source = rc == 0 ? s->file : -1;
	}
	if (rc == 0) {
		if (!s->home)
			s->home = group;
		shadow_add_to(mxm, proc, s);
	}
	if (rc == 0 && s->copies[version] < 0) {
		s->copies[version] = memfd_create(SHADOW_NAME, MFD_CLOEXEC);
		if (s->copies[version] < 0 || fstat(source, &st) < 0 ||
			ftruncate(s->copies[version], st.st_size) < 0)
			rc = -errno;
		else
			rc = copy_range(source, s->copies[version], 0, st.st_size);
		if (rc == 0 && st.st_size > s->size)
			s->size = st.st_size;
	}
	if (rc == 0)
		rc = s->copies[version];
	pthread_mutex_unlock(&mxm->lock);
	return rc;
}

void shadows_free(struct mxm *mxm)
{
	list_for_each_safe (at, &mxm->shadows)
		free_shadow(container_of(at, struct shadow, link));
}
