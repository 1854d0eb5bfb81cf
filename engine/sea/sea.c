/* SPDX-License-Identifier: Apache-2.0 */
/* The analyser's door: files, directories, and the cache. */
#include "sea/sea.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "sea/pair.h"
#include "sea/sha256.h"
#include "sea/walk.h"

static const struct sea_opts no_opts;

static bool hash_file(const char *path, uint8_t ret[SHA256_LEN])
{
	cleanup_free uint8_t *data = NULL;
	struct sha256 sha;
	size_t size;

	if (sea_file_read(path, &data, &size, NULL) < 0)
		return false;
	sha256_init(&sha);
	sha256_update(&sha, data, size);
	sha256_final(&sha, ret);
	return true;
}

/*
 * The name of a pair in the cache: a digest of both files' bytes and of what else decides the
 * result. A build-id alone would not do: a file can claim any.
 */
static char *cache_path(
	const char *const paths[2], const struct sea_opts *opts, uint8_t ret_sha[2][SHA256_LEN])
{
	uint32_t salt[] = { SEA_MAP_VERSION, SEA_ANALYSIS_VERSION, opts->no_symbols,
		opts->no_exports, opts->no_types };
	cleanup_str struct str name = STR_INIT;
	uint8_t digest[SHA256_LEN];
	struct sha256 sha;

	/* Debug files come from elsewhere, and may come later. */
	if (!opts->cache_dir || opts->debug_root[0] || opts->debug_root[1])
		return NULL;
	sha256_init(&sha);
	sha256_update(&sha, salt, sizeof(salt));
	for (int s = 0; s < 2; s++) {
		if (!hash_file(paths[s], ret_sha[s]))
			return NULL;
		sha256_update(&sha, ret_sha[s], SHA256_LEN);
	}
	sha256_final(&sha, digest);
	for (int i = 0; i < SHA256_LEN; i++)
		str_printf(&name, "%02x", digest[i]);
	return xasprintf("%s/%s.map", opts->cache_dir, str_text(&name));
}

/* A cache that cannot be written costs time, nothing else. */
static void keep(const char *path, const struct sea_map *map)
{
	int rc = io_replace_file(path, map->base, map->size, 0600, NULL);

	(void)rc;
}

/* One pair, from the cache or made now. What is wrong with the cache only loses its help. */
static void one_pair(struct sea_map_builder *b, const char *old_path, const char *new_path,
	const char *name, const struct sea_opts *opts)
{
	const char *const paths[2] = { old_path, new_path };
	uint8_t sha[2][SHA256_LEN];
	cleanup_free char *path = cache_path(paths, opts, sha);
	cleanup_free uint8_t *data = NULL;
	struct sea_map_builder *one;
	struct sea_map *map = NULL;
	struct sea_map_object *o;
	struct err err = { 0 };
	uint32_t first;
	size_t size;

	if (path && sea_map_open(path, &map, NULL) == 0 &&
		(sea_map_count(map) != 1 ||
			memcmp(sha, sea_map_object(map, 0)->sha, sizeof(sha)))) {
		sea_map_close(map);
		map = NULL;
	}
	if (!map) {
		one = sea_map_builder_new();
		sea_analyze_pair(one, old_path, new_path, name, opts);
		if (sea_map_finish(one, &data, &size, &err) < 0 ||
			sea_map_parse(take_ptr(data), size, &map, &err) < 0) {
			o = sea_map_add_object(b);
			o->state = SEA_O_REFUSED;
			o->path[0] = o->path[1] = sea_map_add_string(b, name ? name : old_path);
			o->reason = sea_map_add_string(b, err.text);
			return;
		}
		if (path && sea_map_object(map, 0)->state != SEA_O_REFUSED)
			keep(path, map);
	}
	first = sea_map_builder_count(b);
	sea_map_add_map(b, map);
	o = sea_map_builder_object(b, first);
	o->path[0] = sea_map_add_string(b, name ? name : old_path);
	o->path[1] = sea_map_add_string(b, name ? name : new_path);
	sea_map_close(map);
}

static int finish(struct sea_map_builder *b, struct sea_map **ret, struct err *err)
{
	uint8_t *data;
	size_t size;
	int rc = sea_map_finish(b, &data, &size, err);

	return rc < 0 ? rc : sea_map_parse(data, size, ret, err);
}

int sea_analyze_pairs(const char *const *old_paths, const char *const *new_paths,
	const char *const *names, size_t n, const struct sea_opts *opts, struct sea_map **ret,
	struct err *err)
{
	struct sea_map_builder *b = sea_map_builder_new();

	for (size_t i = 0; i < n; i++)
		one_pair(b, old_paths[i], new_paths[i], names ? names[i] : NULL,
			opts ? opts : &no_opts);
	return finish(b, ret, err);
}

static void alone(struct sea_map_builder *b, const char *name, bool is_new)
{
	struct sea_map_object *o = sea_map_add_object(b);

	o->state = is_new ? SEA_O_ONLY_NEW : SEA_O_ONLY_OLD;
	o->path[is_new] = sea_map_add_string(b, name);
}

static int directories(const char *old_path, const char *new_path, const struct sea_opts *opts,
	struct sea_map **ret, struct err *err)
{
	struct sea_map_builder *b;
	struct sea_pairing p;
	int rc = sea_walk(old_path, new_path, &p, err);

	if (rc < 0)
		return rc;
	b = sea_map_builder_new();
	for (uint32_t i = 0; i < p.n; i++) {
		cleanup_free char *o = NULL, *n = NULL;

		if (!p.v[i].old_name || !p.v[i].new_name) {
			alone(b, p.v[i].old_name ? p.v[i].old_name : p.v[i].new_name,
				!p.v[i].old_name);
			continue;
		}
		o = xasprintf("%s/%s", old_path, p.v[i].old_name);
		n = xasprintf("%s/%s", new_path, p.v[i].new_name);
		one_pair(b, o, n, p.v[i].new_name, opts);
	}
	sea_pairing_free(&p);
	return finish(b, ret, err);
}

int sea_analyze(const char *old_path, const char *new_path, const struct sea_opts *opts,
	struct sea_map **ret, struct err *err)
{
	struct stat o, n;

	if (stat(old_path, &o) < 0)
		return err_errno(err, errno, "%s", old_path);
	if (stat(new_path, &n) < 0)
		return err_errno(err, errno, "%s", new_path);
	if (S_ISDIR(o.st_mode) != S_ISDIR(n.st_mode))
		return err_set(err, EINVAL, "one is a directory and the other is not");
	if (!opts)
		opts = &no_opts;
	if (S_ISDIR(o.st_mode))
		return directories(old_path, new_path, opts, ret, err);
	return sea_analyze_pairs(&old_path, &new_path, NULL, 1, opts, ret, err);
}
