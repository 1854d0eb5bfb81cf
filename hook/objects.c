/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/version.h"
#include "base/xalloc.h"
#include "hook/programs.h"
#include "oci/resolve.h"
#include "sea/sea.h"
#include "sea/sha256.h"

#define COPY_MAX (512ll << 20)
/* Seconds after which a change of a file is one of its times for sure. */
#define SETTLED 2

static const char *const library_dirs[] = {
	"/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu",
	"/usr/local/lib/x86_64-linux-gnu",
	"/lib64",
	"/usr/lib64",
	"/usr/local/lib",
	"/lib",
	"/usr/lib",
};

static int open_library(int root, const char *soname, char **ret_path)
{
	for (size_t i = 0; i < ARRAY_SIZE(library_dirs); i++) {
		cleanup_free char *path = xasprintf("%s/%s", library_dirs[i], soname);
		struct program p = { .fd = -1 };
		struct err ignored;

		if (library_open(root, path, &p.fd, &ignored) < 0)
			continue;
		*ret_path = take_ptr(path);
		return p.fd;
	}
	return -1;
}

static bool is_known(const struct object_pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->n; i++) {
		if (strcmp(pairs->v[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static void add(struct object_pairs *pairs, char *name, int old_fd, int new_fd)
{
	pairs->v[pairs->n++] = (struct object_pair){ name, { old_fd, new_fd } };
}

static void add_library(struct object_pairs *pairs, const char *soname, int old_root, int new_root)
{
	cleanup_free char *new_path = NULL, *old_path = NULL;
	cleanup_close int new_fd = open_library(new_root, soname, &new_path);
	cleanup_close int old_fd = open_library(old_root, soname, &old_path);

	if (new_fd < 0 || old_fd < 0 || pairs->n == OBJECTS_MAX || is_known(pairs, new_path) ||
		is_same_file(old_fd, new_fd))
		return;
	add(pairs, take_ptr(new_path), take_fd(&old_fd), take_fd(&new_fd));
}

int objects_collect(struct object_pairs *pairs, const char *name, int old_fd, int new_fd,
	int old_root, int new_root, struct err *err)
{
	size_t first = pairs->n;

	if (pairs->n == OBJECTS_MAX) {
		close(old_fd);
		close(new_fd);
		return err_set(err, E2BIG, "more than %d objects", OBJECTS_MAX);
	}
	add(pairs, xstrdup(name), old_fd, new_fd);
	/* The list grows while it is walked: libraries have libraries. */
	for (size_t i = first; i < pairs->n; i++) {
		for (int side = 0; side < 2; side++) {
			struct needed needed = { 0 };
			int rc = elf_needed(pairs->v[i].fd[side], pairs->v[i].name, &needed, err);

			for (size_t k = 0; rc == 0 && k < needed.n; k++)
				add_library(pairs, needed.name[k], old_root, new_root);
			needed_free(&needed);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

void objects_free(struct object_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->v[i].name);
		close(pairs->v[i].fd[0]);
		close(pairs->v[i].fd[1]);
	}
	pairs->n = 0;
}

static int copy_object(const char *name, int *fd, struct err *err)
{
	cleanup_close int copy = -1;
	struct stat st;
	off_t at = 0;

	if (fstat(*fd, &st) < 0)
		return err_errno(err, errno, "%s", name);
	if (st.st_mode & S_IROTH || st.st_size > COPY_MAX)
		return 0;
	copy = memfd_create("object", MFD_CLOEXEC);
	if (copy < 0)
		return err_errno(err, errno, "memfd_create");
	while (at < st.st_size) {
		ssize_t n = sendfile(copy, *fd, &at, st.st_size - at);

		if (n < 0)
			return err_errno(err, errno, "%s: copy", name);
		if (n == 0)
			break;
	}
	close(*fd);
	*fd = take_fd(&copy);
	return 0;
}

int objects_open_to_all(struct object_pairs *pairs, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < pairs->n; i++) {
		rc = copy_object(pairs->v[i].name, &pairs->v[i].fd[0], err);
		if (rc == 0)
			rc = copy_object(pairs->v[i].name, &pairs->v[i].fd[1], err);
	}
	return rc;
}

static int hash_file(struct sha256 *sha, const char *name, int fd, struct err *err)
{
	static uint8_t buffer[1 << 16];
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, buffer, sizeof(buffer), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "%s: read", name);
		sha256_update(sha, buffer, n);
		at += n;
		if (n == 0 || at > COPY_MAX)
			break;
	}
	/* The length, so that bytes cannot move from one file to the next. */
	sha256_update(sha, &at, sizeof(at));
	return 0;
}

/* What both kinds of names depend on besides the files. */
static void begin_name(struct sha256 *sha)
{
	static const uint32_t format[] = { SEA_MAP_VERSION, SEA_ANALYSIS_VERSION };

	sha256_init(sha);
	sha256_update(sha, format, sizeof(format));
	sha256_update(sha, MX_VERSION, sizeof(MX_VERSION));
}

static void put_name(struct sha256 *sha, char ret_name[OBJECTS_KEY_LEN + 1])
{
	uint8_t digest[SHA256_LEN];

	sha256_final(sha, digest);
	for (size_t i = 0; i < SHA256_LEN; i++)
		snprintf(ret_name + 2 * i, 3, "%02x", digest[i]);
}

/* No device: overlays have another one each time that they are mounted. */
static bool id_file(struct sha256 *sha, int fd, time_t now)
{
	struct stat st;
	int64_t id[6];

	if (fstat(fd, &st) < 0)
		return false;
	id[0] = st.st_ino;
	id[1] = st.st_size;
	id[2] = st.st_mtim.tv_sec;
	id[3] = st.st_mtim.tv_nsec;
	id[4] = st.st_ctim.tv_sec;
	id[5] = st.st_ctim.tv_nsec;
	sha256_update(sha, id, sizeof(id));
	return st.st_ctim.tv_sec < now - SETTLED;
}

bool objects_id(const struct object_pairs *pairs, char ret_id[OBJECTS_KEY_LEN + 1])
{
	time_t now = time(NULL);
	bool settled = true;
	struct sha256 sha;

	begin_name(&sha);
	for (size_t i = 0; i < pairs->n; i++) {
		const struct object_pair *pair = &pairs->v[i];

		sha256_update(&sha, pair->name, strlen(pair->name) + 1);
		settled = id_file(&sha, pair->fd[0], now) && settled;
		settled = id_file(&sha, pair->fd[1], now) && settled;
	}
	if (settled)
		put_name(&sha, ret_id);
	else
		ret_id[0] = '\0';
	return settled;
}

int objects_key(
	const struct object_pairs *pairs, char ret_key[OBJECTS_KEY_LEN + 1], struct err *err)
{
	struct sha256 sha;
	int rc = 0;

	begin_name(&sha);
	for (size_t i = 0; rc == 0 && i < pairs->n; i++) {
		const struct object_pair *pair = &pairs->v[i];

		sha256_update(&sha, pair->name, strlen(pair->name) + 1);
		rc = hash_file(&sha, pair->name, pair->fd[0], err);
		if (rc == 0)
			rc = hash_file(&sha, pair->name, pair->fd[1], err);
	}
	if (rc == 0)
		put_name(&sha, ret_key);
	return rc;
}

int objects_map(
	const struct object_pairs *pairs, int out, uint64_t max, unsigned seconds, struct err *err)
{
	char old_paths[OBJECTS_MAX][32], new_paths[OBJECTS_MAX][32];
	const char *old_list[OBJECTS_MAX], *new_list[OBJECTS_MAX], *names[OBJECTS_MAX];
	struct sea_opts opts = { .limit_ms = seconds * 1000 / (pairs->n ? pairs->n : 1) };
	struct sea_map *map;
	int rc;

	for (size_t i = 0; i < pairs->n; i++) {
		snprintf(old_paths[i], sizeof(old_paths[i]), "/proc/self/fd/%d", pairs->v[i].fd[0]);
		snprintf(new_paths[i], sizeof(new_paths[i]), "/proc/self/fd/%d", pairs->v[i].fd[1]);
		old_list[i] = old_paths[i];
		new_list[i] = new_paths[i];
		names[i] = pairs->v[i].name;
	}
	rc = sea_analyze_pairs(old_list, new_list, names, pairs->n, &opts, &map, err);
	if (rc < 0)
		return err_context(err, "analyse %s", names[0]);
	if (map->size > max) {
		rc = err_set(err, EFBIG,
			"the map has %zu bytes, more than half of what state-size allows",
			(size_t)map->size);
	} else {
		rc = io_write_all(out, map->base, map->size);
		if (rc < 0)
			err_errno(err, -rc, "write the map");
	}
	sea_map_close(map);
	return rc;
}
