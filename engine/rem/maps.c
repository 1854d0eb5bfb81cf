/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "base/xalloc.h"

#define HEADER_BYTES 1024 /* enough of a file to tell it from another build of it */

/* vm.max_map_count is 65530 unless somebody raised it; lines have room for long paths. */
#define MAPS_TEXT_MAX (256u << 20)

/* What follows a number and the character @after it, '\0': any. NULL: it is not like that. */
static const char *parse_number(const char *at, unsigned base, char after, uint64_t *ret)
{
	const char *const begin = at;
	uint64_t n = 0;

	for (;; at++) {
		unsigned digit = (unsigned char)*at - '0';

		if (digit > 9)
			digit = *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a') + 10 : base;
		if (digit >= base)
			break;
		if (n > (UINT64_MAX - digit) / base)
			return NULL;
		n = n * base + digit;
	}
	*ret = n;
	if (at == begin || (after && *at != after))
		return NULL;
	return at + (after != '\0');
}

/* By hand: sscanf(3) takes longer for a map than the kernel does to write it. */
static bool parse_line(const char *line, size_t len, struct map *ret)
{
	uint64_t major, minor, ino;
	const char *at = line, *perms;
	struct map m = { 0 };

	at = parse_number(at, 16, '-', &m.start);
	perms = at ? parse_number(at, 16, ' ', &m.end) : NULL;
	if (!perms || strcspn(perms, " \n") != 4 || perms[4] != ' ')
		return false;
	at = parse_number(perms + 5, 16, ' ', &m.offset);
	at = at ? parse_number(at, 16, ':', &major) : NULL;
	at = at ? parse_number(at, 16, ' ', &minor) : NULL;
	at = at ? parse_number(at, 10, '\0', &ino) : NULL;
	if (!at || m.start >= m.end)
		return false;
	m.read = perms[0] == 'r';
	m.write = perms[1] == 'w';
	m.exec = perms[2] == 'x';
	m.shared = perms[3] == 's';
	m.dev = makedev((unsigned)major, (unsigned)minor);
	m.ino = ino;
	while (at < line + len && *at == ' ')
		at++;
	m.path = at < line + len ? xstrndup(at, line + len - at) : xstrdup("");
	*ret = m;
	return true;
}

int maps_parse(const char *text, struct maps *ret_maps, struct err *err)
{
	struct maps maps = { 0 };
	size_t room = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (maps.count == room) {
			room = room ? room * 2 : 64;
			maps.map = xreallocarray(maps.map, room, sizeof(*maps.map));
		}
		if (!parse_line(text, len, &maps.map[maps.count])) {
			maps_free(&maps);
			return err_set(err, EINVAL, "unexpected line in a memory map: %.*s",
				(int)(len < 100 ? len : 100), text);
		}
		maps.count++;
		text += len + (text[len] == '\n');
	}
	*ret_maps = maps;
	return 0;
}

int maps_read(pid_t pid, struct maps *ret_maps, struct err *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/maps", pid);
	cleanup_str struct str text = STR_INIT;
	int rc = io_read_file(path, MAPS_TEXT_MAX, &text, err);

	/* A zombie has an empty map. */
	if (rc == -ENOENT || (rc == 0 && text.len == 0))
		return err_set(err, ESRCH, "process %d is gone", pid);
	if (rc < 0)
		return rc;
	return maps_parse(str_text(&text), ret_maps, err);
}

void maps_free(struct maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		free(maps->map[i].path);
	free(maps->map);
	*maps = (struct maps){ 0 };
}

const struct map *maps_find(const struct maps *maps, uint64_t addr)
{
	size_t lo = 0, hi = maps->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (addr < maps->map[mid].start)
			hi = mid;
		else if (addr >= maps->map[mid].end)
			lo = mid + 1;
		else
			return &maps->map[mid];
	}
	return NULL;
}

static int by_start(const void *x, const void *y)
{
	const struct map *a = x, *b = y;

	return a->start < b->start ? -1 : a->start > b->start;
}

void maps_merge(struct maps *maps, const struct maps *other)
{
	size_t n = maps->count, k = 0;

	for (size_t i = 0; i < other->count; i++) {
		uint64_t at = other->map[i].start, end = other->map[i].end;

		while (at < end) {
			struct map piece = { .start = at, .end = end };

			while (k < n && maps->map[k].end <= at)
				k++;
			if (k < n && maps->map[k].start <= at) {
				at = maps->map[k].end;
				continue;
			}
			if (k < n && maps->map[k].start < end)
				piece.end = maps->map[k].start;
			piece.path = xstrdup("");
			maps->map = xreallocarray(maps->map, maps->count + 1, sizeof(piece));
			maps->map[maps->count++] = piece;
			at = piece.end;
		}
	}
	if (maps->count > n)
		qsort(maps->map, maps->count, sizeof(*maps->map), by_start);
}

/* The map of the same file that begins at its first byte: where the ELF header is. */
static const struct map *header_map(const struct maps *maps, const struct map *m)
{
	for (const struct map *p = m; p >= maps->map && p->ino == m->ino && p->dev == m->dev; p--)
		if (p->offset == 0)
			return p;
	return NULL;
}

/*
 * An upgrade may have put another file at the path. The numbers of device and inode would tell, but
 * an overlay shows others in the map than stat(2) does: then the first bytes must be the same.
 */
static bool is_same_file(struct tracee *t, const struct maps *maps, const struct map *m, int fd)
{
	const struct map *header = header_map(maps, m);
	char in_file[HEADER_BYTES], in_memory[HEADER_BYTES];
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_ino == m->ino && st.st_dev == m->dev)
		return true;
	return header && pread(fd, in_file, sizeof(in_file), 0) == sizeof(in_file) &&
	       tracee_read(t, raddr(header->start), in_memory, sizeof(in_memory)) == 0 &&
	       memcmp(in_file, in_memory, sizeof(in_file)) == 0;
}

int maps_open_file(struct tracee *t, const struct maps *maps, const struct map *m)
{
	cleanup_free char *link =
		xasprintf("/proc/%d/map_files/%" PRIx64 "-%" PRIx64, t->tid, m->start, m->end);
	cleanup_free char *in_root = xasprintf("/proc/%d/root%s", t->tid, m->path);
	/* O_NONBLOCK: what is at the path now may be a FIFO. */
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd;

	/* The mapped file itself, even a deleted one, where we have the capability (proc(5)). */
	fd = open(link, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	for (int i = 0; i < 2; i++) {
		/* The map has the path as the process's root has it, or ours. */
		fd = open(i ? in_root : m->path, flags);
		if (fd >= 0 && is_same_file(t, maps, m, fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ENOENT;
}
