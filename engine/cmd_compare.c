/* SPDX-License-Identifier: Apache-2.0 */
/* mx compare: will these two versions run together? */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "compare/report.h"
#include "compare/study.h"
#include "series_file.h"

#define EXIT_APART 1 /* they would not run together to the end */

#define LIMIT_S	  60
#define GRACE_S	  10
#define WIDTH_MIN 40
#define WIDTH	  100

enum {
	OPT_WORKLOAD = 256,
	OPT_STDIN,
	OPT_FILES,
	OPT_HERE,
	OPT_ARGV0,
	OPT_SHARED,
	OPT_LIMIT,
	OPT_CALLS_ONLY,
	OPT_AGAIN,
	OPT_NO_RECOVERY,
	OPT_WIDTH,
	OPT_SERIES,
	OPT_SOURCES,
	OPT_SVG,
	OPT_READ,
};

static const struct option options[] = {
	{ "workload", required_argument, NULL, OPT_WORKLOAD },
	{ "stdin", required_argument, NULL, OPT_STDIN },
	{ "files", required_argument, NULL, OPT_FILES },
	{ "here", no_argument, NULL, OPT_HERE },
	{ "argv0", required_argument, NULL, OPT_ARGV0 },
	{ "shared-path", required_argument, NULL, OPT_SHARED },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "calls-only", no_argument, NULL, OPT_CALLS_ONLY },
	{ "again", required_argument, NULL, OPT_AGAIN },
	{ "no-recovery", no_argument, NULL, OPT_NO_RECOVERY },
	{ "width", required_argument, NULL, OPT_WIDTH },
	{ "series", no_argument, NULL, OPT_SERIES },
	{ "sources", required_argument, NULL, OPT_SOURCES },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "read", required_argument, NULL, OPT_READ },
	{ "json", no_argument, NULL, 'j' },
	{ "all", no_argument, NULL, 'a' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"OLD and NEW are two versions of a program, which are run with ARGS; or two directories\n"
	"with the roots of two images, and ARGS begin with the program. Each version runs alone,\n"
	"with the same workload, and what they ask of the kernel is compared.\n"
	"\n"
	"      --workload=SCRIPT  run SCRIPT, which drives the server that was started, then end\n"
	"                         the server by SIGTERM; MX_VERSION tells it old from new\n"
	"      --stdin=FILE       standard input of the versions (default: empty)\n"
	"      --files=DIR        start each version in a new copy of DIR (default: in a new,\n"
	"                         empty directory)\n"
	"      --here             start each version in the caller's directory, or in the root\n"
	"      --argv0=NAME       the name that both versions are called by (default: NEW)\n"
	"      --shared-path=PATH the same for both versions, with roots; can be repeated\n"
	"      --limit=SECONDS    end a version, or a workload, that takes longer (default: 60)\n"
	"      --calls-only       compare the calls without their arguments\n"
	"      --again=N          run OLD, and NEW, so often again, where the two differ, to "
	"learn\n"
	"                         what they do otherwise each time (default: 1)\n"
	"      --no-recovery      do not analyse the programs' code\n"
	"  -j, --json             the whole comparison as JSON\n"
	"  -a, --all              every difference, whole, not only the first ones\n"
	"      --width=COLUMNS    of the report (default: 100)\n"
	"\n"
	"      --series           compare a row of versions, each with the one before it\n"
	"      --sources=DIR      where a version's sources lie; once for each, in their order\n"
	"      --svg=FILE         draw the series\n"
	"      --read=FILE        take the series from FILE, which --series --json has written\n"
	"\n"
	"Exit status: 0 the versions would run together, 1 they would part, or one crashes,\n"
	"2 usage, 125 the engine failed, 126 a program cannot be executed, 127 there is none.\n";

struct request {
	struct study study;
	struct record_config record; /* what all versions have in common */
	char **given;		     /* versions */
	int ngiven;
	char **args;
	const char **shared, **sources;
	int nshared, nsources;
	const char *svg, *read;
	unsigned width;
	bool series, json, all;
};

static int parse_number(const char *what, const char *arg, long min, long max, unsigned *ret)
{
	long n;

	if (str_to_long(arg, min, max, &n) < 0)
		return cmd_usage_error(
			&cmd_compare, "%s wants a number from %ld to %ld", what, min, max);
	*ret = (unsigned)n;
	return 0;
}

static void add(const char ***list, int *n, const char *arg)
{
	*list = xreallocarray(*list, *n + 2, sizeof(**list));
	(*list)[(*n)++] = arg;
	(*list)[*n] = NULL;
}

static int parse_run_option(struct request *r, int c, const char *word)
{
	switch (c) {
	case OPT_WORKLOAD:
		r->record.workload = optarg;
		return 0;
	case OPT_STDIN:
		r->record.input = optarg;
		return 0;
	case OPT_FILES:
		r->study.files = optarg;
		return 0;
	case OPT_HERE:
		r->study.here = true;
		return 0;
	case OPT_ARGV0:
		r->study.argv0 = optarg;
		return 0;
	case OPT_SHARED:
		if (optarg[0] != '/')
			return cmd_usage_error(&cmd_compare, "--shared-path wants a whole path");
		add(&r->shared, &r->nshared, optarg);
		return 0;
	case OPT_LIMIT:
		return parse_number("--limit", optarg, 1, 86400, &r->record.limit);
	case OPT_AGAIN:
		return parse_number("--again", optarg, 0, PAIR_RUNS_MAX - 1, &r->study.again);
	case ':':
		return cmd_usage_error(&cmd_compare, "%s wants a value", word);
	default:
		return cmd_usage_error(&cmd_compare, "no such option: %s", word);
	}
}

static int parse_option(struct request *r, int c, const char *word)
{
	switch (c) {
	case OPT_CALLS_ONLY:
		r->study.calls_only = true;
		return 0;
	case OPT_NO_RECOVERY:
		r->study.no_recovery = true;
		return 0;
	case OPT_WIDTH:
		return parse_number("--width", optarg, WIDTH_MIN, 10000, &r->width);
	case OPT_SERIES:
		r->series = true;
		return 0;
	case OPT_SOURCES:
		add(&r->sources, &r->nsources, optarg);
		return 0;
	case OPT_SVG:
		r->svg = optarg;
		return 0;
	case OPT_READ:
		r->read = optarg;
		return 0;
	case 'j':
		r->json = true;
		return 0;
	case 'a':
		r->all = true;
		return 0;
	default:
		return parse_run_option(r, c, word);
	}
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * A relative name among the arguments that is a file here would not be one there, and what was
 * compared would be how the versions complain of that.
 */
static int check_files(char *const *args)
{
	struct stat st;

	for (; *args; args++)
		if ((*args)[0] != '/' && (*args)[0] != '-' && stat(*args, &st) == 0)
			return cmd_usage_error(&cmd_compare,
				"%s is a file here, but the versions would start in a directory of "
				"their own: --here starts them here, --files=DIR in a copy of DIR",
				*args);
	return 0;
}

static int failed(int rc, const struct err *err)
{
	fprintf(stderr, "mx compare: %s\n", err->text);
	return rc == -ENOENT			 ? MX_EXIT_NO_FILE
	       : rc == -EACCES || rc == -ENOEXEC ? MX_EXIT_NO_EXEC
						 : MX_EXIT_ENGINE;
}

/* Is all of it written? The caller's standard output is checked by main. */
static int print(const struct str *out)
{
	fwrite(str_text(out), 1, out->len, stdout);
	return 0;
}

static int print_pair(const struct request *r, const struct subject *subjects, const struct pair *p)
{
	const struct report report = { .names = { subjects[0].given, subjects[1].given },
		.comparison = p->comparison,
		.names_only = p->names,
		.forecast = &p->forecast,
		.outlook = &p->outlook,
		.width = r->width,
		.all = r->all };
	cleanup_str struct str out = STR_INIT;
	struct jsonw w;

	if (r->json) {
		jsonw_init(&w, &out, true);
		comparison_report_json(&w, &report);
		str_putc(&out, '\n');
	} else {
		comparison_report_text(&out, &report);
	}
	return print(&out);
}

static int print_series(const struct request *r, const struct series *s, struct err *err)
{
	cleanup_str struct str out = STR_INIT, svg = STR_INIT;
	struct jsonw w;
	int rc;

	if (r->svg) {
		series_svg(&svg, s);
		rc = io_replace_file(r->svg, str_text(&svg), svg.len, 0644, err);
		if (rc < 0)
			return rc;
	}
	if (r->json) {
		jsonw_init(&w, &out, true);
		series_json(&w, s);
		str_putc(&out, '\n');
	} else {
		series_text(&out, s);
	}
	return print(&out);
}

static bool is_together(enum verdict verdict)
{
	return verdict == VERDICT_IDENTICAL || verdict == VERDICT_TOGETHER;
}

static int compare_two(const struct request *r, struct subject *subjects, struct err *err)
{
	struct pair pair;
	int rc = pair_compare(&r->study, &subjects[0], &subjects[1], &pair, err);

	if (rc < 0)
		return rc;
	rc = print_pair(r, subjects, &pair);
	if (rc == 0 && !is_together(pair.forecast.verdict))
		rc = EXIT_APART;
	pair_free(&pair);
	return rc;
}

static int compare_series(const struct request *r, struct subject *subjects, struct err *err)
{
	struct series series = { 0 };
	bool together = true;
	struct pair pair;
	int rc = 0;

	for (int i = 1; i < r->ngiven && rc == 0; i++) {
		rc = pair_compare(&r->study, &subjects[i - 1], &subjects[i], &pair, err);
		if (rc < 0)
			break;
		series_add(&series, &subjects[i - 1], &subjects[i], &pair);
		together = together && is_together(pair.forecast.verdict);
		pair_free(&pair);
	}
	if (rc == 0)
		rc = print_series(r, &series, err);
	series_free(&series);
	return rc == 0 && !together ? EXIT_APART : rc;
}

static int run_all(struct request *r)
{
	struct subject *subjects = xzalloc(r->ngiven * sizeof(*subjects));
	struct err err;
	int rc = 0;

	for (int i = 0; i < r->ngiven && rc == 0; i++) {
		subjects[i].record = r->record;
		subjects[i].record.name = i == 0 ? "old" : "new";
		subjects[i].sources = i < r->nsources ? r->sources[i] : NULL;
		rc = subject_init(&subjects[i], &r->study, r->given[i], r->args, r->shared, &err);
	}
	for (int i = 0; i < r->ngiven && rc == 0; i++)
		rc = subject_record(&subjects[i], i == 0, &err);
	if (rc == 0)
		rc = r->series ? compare_series(r, subjects, &err) : compare_two(r, subjects, &err);
	if (rc < 0)
		rc = failed(rc, &err);
	for (int i = 0; i < r->ngiven; i++)
		subject_free(&subjects[i]);
	free(subjects);
	return rc;
}

static int show_file(const struct request *r)
{
	struct series series = { 0 };
	struct err err;
	int rc = series_file_read(r->read, &series, &err);

	if (rc == 0)
		rc = print_series(r, &series, &err);
	series_free(&series);
	return rc < 0 ? failed(-EIO, &err) : 0;
}

/* What is no option: versions, and after "--" the arguments that they get. */
static int parse_words(struct request *r, int argc, char **argv)
{
	r->given = argv;
	while (r->ngiven < argc && strcmp(argv[r->ngiven], "--") != 0)
		r->ngiven++;
	if (r->read)
		return argc == 0 && r->series
			       ? 0
			       : cmd_usage_error(&cmd_compare,
					 "--read goes with --series, and takes no versions");
	if (r->series ? r->ngiven < 2 : r->ngiven != 2)
		return cmd_usage_error(&cmd_compare,
			r->series ? "a series has two versions at least"
				  : "OLD and NEW are needed; the program's arguments come "
				    "after '--'");
	if (!r->series && (r->svg || r->nsources))
		return cmd_usage_error(
			&cmd_compare, "%s goes with --series", r->svg ? "--svg" : "--sources");
	if (r->nsources && r->nsources != r->ngiven)
		return cmd_usage_error(&cmd_compare, "--sources is needed for each version");
	if (r->study.here && r->study.files)
		return cmd_usage_error(&cmd_compare, "--here and --files exclude each other");
	/* getopt leaves the NULL at the end of argv in its place. */
	r->args = argv + r->ngiven + (r->ngiven < argc);
	/* As mx run calls them. */
	if (!r->study.argv0 && !is_directory(r->given[r->ngiven - 1]))
		r->study.argv0 = r->given[r->ngiven - 1];
	return r->study.here || r->study.files ? 0 : check_files(r->args);
}

static int run(int argc, char **argv)
{
	struct request r = {
		.width = WIDTH, .study.again = 1, .record = { .limit = LIMIT_S, .grace = GRACE_S }
	};
	int c, rc = 0;

	sigprocmask(SIG_SETMASK, NULL, &r.record.sigmask);
	optind = 0;
	opterr = 0;
	while (rc == 0 && (c = getopt_long(argc, argv, "+:jah", options, NULL)) != -1) {
		if (c == 'h') {
			cmd_print_help(&cmd_compare);
			return 0;
		}
		rc = parse_option(&r, c, argv[optind - 1]);
	}
	if (rc == 0)
		rc = parse_words(&r, argc - optind, argv + optind);
	if (rc == 0)
		rc = r.read ? show_file(&r) : run_all(&r);
	free(r.shared);
	free(r.sources);
	return rc;
}

const struct cmd cmd_compare = {
	.name = "compare",
	.args = "[OPTION...] OLD NEW [-- ARGS...]",
	.summary = "tell beforehand whether two versions would run together",
	.run = run,
	.help = help,
};
