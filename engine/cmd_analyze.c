/* SPDX-License-Identifier: Apache-2.0 */
/* mx analyze: what two versions of a program have in common, and what recovery can rely on. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "sea/sea.h"

#define EXIT_UNRELATED 3 /* not two versions of one program */

struct request {
	struct sea_opts opts;
	struct sea_report_opts report;
	const char *map, *function, *read;
	bool json, quiet;
};

enum {
	O_DEBUG_OLD = 256,
	O_DEBUG_NEW,
	O_CACHE,
	O_LIMIT,
	O_NO_SYMBOLS,
	O_NO_EXPORTS,
	O_NO_TYPES,
	O_READ
};

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "output", required_argument, NULL, 'o' },
	{ "function", required_argument, NULL, 'f' },
	{ "all", no_argument, NULL, 'a' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "read", required_argument, NULL, O_READ },
	{ "debug-old", required_argument, NULL, O_DEBUG_OLD },
	{ "debug-new", required_argument, NULL, O_DEBUG_NEW },
	{ "cache", required_argument, NULL, O_CACHE },
	{ "time-limit", required_argument, NULL, O_LIMIT },
	{ "no-symbols", no_argument, NULL, O_NO_SYMBOLS },
	{ "no-exports", no_argument, NULL, O_NO_EXPORTS },
	{ "no-types", no_argument, NULL, O_NO_TYPES },
	{ NULL, 0, NULL, 0 },
};

static int parse_option(struct request *r, int c, const char *word)
{
	long n;

	switch (c) {
	case 'j':
		r->json = true;
		return 0;
	case 'o':
		r->map = optarg;
		return 0;
	case 'f':
		r->function = optarg;
		return 0;
	case 'a':
		r->report.all = true;
		return 0;
	case 'q':
		r->quiet = true;
		return 0;
	case O_READ:
		r->read = optarg;
		return 0;
	case O_DEBUG_OLD:
	case O_DEBUG_NEW:
		r->opts.debug_root[c == O_DEBUG_NEW] = optarg;
		return 0;
	case O_CACHE:
		r->opts.cache_dir = optarg;
		return 0;
	case O_LIMIT:
		if (str_to_long(optarg, 1, 86400, &n) < 0)
			return cmd_usage_error(&cmd_analyze,
				"--time-limit wants seconds, 1 to 86400, not '%s'", optarg);
		r->opts.limit_ms = n * 1000;
		return 0;
	case O_NO_SYMBOLS:
		r->opts.no_symbols = true;
		return 0;
	case O_NO_EXPORTS:
		r->opts.no_exports = true;
		return 0;
	case O_NO_TYPES:
		r->opts.no_types = true;
		return 0;
	case ':':
		return cmd_usage_error(&cmd_analyze, "%s wants a value", word);
	default:
		return cmd_usage_error(&cmd_analyze, "no such option: %s", word);
	}
}

static int failed(const struct err *err)
{
	fprintf(stderr, "mx analyze: %s\n", err->text);
	return 1;
}

/* The worst that was met decides: nothing analysed is an error, another program is its own. */
static int status_of(const struct sea_map *map)
{
	bool unrelated = false, useful = false, refused = false;

	for (uint32_t i = 0; i < sea_map_count(map); i++) {
		uint32_t state = sea_map_object(map, i)->state;

		useful |= state == SEA_O_ANALYSED || state == SEA_O_IDENTICAL;
		unrelated |= state == SEA_O_UNRELATED;
		refused |= state == SEA_O_REFUSED;
	}
	if (useful || (!unrelated && !refused))
		return 0;
	return unrelated ? EXIT_UNRELATED : 1;
}

/* To a file, or as the report would be: to standard output. */
static int write_map(const struct request *r, const struct sea_map *map, struct err *err)
{
	int rc;

	if (strcmp(r->map, "-") != 0)
		return io_replace_file(r->map, map->base, map->size, 0644, err);
	rc = io_write_all(STDOUT_FILENO, map->base, map->size);
	return rc < 0 ? err_errno(err, -rc, "write the map") : 0;
}

