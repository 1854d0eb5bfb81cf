/* SPDX-License-Identifier: Apache-2.0 */
/* mx compare: will these two versions run together? */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "cmd.h"
#include "compare/place.h"
#include "compare/record.h"
#include "compare/report.h"

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
	OPT_LIMIT,
	OPT_CALLS_ONLY,
	OPT_AGAIN,
	OPT_NO_RECOVERY,
	OPT_WIDTH,
};

static const struct option options[] = {
	{ "workload", required_argument, NULL, OPT_WORKLOAD },
	{ "stdin", required_argument, NULL, OPT_STDIN },
	{ "files", required_argument, NULL, OPT_FILES },
	{ "here", no_argument, NULL, OPT_HERE },
	{ "argv0", required_argument, NULL, OPT_ARGV0 },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "calls-only", no_argument, NULL, OPT_CALLS_ONLY },
	{ "again", required_argument, NULL, OPT_AGAIN },
	{ "no-recovery", no_argument, NULL, OPT_NO_RECOVERY },
	{ "width", required_argument, NULL, OPT_WIDTH },
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
	"                         empty directory; with roots: in the root)\n"
	"      --here             start each version in the caller's directory\n"
	"      --argv0=NAME       the name that both versions are called by (default: NEW)\n"
	"      --limit=SECONDS    end a version, or a workload, that takes longer (default: 60)\n"
	"      --calls-only       compare the calls without their arguments\n"
	"      --again=N          run OLD so often again, where the two differ, to learn what it "
	"does\n"
	"                         otherwise each time (default: 1)\n"
	"      --no-recovery      do not analyse the programs' code\n"
	"  -j, --json             the whole comparison as JSON\n"
	"  -a, --all              every difference, whole, not only the first ones\n"
	"      --width=COLUMNS    of the report (default: 100)\n"
	"\n"
	"Exit status: 0 the versions would run together, 1 they would part, or one crashes,\n"
	"2 usage, 125 the engine failed, 126 a program cannot be executed, 127 there is none.\n";

