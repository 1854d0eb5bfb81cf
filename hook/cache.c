/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/folders.h"
#include "oci/state.h"
#include "sea/map.h"

#define CACHE_MAPS 256

void map_cache_open(const struct config *config, struct map_cache *ret_cache)
{
	cleanup_free char *dir = NULL;
	struct err ignored;

	*ret_cache = (struct map_cache){ .fd = -1 };
	if (state_cache_dir(config, &dir, &ignored) < 0 || folders_make(dir, 0755, &ignored) < 0)
		return;
	ret_cache->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret_cache->fd >= 0)
		ret_cache->dir = take_ptr(dir);
}

void map_cache_close(struct map_cache *cache)
{
	if (cache->fd >= 0)
		close(cache->fd);
	free(cache->dir);
	*cache = (struct map_cache){ .fd = -1 };
}

static bool is_whole(int fd, uint64_t max, off_t *ret_size)
{
	struct sea_map_header header;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
		memcmp(header.magic, SEA_MAP_MAGIC, sizeof(header.magic)) != 0 ||
		header.file_size != (uint64_t)st.st_size || header.file_size > max)
		return false;
	*ret_size = st.st_size;
	return true;
}

bool map_cache_copy(
	const struct map_cache *cache, const char *name, const char *kind, int out, uint64_t max)
{
	cleanup_free char *file = xasprintf("%s.%s", name, kind);
	cleanup_close int fd =
		cache->fd < 0 ? -1 : openat(cache->fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	off_t at = 0, size;

	if (!is_whole(fd, max, &size))
		return false;
	while (at < size) {
		if (sendfile(out, fd, &at, size - at) <= 0)
			break;
	}
	if (at == size)
		return true;
	if (ftruncate(out, 0) < 0 || lseek(out, 0, SEEK_SET) < 0)
		fprintf(stderr, "mx-hook: cannot begin the map again: %m\n");
	return false;
}

static int keep_by_contents(
	const struct map_cache *cache, const struct map_names *names, int map, struct err *err)
{
	cleanup_free char *path =
		xasprintf("%s/%.*s." MAP_BY_CONTENTS, cache->dir, OBJECTS_KEY_LEN, names->key);
	cleanup_str struct str text = STR_INIT;
	int rc = 0;

	if (lseek(map, 0, SEEK_SET) < 0)
		rc = err_errno(err, errno, "read the map");
	if (rc == 0)
		rc = io_read_fd(map, SEA_MAP_MAX, &text, err);
	if (rc == 0)
		rc = io_replace_passing_file(path, text.data, text.len, 0644, err);
	return rc;
}

void map_cache_keep(const struct map_cache *cache, const struct map_names *names, int map)
{
	cleanup_free char *file = xasprintf("%.*s." MAP_BY_CONTENTS, OBJECTS_KEY_LEN, names->key);
	cleanup_free char *link = xasprintf("%.*s." MAP_BY_ID, OBJECTS_KEY_LEN, names->id);
	struct err err = { 0 };

	if (cache->fd < 0 || !names->key[0])
		return;
	if (names->made && keep_by_contents(cache, names, map, &err) < 0)
		fprintf(stderr, "mx-hook: the map is not kept: %s\n", err.text);
	folders_prune(cache->dir, "." MAP_BY_CONTENTS, CACHE_MAPS);
	if (err.code || !names->id[0])
		return;
	/* Without it the files are read the next time. */
	if (unlinkat(cache->fd, link, 0) < 0 && errno != ENOENT)
		return;
	if (linkat(cache->fd, file, cache->fd, link, 0) == 0)
		folders_prune(cache->dir, "." MAP_BY_ID, CACHE_MAPS);
}
