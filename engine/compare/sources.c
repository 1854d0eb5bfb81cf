/* SPDX-License-Identifier: Apache-2.0 */
/* How many lines of source code differ between two versions. */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "compare/study.h"

#define FILE_MAX   (16u << 20)
#define FILES_MAX  100000
#define WORK	   50000000ul
#define OPEN_FILES 16

/* nftw(3) hands nothing on to its function. The walk in progress; one thread. */
static struct {
	char **paths; /* relative to the directory */
	size_t n, begin;
} walk;

static bool is_source(const char *name)
{
	static const char *const ends[] = { ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".S",
		".inc", ".def" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (str_ends(name, ends[i]))
			return true;
	}
	return false;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type != FTW_F || !is_source(path + ftw->base) || walk.n == FILES_MAX)
		return 0;
	walk.paths = xreallocarray(walk.paths, walk.n + 1, sizeof(*walk.paths));
	walk.paths[walk.n++] = xstrdup(path + walk.begin);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(const char *dir, char ***ret, size_t *ret_n, struct err *err)
{
	walk.paths = NULL;
	walk.n = 0;
	walk.begin = strlen(dir);
	if (nftw(dir, visit, OPEN_FILES, FTW_PHYS) < 0)
		return err_errno(err, errno, "%s", dir);
	if (walk.n)
		qsort(walk.paths, walk.n, sizeof(*walk.paths), by_name);
	*ret = walk.paths;
	*ret_n = walk.n;
	return 0;
}

/* The file's lines as numbers; one that is not there has none. */
static int read_lines(const char *dir, const char *path, struct interner *in, uint32_t **ret,
	uint32_t *ret_n, struct err *err)
{
	cleanup_free char *full = path ? xasprintf("%s%s", dir, path) : NULL;
	cleanup_str struct str text = STR_INIT;
	size_t room = 0;
	uint32_t n = 0;
	char *at, *end;

	*ret = NULL;
	*ret_n = 0;
	if (!full)
		return 0;
	if (io_read_file(full, FILE_MAX, &text, err) < 0)
		return -err->code;
	for (at = text.data; text.len && at < text.data + text.len; at = end + 1) {
		end = memchr(at, '\n', text.data + text.len - at);
		if (!end)
			end = text.data + text.len;
		if (n == room) {
			room = room ? room * 2 : 256;
			*ret = xreallocarray(*ret, room, sizeof(**ret));
		}
		(*ret)[n++] = interner_number(in, at, end - at);
	}
	*ret_n = n;
	return 0;
}

static int compare_files(const char *const dirs[2], const char *a, const char *b,
	struct interner *in, uint64_t *lines, struct err *err)
{
	cleanup_free uint32_t *x = NULL, *y = NULL;
	struct myers m = { 0 };
	uint32_t nx, ny;
	int rc = read_lines(dirs[0], a, in, &x, &nx, err);

	if (rc == 0)
		rc = read_lines(dirs[1], b, in, &y, &ny, err);
	if (rc < 0)
		return rc;
	myers_compare(x, nx, y, ny, WORK, &m);
	*lines += m.distance;
	myers_free(&m);
	return 0;
}

static void free_list(char **paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
}

int sources_compare(const char *old, const char *new, uint64_t *ret_lines, struct err *err)
{
	const char *const dirs[2] = { old, new };
	struct interner *in = interner_new();
	char **a = NULL, **b = NULL;
	size_t na = 0, nb = 0, i = 0, k = 0;
	uint64_t lines = 0;
	int rc = list(old, &a, &na, err);

	if (rc == 0)
		rc = list(new, &b, &nb, err);
	while (rc == 0 && (i < na || k < nb)) {
		int order = i == na ? 1 : k == nb ? -1 : strcmp(a[i], b[k]);

		rc = compare_files(
			dirs, order <= 0 ? a[i] : NULL, order >= 0 ? b[k] : NULL, in, &lines, err);
		i += order <= 0;
		k += order >= 0;
	}
	free_list(a, na);
	free_list(b, nb);
	interner_free(in);
	if (rc == 0)
		*ret_lines = lines;
	return rc;
}