struct request {
	struct record_config record[2];
	const char *given[2]; /* on the command line */
	char *file[2];	      /* where the programs lie, for the analysis */
	const char *files, *argv0;
	unsigned width, again;
	bool here, calls_only, no_recovery, json, all;
	struct place *place;
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

static int parse_option(struct request *r, int c, const char *word)
{
	unsigned limit = 0;

	switch (c) {
	case OPT_WORKLOAD:
		r->record[0].workload = r->record[1].workload = optarg;
		return 0;
	case OPT_STDIN:
		r->record[0].input = r->record[1].input = optarg;
		return 0;
	case OPT_FILES:
		r->files = optarg;
		return 0;
	case OPT_HERE:
		r->here = true;
		return 0;
	case OPT_ARGV0:
		r->argv0 = optarg;
		return 0;
	case OPT_LIMIT:
		if (parse_number("--limit", optarg, 1, 86400, &limit))
			return MX_EXIT_USAGE;
		r->record[0].limit = r->record[1].limit = limit;
		return 0;
	case OPT_CALLS_ONLY:
		r->calls_only = true;
		return 0;
	case OPT_AGAIN:
		return parse_number("--again", optarg, 0, 100, &r->again);
	case OPT_NO_RECOVERY:
		r->no_recovery = true;
		return 0;
	case OPT_WIDTH:
		return parse_number("--width", optarg, WIDTH_MIN, 10000, &r->width);
	case 'j':
		r->json = true;
		return 0;
	case 'a':
		r->all = true;
		return 0;
	case ':':
		return cmd_usage_error(&cmd_compare, "%s wants a value", word);
	default:
		return cmd_usage_error(&cmd_compare, "no such option: %s", word);
	}
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where execvp(3) would find it; NULL: nowhere. */
static char *find_program(const char *root, const char *name)
{
	const char *path = getenv("PATH"), *end;

	if (strchr(name, '/'))
		return xasprintf("%s%s", root ? root : "", name);
	for (path = path && !root ? path
				  : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
				    "/sbin:/bin";
		; path = end + 1) {
		char *full;

		end = strchrnul(path, ':');
		full = xasprintf("%s%.*s/%s", root ? root : "", (int)(end - path), path, name);
		if (access(full, X_OK) == 0 && !is_directory(full))
			return full;
		free(full);
		if (!*end)
			return NULL;
	}
}

/* The versions start elsewhere, so names must not depend on where the caller is. */
static int resolve(struct request *r, char **args)
{
	bool roots = is_directory(r->given[0]) && is_directory(r->given[1]);

	if (roots && !args[1])
		return cmd_usage_error(
			&cmd_compare, "with two directories the program comes first after '--'");
	for (int v = 0; v < 2; v++) {
		struct record_config *c = &r->record[v];

		if (roots) {
			c->root = realpath(r->given[v], NULL);
			c->program = args[1];
			c->argv = args + 1;
			c->cwd = "/";
			r->file[v] = find_program(c->root, c->program);
			continue;
		}
		c->argv = args;
		r->file[v] = find_program(NULL, r->given[v]);
		c->program = r->file[v] ? realpath(r->file[v], NULL) : NULL;
		if (!c->program)
			c->program = r->given[v];
	}
	return 0;
}

/* A relative name among the arguments that is a file here will not be one there. */
static void warn_of_files(const struct request *r, char *const *args)
{
	struct stat st;

	for (; *args; args++) {
		if ((*args)[0] == '/' || (*args)[0] == '-' || stat(*args, &st) < 0)
			continue;
		fprintf(stderr,
			"mx compare: %s is a file here, but the versions start in a directory of "
			"their own: see --files and --here\n",
			*args);
		return;
	}
}

static int record(struct request *r, int version, struct trace **ret, struct err *err)
{
	struct record_config *c = &r->record[version];
	int rc = r->place ? place_prepare(r->place, err) : 0;

	if (rc < 0)
		return rc;
	if (r->place)
		c->cwd = place_path(r->place);
	rc = record_run(c, ret, err);
	return rc < 0 ? err_context(err, "%s", version ? "NEW" : "OLD") : 0;
}

static int failed(int rc, const struct err *err)
{
	fprintf(stderr, "mx compare: %s\n", err->text);
	return rc == -ENOENT			 ? MX_EXIT_NO_FILE
	       : rc == -EACCES || rc == -ENOEXEC ? MX_EXIT_NO_EXEC
						 : MX_EXIT_ENGINE;
}

/* Where the two differ, the old version is run once more: what differs then is noise. */
static int find_noise(struct request *r, struct comparison *c, struct err *err)
{
	struct comparison *noise;
	struct trace *again;
	int rc;

	for (unsigned i = 0; i < r->again && c->n; i++) {
		rc = record(r, 0, &again, err);
		if (rc < 0)
			return rc;
		noise = comparison_make(c->traces[0], again, c->calls_only);
		comparison_mark_unsteady(c, noise);
		comparison_free(noise);
		trace_free(again);
	}
	return 0;
}

static void print_report(const struct request *r, struct report *report)
{
	cleanup_str struct str out = STR_INIT;
	struct jsonw w;

	if (r->json) {
		jsonw_init(&w, &out, true);
		comparison_report_json(&w, report);
		str_putc(&out, '\n');
	} else {
		comparison_report_text(&out, report);
	}
	fwrite(str_text(&out), 1, out.len, stdout);
}

static int compare(struct request *r, struct trace **traces, struct err *err)
{
	struct comparison *c, *names = NULL;
	struct outlook outlook = { 0 };
	struct forecast f;
	struct report report = { .names = { r->given[0], r->given[1] },
		.forecast = &f,
		.outlook = &outlook,
		.width = r->width,
		.all = r->all };
	int rc;

	c = comparison_make(traces[0], traces[1], r->calls_only);
	rc = find_noise(r, c, err);
	if (rc < 0) {
		comparison_free(c);
		return rc;
	}
	if (!r->calls_only)
		names = comparison_make(traces[0], traces[1], true);
	if (!r->no_recovery && r->file[0] && r->file[1])
		outlook_find(r->file[0], r->file[1], &outlook);
	forecast_make(c, &f);
	report.comparison = c;
	report.names_only = names ? names : c;
	print_report(r, &report);
	rc = f.verdict == VERDICT_IDENTICAL || f.verdict == VERDICT_TOGETHER ? 0 : EXIT_APART;
	comparison_free(names);
	comparison_free(c);
	outlook_free(&outlook);
	return rc;
}

static int run_all(struct request *r)
{
	struct trace *traces[2] = { NULL };
	struct err err;
	int rc = 0;

	if (!r->here && !r->record[0].root)
		rc = place_new(r->files, &r->place, &err);
	for (int v = 0; v < 2 && rc == 0; v++)
		rc = record(r, v, &traces[v], &err);
	if (rc == 0)
		rc = compare(r, traces, &err);
	if (rc < 0)
		rc = failed(rc, &err);
	trace_free(traces[0]);
	trace_free(traces[1]);
	place_free(r->place);
	return rc;
}

static int run(int argc, char **argv)
{
	struct request r = { .width = WIDTH, .again = 1 };
	cleanup_free char **args = NULL;
	int c, rc, n = 0;

	for (int v = 0; v < 2; v++) {
		r.record[v] = (struct record_config){
			.name = v ? "new" : "old", .limit = LIMIT_S, .grace = GRACE_S
		};
		sigprocmask(SIG_SETMASK, NULL, &r.record[v].sigmask);
	}
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:jah", options, NULL)) != -1) {
		if (c == 'h') {
			cmd_print_help(&cmd_compare);
			return 0;
		}
		rc = parse_option(&r, c, argv[optind - 1]);
		if (rc)
			return rc;
	}
	if (argc - optind < 2)
		return cmd_usage_error(&cmd_compare, "OLD and NEW are needed");
	if (r.here && r.files)
		return cmd_usage_error(&cmd_compare, "--here and --files exclude each other");
	r.given[0] = argv[optind];
	r.given[1] = argv[optind + 1];
	optind += 2;
	if (optind < argc && strcmp(argv[optind], "--") != 0)
		return cmd_usage_error(&cmd_compare, "the program's arguments come after '--'");
	args = xreallocarray(NULL, argc + 2, sizeof(*args));
	args[n++] = (char *)(r.argv0 ? r.argv0 : r.given[1]);
	for (int i = optind + 1; i < argc; i++)
		args[n++] = argv[i];
	args[n] = NULL;
	rc = resolve(&r, args);
	if (rc)
		return rc;
	if (!r.here && !r.files)
		warn_of_files(&r, args + 1);
	rc = run_all(&r);
	for (int v = 0; v < 2; v++)
		free(r.file[v]);
	return rc;
}

const struct cmd cmd_compare = {
	.name = "compare",
	.args = "[OPTION...] OLD NEW -- ARGS...",
	.summary = "tell beforehand whether two versions would run together",
	.run = run,
	.help = help,
};
