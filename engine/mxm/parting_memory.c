/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "agent/wire.h"
#include "base/io.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "mxm/install.h"
#include "mxm/parting.h"
#include "mxm/shadows.h"

#define SHARED_NAME "mx-shared"
#define MAPS_MAX    (16u << 20)
#define CHUNK	    (256u << 10)
#define PAGE	    4096u

/* A shared mapping, as /proc/PID/maps has it. */
struct mapping {
	uint64_t start, end, offset;
	int prot;
	dev_t dev;
	ino_t ino;
	const char *name;
};

/* What is mapped, and what the version maps in its place. */
struct object {
	dev_t dev;
	ino_t ino;
	bool anonymous;
	int fd;	       /* ours where it is anonymous, else the shadow's */
	uint64_t size; /* so far */
	struct {
		uint64_t from, to;
	} * copied;
	size_t n_copied;
};

struct memory {
	struct group *group;
	int version;
	bool held; /* the leader's processes stand still */
	struct object *v;
	size_t n;
};

static void free_memory(struct memory *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i].anonymous && m->v[i].fd >= 0)
			close(m->v[i].fd);
		free(m->v[i].copied);
	}
	free(m->v);
}

/* False: it is private, or the engine's own. */
static bool parse(char *line, struct mapping *ret)
{
	unsigned major, minor;
	char perms[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
		    &ret->start, &ret->end, perms, &ret->offset, &major, &minor,
		    (uint64_t *)&ret->ino, &at) < 7 ||
		perms[3] != 's')
		return false;
	ret->dev = makedev(major, minor);
	ret->name = line + at;
	ret->prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
		    (perms[2] == 'x' ? PROT_EXEC : 0);
	return (ret->end <= AGENT_CODE ||
		       ret->start >= AGENT_SLOTS + AGENT_NSLOTS * AGENT_SLOT_SIZE) &&
	       (ret->end <= AGENT_RING || ret->start >= AGENT_RING + 2ul * AGENT_RING_SIZE);
}

static bool is_anonymous(const struct mapping *m)
{
	return str_starts(m->name, "/dev/zero (deleted)") ||
	       str_starts(m->name, "/memfd:" SHARED_NAME " ");
}

static bool is_zero(const char *page)
{
	return !page[0] && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Pages that hold nothing are not written: they stay holes. */
static int write_pages(int fd, const char *buf, size_t len, uint64_t at)
{
	for (size_t from = 0, to; from < len; from = to) {
		bool zero = is_zero(buf + from);

		for (to = from + PAGE; to < len && is_zero(buf + to) == zero; to += PAGE)
			;
		if (!zero && pwrite(fd, buf + from, to - from, (off_t)(at + from)) !=
				     (ssize_t)(to - from))
			return -errno;
	}
	return 0;
}

/* By the kernel's own name for what is mapped, which not everyone may use. -EPERM. */
static int open_mapped(const struct tracee *t, const struct mapping *m, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, t->tgid, m->start,
		m->end);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What has not been stored in is not read: that would make it. */
static int copy_data(int from, int to, uint64_t at, uint64_t end)
{
	cleanup_free char *buf = xmalloc(CHUNK);
	int rc = 0;

	while (at < end && rc == 0) {
		off_t data = lseek(from, (off_t)at, SEEK_DATA);
		uint64_t hole;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = (uint64_t)lseek(from, data, SEEK_HOLE);
		if (hole > end)
			hole = end;
		for (at = (uint64_t)data; at < hole && rc == 0;) {
			size_t want = hole - at < CHUNK ? hole - at : CHUNK;
			ssize_t n = pread(from, buf, want, (off_t)at);

			if (n <= 0)
				return n < 0 ? -errno : -EIO;
			rc = write_pages(to, buf, n, at);
			at += n;
		}
	}
	return rc;
}

static int copy_read(struct tracee *t, const struct mapping *m, int to)
{
	cleanup_free char *buf = xmalloc(CHUNK);
	int rc = 0;

	for (uint64_t at = m->start; at < m->end && rc == 0;) {
		size_t want = m->end - at < CHUNK ? m->end - at : CHUNK;

		rc = tracee_read(t, raddr(at), buf, want);
		if (rc == -EFAULT && pread(t->mm->fd, buf, want, (off_t)at) == (ssize_t)want)
			rc = 0; /* not readable for the program: for the engine it is */
		if (rc == 0)
			rc = write_pages(to, buf, want, m->offset + (at - m->start));
		at += want;
	}
	return rc;
}

static bool is_copied(const struct object *o, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < o->n_copied; i++) {
		if (o->copied[i].from <= from && to <= o->copied[i].to)
			return true;
	}
	return false;
}

static int copy_mapping(struct object *o, struct tracee *own, const struct mapping *m)
{
	const uint64_t to = m->offset + (m->end - m->start);
	cleanup_close int file = -1;
	int rc;

	if (is_copied(o, m->offset, to))
		return 0;
	if (to > o->size && ftruncate(o->fd, (off_t)to) < 0)
		return -errno;
	o->size = to > o->size ? to : o->size;
	file = open_mapped(own, m, O_RDONLY);
	rc = file >= 0 ? copy_data(file, o->fd, m->offset, to) : copy_read(own, m, o->fd);
	if (rc < 0)
		return rc;
	o->copied = xreallocarray(o->copied, o->n_copied + 1, sizeof(*o->copied));
	o->copied[o->n_copied].from = m->offset;
	o->copied[o->n_copied++].to = to;
	return 0;
}