static int report(const struct request *r, const struct sea_map *map)
{
	cleanup_str struct str out = STR_INIT;
	struct err err;

	if (r->map && write_map(r, map, &err) < 0)
		return failed(&err);
	if (r->json)
		sea_report_json(map, &out);
	else if (!r->quiet && !(r->map && strcmp(r->map, "-") == 0))
		sea_report_text(map, &r->report, &out);
	fwrite(str_text(&out), 1, out.len, stdout);
	return status_of(map);
}

static int analyze(
	int argc, char **argv, const struct sea_opts *opts, struct sea_map **ret, struct err *err)
{
	cleanup_free const char **paths = NULL;
	const size_t n = argc / 2;

	if (n == 1)
		return sea_analyze(argv[0], argv[1], opts, ret, err);
	paths = xreallocarray(NULL, 2 * n, sizeof(*paths));
	for (size_t i = 0; i < n; i++) {
		paths[i] = argv[2 * i];
		paths[n + i] = argv[2 * i + 1];
	}
	return sea_analyze_pairs(paths, paths + n, NULL, n, opts, ret, err);
}

static int run(int argc, char **argv)
{
	struct request r = { 0 };
	struct sea_map *map;
	struct err err;
	int c, status;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:jo:f:aq", options, NULL)) != -1) {
		status = parse_option(&r, c, argv[optind - 1]);
		if (status)
			return status;
	}
	argc -= optind;
	argv += optind;
	if (r.read ? argc != 0 : argc < 2 || argc % 2 || (r.function && argc != 2))
		return cmd_usage_error(&cmd_analyze,
			r.read ? "--read takes a map and no files"
			       : "two files or two directories, or more pairs of files");
	if (r.function) {
		cleanup_str struct str out = STR_INIT;

		if (r.read || r.json || r.map)
			return cmd_usage_error(&cmd_analyze,
				"--function cannot be combined with --read, --json or -o");
		if (sea_report_function(argv[0], argv[1], r.function, &r.opts, &out, &err) < 0)
			return failed(&err);
		fwrite(str_text(&out), 1, out.len, stdout);
		return 0;
	}
	if (r.read ? sea_map_open(r.read, &map, &err) < 0
		   : analyze(argc, argv, &r.opts, &map, &err) < 0)
		return failed(&err);
	status = report(&r, map);
	sea_map_close(map);
	return status;
}

const struct cmd cmd_analyze = {
	.name = "analyze",
	.args = "[OPTION...] OLD NEW [OLD NEW]...",
	.summary = "compare two versions of a program: what recovery can rely on",
	.run = run,
	.help = "OLD and NEW are programs, libraries, or directories such as the roots of two "
		"images. Several pairs of files give one map.\n"
		"\n"
		"  -o, --output=MAP     write the map that recovery uses; - is standard output, "
		"and\n"
		"                       there is no report then\n"
		"  -j, --json           the whole map as JSON instead of the report\n"
		"  -f, --function=NAME  one function side by side; NAME may be an address (0x...)\n"
		"  -a, --all            list everything, not only the first of each kind\n"
		"  -q, --quiet          no report\n"
		"      --read=MAP       report on a map that was written before\n"
		"      --debug-old=DIR  where .build-id/ with debug files of OLD lies\n"
		"      --debug-new=DIR  the same for NEW\n"
		"      --cache=DIR      keep maps of pairs in DIR, and use those that are there\n"
		"      --time-limit=S   give up on a pair of objects after S seconds (60)\n"
		"      --no-symbols     act as if both were stripped\n"
		"      --no-exports     and as if exported functions had no names\n"
		"      --no-types       do not read debug information\n"
		"\n"
		"Exit status: 0 analysed or identical, 1 nothing could be analysed, 2 usage,\n"
		"3 not the same program.\n",
};
