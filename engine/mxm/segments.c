/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V's segments, as shadows.h has files: the leader attaches the segment, a follower its
 * version's copy. The engine attaches it too, since what is detached by all may be gone. (What a
 * lost leader's processes had attached counts until the kernel has freed their memory.)
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "mxm/agent.h"
#include "mxm/install.h"
#include "mxm/shadow.h"
#include "mxm/special.h"

#define PAGE 4096ul
/* As the kernel calls what is attached, before the key. */
#define SEGMENT_NAME "/SYSV"

static struct shadow *find_segment(struct mxm *mxm, int id)
{
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);

		if (s->segment && s->ino == (ino_t)id)
			return s;
	}
	return NULL;
}

/* Whose segments has the leader's task: those that the engine's calls name too? */
static bool has_our_segments(const struct task *task)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", task->tracee.tid);
	return stat(path, &theirs) == 0 && stat("/proc/self/ns/ipc", &ours) == 0 &&
	       ours.st_ino == theirs.st_ino;
}

static struct shadow *segment_new(struct mxm *mxm, int id)
{
	struct shmid_ds ds;
	struct shadow *s;
	void *at = shmat(id, NULL, 0);

	if (at == (void *)-1)
		return NULL;
	if (shmctl(id, IPC_STAT, &ds) < 0) {
		shmdt(at);
		return NULL;
	}
	s = shadow_new(mxm, &(struct stat){ .st_ino = (ino_t)id }, -1);
	s->is_segment = true;
	s->segment = at;
	s->size = (off_t)((ds.shm_segsz + PAGE - 1) & ~(PAGE - 1));
	return s;
}

/* @version's copy of a segment, as it is now. */
static int copy_segment(struct shadow *s, int version)
{
	int fd = memfd_create(SHADOW_NAME, MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, s->size) < 0 || pwrite(fd, s->segment, s->size, 0) != s->size) {
		close(fd);
		return -EIO;
	}
	s->copies[version] = fd;
	return 0;
}

int shadows_take_segment(struct task *task, struct event *event, int id)
{
	struct group *group = task->tuple->group;
	struct mxm *mxm = group->mxm;
	struct shadow *s;
	int rc = 0;

	if (!has_our_segments(task))
		return -EXDEV;
	pthread_mutex_lock(&mxm->lock);
	s = find_segment(mxm, id);
	if (!s)
		s = segment_new(mxm, id);
	if (!s)
		rc = -EACCES;
	for (int v = 0; v < mxm->config.nversions && rc == 0; v++) {
		if ((group->followers & (1u << v)) && s->copies[v] < 0)
			rc = copy_segment(s, v);
	}
	if (s) {
		s->user = task->tuple->proc->ids->known;
		shadow_use(mxm, task->tuple->proc, s, event);
	}
	pthread_mutex_unlock(&mxm->lock);
	return rc;
}

void shadows_leave_segments(struct mxm *mxm)
{
	struct shmid_ds ds;

	pthread_mutex_lock(&mxm->lock);
	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);

		if (!s->segment || shmctl((int)s->ino, IPC_STAT, &ds) < 0 ||
			!(ds.shm_perm.mode & SHM_DEST) || ds.shm_nattch > 1)
			continue;
		shmdt(s->segment);
		s->segment = NULL;
	}
	pthread_mutex_unlock(&mxm->lock);
}

pid_t shadows_segment_user(struct mxm *mxm, int id)
{
	struct shadow *s;
	pid_t user;

	pthread_mutex_lock(&mxm->lock);
	s = find_segment(mxm, id);
	user = s ? s->user : 0;
	pthread_mutex_unlock(&mxm->lock);
	return user;
}