/* Without leave for the kernel's own name: by its path in the process's root, if it is still that.
 */
static int open_by_path(const struct tracee *t, const struct mapping *m)
{
	cleanup_free char *path = xasprintf("/proc/%d/root%s", t->tgid, m->name);
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_ino == m->ino && S_ISREG(st.st_mode) ? take_fd(&fd) : -ENOENT;
}

static int find_file(struct memory *memory, const struct copy *copy, const struct mapping *m,
	struct object *o, struct err *err)
{
	const struct tracee *own = &copy_main(copy)->tracee;
	cleanup_close int file = open_mapped(own, m, O_RDWR);
	struct stat st;
	int rc;

	if (file < 0)
		file = open_by_path(own, m);
	if (file >= 0 && (fstat(file, &st) < 0 || !S_ISREG(st.st_mode))) {
		if (!(m->prot & PROT_WRITE))
			return 0;
		return err_set(err, ENOTSUP, "it has mapped %s, which is no file", m->name);
	}
	rc = shadows_for_copy(memory->group, copy->proc, memory->version,
		&(struct shadow_key){ .ino = m->ino,
			.name = m->name,
			.file = file,
			.writable = (m->prot & PROT_WRITE) != 0 });
	if (rc == -ENOENT)
		return err_set(
			err, ENOTSUP, "the file %s, which it has mapped, cannot be found", m->name);
	if (rc < 0 && rc != -ENOTUNIQ)
		return err_errno(err, -rc, "copying %s, which it has mapped", m->name);
	o->fd = rc == -ENOTUNIQ ? -1 : rc;
	return 0;
}

/* NULL in *@ret: it may stay as it is. */
static int find_object(struct memory *memory, const struct copy *copy, const struct mapping *m,
	struct object **ret, struct err *err)
{
	struct object o = { .dev = m->dev, .ino = m->ino, .anonymous = is_anonymous(m), .fd = -1 };
	int rc = 0;

	*ret = NULL;
	for (size_t i = 0; i < memory->n && o.anonymous; i++) {
		if (memory->v[i].ino == m->ino && memory->v[i].dev == m->dev) {
			*ret = &memory->v[i];
			return 0;
		}
	}
	if (o.anonymous) {
		o.fd = memfd_create(SHARED_NAME, MFD_CLOEXEC);
		if (o.fd < 0)
			return err_errno(err, errno, "no memory to share");
	} else {
		rc = find_file(memory, copy, m, &o, err);
	}
	if (rc < 0 || o.fd < 0)
		return rc;
	memory->v = xreallocarray(memory->v, memory->n + 1, sizeof(*memory->v));
	memory->v[memory->n] = o;
	*ret = &memory->v[memory->n++];
	return 0;
}

/* The twin maps @fd where it had the leader's. */
static int map_instead(struct task *twin, const struct mapping *m, int there)
{
	long r;
	int rc = tracee_remote(&twin->tracee, false, &r, SYS_mmap, m->start, m->end - m->start,
		(uint64_t)m->prot, MAP_SHARED | MAP_FIXED, (uint64_t)there, m->offset);

	return rc == 0 && r < 0 ? (int)r : rc;
}

static int part_mapping(struct memory *memory, const struct copy *copy, struct task *twin,
	const struct mapping *m, struct err *err)
{
	struct object *o = NULL;
	int there, rc = 0;
	long r;

	if (memory->held || !(m->prot & PROT_WRITE))
		rc = find_object(memory, copy, m, &o, err);
	if (!memory->held && (o || (m->prot & PROT_WRITE)))
		return err_set(err, EAGAIN, "it shares memory that is still to be copied");
	if (rc < 0 || !o)
		return rc;
	if (o->anonymous)
		rc = copy_mapping(o, &copy_main(copy)->tracee, m);
	else
		copy->proc->has_shadows[memory->version] = true;
	if (rc == 0)
		rc = install_send(twin, o->fd, &there);
	if (rc == 0)
		rc = map_instead(twin, m, there);
	if (rc == 0)
		rc = tracee_remote(&twin->tracee, false, &r, SYS_close, there, 0, 0, 0, 0, 0);
	return rc < 0 ? err_errno(err, -rc, "copying shared memory") : 0;
}

static int part_process(struct memory *memory, const struct copy *copy, struct err *err)
{
	struct task twin = { .tuple = copy_main(copy)->tuple,
		.version = memory->version,
		.tracee = *copy_twin(copy) };
	cleanup_str struct str maps = STR_INIT;
	char path[64], *rest, *line;
	struct mapping m;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/maps", copy_twin(copy)->tgid);
	rc = io_read_file(path, MAPS_MAX, &maps, err);
	rest = maps.data;
	while (rc == 0 && (line = strsep(&rest, "\n"))) {
		if (parse(line, &m))
			rc = part_mapping(memory, copy, &twin, &m, err);
	}
	*copy_twin(copy) = twin.tracee;
	return rc;
}

int parting_memory(
	struct group *group, int version, const struct copies *copies, bool held, struct err *err)
{
	struct memory memory = { .group = group, .version = version, .held = held };
	int rc = 0;

	shadows_forget_copies(group->mxm, version);
	for (int i = 0; i < copies->n && rc == 0; i++) {
		copies->v[i].proc->has_shadows[version] = false;
		rc = part_process(&memory, &copies->v[i], err);
	}
	free_memory(&memory);
	return rc;
}