uint64_t shadows_segment_at(struct task *task, uint64_t at)
{
	struct mxm *mxm = task->tuple->group->mxm;
	cleanup_str struct str maps = STR_INIT;
	uint64_t from, ino, size = 0;
	char path[64], *rest, *line;
	int segment;

	snprintf(path, sizeof(path), "/proc/%d/maps", task->tracee.tid);
	if (io_read_file(path, MAPS_MAX, &maps, NULL) < 0)
		return 0;
	rest = maps.data;
	while (!size && (line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%" SCNx64 "-%*x %*s %*x %*s %" SCNu64, &from, &ino) != 2)
			continue;
		if (from != at || !strstr(line, "/memfd:" SHADOW_NAME))
			continue;
		(void)shadow_file_of_copy(mxm, task->version, (ino_t)ino, &segment);
		pthread_mutex_lock(&mxm->lock);
		list_for_each (each, &mxm->shadows) {
			const struct shadow *s = container_of(each, struct shadow, link);

			if (s->is_segment && s->ino == (ino_t)segment)
				size = (uint64_t)s->size;
		}
		pthread_mutex_unlock(&mxm->lock);
	}
	return size;
}

static struct shadow *find_mapped(struct mxm *mxm, int leader, const struct shadow_key *key)
{
	struct stat st;

	list_for_each (at, &mxm->shadows) {
		struct shadow *s = container_of(at, struct shadow, link);

		if (s->is_segment && s->copies[leader] >= 0 && fstat(s->copies[leader], &st) == 0 &&
			st.st_ino == key->ino)
			return s;
	}
	return NULL;
}

bool segment_is(struct mxm *mxm, int leader, const struct shadow_key *key)
{
	return str_starts(key->name, SEGMENT_NAME) ||
	       (str_starts(key->name, "/memfd:" SHADOW_NAME) && find_mapped(mxm, leader, key));
}

int segment_for_copy_locked(
	struct group *group, struct proc *proc, int version, const struct shadow_key *key)
{
	struct mxm *mxm = group->mxm;
	struct shadow *s;
	int rc = 0;

	if (str_starts(key->name, SEGMENT_NAME)) {
		s = find_segment(mxm, (int)key->ino);
		if (!s)
			s = segment_new(mxm, (int)key->ino);
	} else {
		s = find_mapped(mxm, group->leader, key);
	}
	if (!s)
		return -ENOENT;
	if (!s->home)
		s->home = group;
	shadow_add_to(mxm, proc, s);
	if (s->copies[version] < 0)
		rc = copy_segment(s, version);
	return rc < 0 ? rc : s->copies[version];
}

int segment_move(struct task *task, int id, uint64_t from, uint64_t to, uint64_t offset, int prot)
{
	int flags = SHM_REMAP | (prot & PROT_EXEC ? SHM_EXEC : 0);
	long r;
	int rc;

	if (offset)
		rc = tracee_remote(
			&task->tracee, false, &r, SYS_mprotect, from, to - from, prot, 0, 0, 0);
	else
		rc = tracee_remote(&task->tracee, false, &r, SYS_shmat, id, from,
			flags | (prot & PROT_WRITE ? 0 : SHM_RDONLY), 0, 0, 0);
	return rc < 0 ? rc : r < 0 && r > -4096 ? (int)r : 0;
}

/* What the engine has attached does not count, nor that it was the last one to do so. */
static int hide_ourselves(struct task *task, int id)
{
	const pid_t user = shadows_segment_user(task->tuple->group->mxm, id);
	const struct raddr at = raddr(task->call.args[2]);
	struct shmid_ds ds;
	int rc;

	if (!user)
		return 0;
	rc = tracee_read(&task->tracee, at, &ds, sizeof(ds));
	if (rc < 0)
		return rc == -ESRCH ? rc : 0;
	ds.shm_nattch -= ds.shm_nattch > 0;
	if (ds.shm_lpid == getpid())
		ds.shm_lpid = user;
	rc = tracee_write(&task->tracee, at, &ds, sizeof(ds));
	return rc == -ESRCH ? rc : 0;
}

static int shm_led(struct task *task, struct event *event, int64_t *result)
{
	const struct call *c = &task->call;
	int rc;

	if (*result < 0 && *result > -4096)
		return 0;
	if (c->nr == SYS_shmctl)
		return hide_ourselves(
			task, c->args[1] == IPC_STAT ? (int)c->args[0] : (int)*result);
	if (c->nr == SYS_shmdt)
		shadows_leave_segments(task->tuple->group->mxm);
	if (c->nr != SYS_shmat)
		return 0;
	task->tuple->proc->shares_memory = true;
	if (!event)
		return 0;
	rc = shadows_take_segment(task, event, (int)c->args[0]);
	agent_refresh(task->tuple->group);
	return rc;
}

/* The follower attaches, and detaches, its version's copy. */
static int shm_follow(struct task *task, struct event *event, enum follow_how *ret_how)
{
	const uint64_t *a = task->call.args;
	const int prot = PROT_READ | (a[2] & SHM_RDONLY ? 0 : PROT_WRITE) |
			 (a[2] & SHM_EXEC ? PROT_EXEC : 0);
	int flags = MAP_SHARED, shadow, there, rc;
	struct stat st;
	long r, closed;

	if (task->call.nr == SYS_shmctl || (event->result < 0 && event->result > -4096))
		return 0;
	if (task->call.nr == SYS_shmdt) {
		const uint64_t size = shadows_segment_at(task, a[0]);

		if (!size)
			return 0;
		rc = tracee_remote(
			&task->tracee, task->at_entry_stop, &r, SYS_munmap, a[0], size, 0, 0, 0, 0);
		task->at_entry_stop = false;
		task->made_result = rc < 0 ? rc : r;
		*ret_how = FOLLOW_MADE;
		return rc == -ESRCH ? rc : 0;
	}
	shadow = shadows_of(task->tuple->group->mxm, event, task->version);
	if (shadow < 0 || fstat(shadow, &st) < 0)
		return 0;
	if (a[1])
		flags |= a[2] & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	rc = install_send(task, shadow, &there);
	if (rc == 0)
		rc = tracee_remote(&task->tracee, false, &r, SYS_mmap, a[1] & ~(SHMLBA - 1ul),
			st.st_size, prot, flags, there, 0);
	if (rc == 0)
		rc = tracee_remote(&task->tracee, false, &closed, SYS_close, there, 0, 0, 0, 0, 0);
	task->made_result = rc < 0 ? rc : r;
	task->tuple->proc->has_shadows[task->version] = true;
	*ret_how = FOLLOW_MADE;
	return rc == -ESRCH ? rc : 0;
}

const struct special special_shm = { .led = shm_led, .follow = shm_follow };
