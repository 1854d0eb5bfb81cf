/* SPDX-License-Identifier: Apache-2.0 */
/* mx status: what runs of two versions are doing. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "ctl/state.h"

#define COLUMNS	 10
#define ID_SHOWN 12

enum { OPT_UNTIL = 256 };

static const struct option options[] = {
	ASK_CONTROL_OPTION,
	ASK_TIMEOUT_OPTION,
	{ "output", required_argument, NULL, 'o' },
	{ "watch", no_argument, NULL, 'w' },
	{ "until", required_argument, NULL, OPT_UNTIL },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"Without CONTAINER and --control: all containers of two versions that run.\n"
	"\n"
	"  --control PATH     the socket of `mx run --control PATH`\n"
	"  -o, --output table|json\n"
	"                     the form (default: table)\n"
	"  -w, --watch        again every second\n"
	"  --until PHASE,...  wait until the run is in one of these phases: initializing,\n"
	"                     mirroring, diverged, recovering, paused, promoted, aborted, "
	"degraded\n"
	"  --timeout SECONDS  how long to wait for an answer, and for the phase (default: 10)\n"
	"\n"
	"The exit status is 0 where all is well, 1 for an error, 2 for a wrong command line, 3\n"
	"where a run is diverged or degraded, 4 after a time-out, 5 where there is no such\n"
	"container.\n";

struct status_options {
	struct target_options target;
	const char *container, *until;
	bool json, watch;
};

/* One run: where it is, and the answer's "status", or why there is none. */
struct row {
	const struct target *target;
	struct json *answer;
	struct err err;
	int rc;
};

static const char *field(const struct json *status, const char *key)
{
	const char *text = json_string(json_get(status, key));

	return text ? text : "-";
}

static long long number(const struct json *j)
{
	long long n = 0;

	return json_integer(j, 0, INT64_MAX, &n) == 0 ? n : 0;
}

static long long total(const struct json *object)
{
	long long n = 0;

	for (size_t i = 0; i < json_count(object); i++)
		n += number(json_at(object, i));
	return n;
}

static const struct json *version_of(const struct json *status, const char *name)
{
	const struct json *versions = json_get(status, "versions");

	for (size_t i = 0; i < json_count(versions); i++) {
		const struct json *v = json_at(versions, i);

		if (strcmp(field(v, "name"), name) == 0)
			return v;
	}
	return NULL;
}

/* "3m20s": the two largest units. */
static void put_age(struct str *s, const struct json *age)
{
	cleanup_str struct str text = STR_INIT;
	long n;

	if (json_type(age) != JSON_NUMBER) {
		str_putc(s, '-');
		return;
	}
	json_print(age, &text);
	n = strtol(str_text(&text), NULL, 10);
	if (n < 60)
		str_printf(s, "%lds", n);
	else if (n < 3600)
		str_printf(s, "%ldm%lds", n / 60, n % 60);
	else if (n < 86400)
		str_printf(s, "%ldh%ldm", n / 3600, n / 60 % 60);
	else
		str_printf(s, "%ldd%ldh", n / 86400, n / 3600 % 24);
}

/* What came out of a container must not steer a terminal. */
static void put_cell(struct str *s, const char *text)
{
	for (; *text; text++)
		str_putc(s, *text >= ' ' && *text < 0x7f ? *text : '?');
}

static void put_version(struct str *s, const struct json *status, const char *name)
{
	const struct json *v = version_of(status, name);

	put_cell(s, v ? field(v, "program") : "-");
	if (v && !json_is_true(json_get(v, "runs")))
		str_puts(s, " (gone)");
}

static void put_syscalls(struct str *s, const struct json *status)
{
	const struct json *versions = json_get(status, "versions");

	for (size_t i = 0; i < json_count(versions); i++)
		str_printf(s, "%s%lld", i ? "/" : "",
			number(json_get(json_at(versions, i), "syscalls")));
}

static void fill_row(const struct row *row, struct str cells[COLUMNS])
{
	const struct json *status = json_get(row->answer, "status");
	const struct json *versions = json_get(status, "versions");
	const char *id = row->target->name ? row->target->name : row->target->id;
	long long crashes = 0;

	if (row->target->name)
		put_cell(&cells[0], id);
	else
		str_printf(&cells[0], "%.*s", ID_SHOWN, id);
	put_cell(&cells[1], field(status, "app"));
	if (!status) {
		for (int i = 2; i < COLUMNS; i++)
			str_puts(&cells[i], i == 4 ? "unreachable" : "-");
		return;
	}
	put_version(&cells[2], status, "old");
	put_version(&cells[3], status, "new");
	put_cell(&cells[4], field(status, "phase"));
	put_cell(&cells[5], field(status, "leader"));
	put_syscalls(&cells[6], status);
	str_printf(&cells[7], "%lld", total(json_get(status, "divergences")));
	for (size_t i = 0; i < json_count(versions); i++)
		crashes += number(json_get(json_at(versions, i), "crashes"));
	str_printf(&cells[8], "%lld", crashes);
	put_age(&cells[9], json_get(status, "age"));
}

static void print_table(const struct row *rows, size_t count)
{
	static const char *const heads[COLUMNS] = { "ID", "APP", "OLD", "NEW", "PHASE", "LEADER",
		"SYSCALLS", "DIVERGED", "CRASHES", "AGE" };
	struct str *cells = xzalloc((count + 1) * COLUMNS * sizeof(*cells));
	size_t width[COLUMNS] = { 0 };

	for (int c = 0; c < COLUMNS; c++)
		str_puts(&cells[c], heads[c]);
	for (size_t r = 0; r < count; r++)
		fill_row(&rows[r], &cells[(r + 1) * COLUMNS]);
	for (size_t i = 0; i < (count + 1) * COLUMNS; i++) {
		if (cells[i].len > width[i % COLUMNS])
			width[i % COLUMNS] = cells[i].len;
	}
	for (size_t i = 0; i < (count + 1) * COLUMNS; i++) {
		if (i % COLUMNS == COLUMNS - 1)
			printf("%s\n", str_text(&cells[i]));
		else
			printf("%-*s  ", (int)width[i % COLUMNS], str_text(&cells[i]));
		str_free(&cells[i]);
	}
	free(cells);
}

static void print_json(const struct row *rows, size_t count, bool list)
{
	cleanup_str struct str out = STR_INIT;
	cleanup_json struct json *all = json_new(JSON_ARRAY);

	for (size_t i = 0; i < count; i++) {
		const struct json *status = json_get(rows[i].answer, "status");
		struct json *item = status ? json_copy(status) : json_new(JSON_OBJECT);

		json_set(item, "id", json_new_string(rows[i].target->id));
		if (rows[i].target->name)
			json_set(item, "name", json_new_string(rows[i].target->name));
		if (!status)
			json_set(item, "error", json_new_string(rows[i].err.text));
		json_append(all, item);
	}
	json_print(list ? all : json_at(all, 0), &out);
	puts(str_text(&out));
}

static int row_status(const struct row *row)
{
	const char *phase = field(json_get(row->answer, "status"), "phase");

	if (row->rc < 0)
		return ask_exit_status(row->rc);
	if (strcmp(phase, "diverged") == 0 || strcmp(phase, "degraded") == 0)
		return ASK_UNHEALTHY;
	return ASK_HEALTHY;
}

/* Asks and prints once. A container that ends between the list and the question is no error. */
static int show(const struct status_options *o, const struct targets *targets, bool list)
{
	struct row *rows = xzalloc((targets->count + 1) * sizeof(*rows));
	size_t count = 0;
	int status = ASK_HEALTHY;

	for (size_t i = 0; i < targets->count; i++) {
		struct row *row = &rows[count];

		row->target = &targets->items[i];
		row->rc = ask(row->target, o->target.timeout_ms, "{\"mx\":1,\"do\":\"status\"}",
			&row->answer, &row->err);
		if (row->rc < 0 && list && ask_exit_status(row->rc) == ASK_NOBODY)
			continue;
		if (row->rc < 0)
			fprintf(stderr, "mx status: %s\n", row->err.text);
		if (row->rc < 0 && !list) {
			status = row_status(row);
			break;
		}
		if (row_status(row) > status)
			status = row_status(row);
		count++;
	}
	if (o->json && (list || count))
		print_json(rows, count, list);
	else if (list || count)
		print_table(rows, count);
	for (size_t i = 0; i < count; i++)
		json_free(rows[i].answer);
	free(rows);
	return status;
}

static bool is_one_of(const char *word, const char *list)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (strncmp(at, word, len) == 0 && (at[len] == ',' || !at[len]))
			return true;
	}
	return false;
}

static bool are_phases(const char *list)
{
	cleanup_free char *copy = xstrdup(list);
	char *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		int p = 0;

		while (p < PHASES && strcmp(word, state_phase_name(p)) != 0)
			p++;
		if (p == PHASES)
			return false;
	}
	return true;
}

static double clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* 0, or an exit status. A socket that is not there yet may still come. */
static int wait_for_phase(const struct status_options *o, const struct target *target)
{
	double end = clock_now() + o->target.timeout_ms / 1e3;
	struct err err;
	int rc;

	for (;;) {
		cleanup_json struct json *answer = NULL;
		const char *phase;

		rc = ask(target, o->target.timeout_ms, "{\"mx\":1,\"do\":\"status\"}", &answer,
			&err);
		phase = json_string(json_path(answer, "status.phase"));
		if (rc == 0 && phase && is_one_of(phase, o->until))
			return 0;
		if (rc < 0 && ask_exit_status(rc) != ASK_NOBODY)
			break;
		if (clock_now() > end) {
			fprintf(stderr, "mx status: %s is not %s after %d s: %s\n", target->id,
				o->until, o->target.timeout_ms / 1000, rc < 0 ? err.text : phase);
			return rc < 0 ? ask_exit_status(rc) : ASK_TIMEOUT;
		}
		nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
	}
	fprintf(stderr, "mx status: %s\n", err.text);
	return ask_exit_status(rc);
}

static int once(const struct status_options *o)
{
	bool list = !o->container && !o->target.control;
	cleanup_targets struct targets targets = { 0 };
	struct err err;
	int rc;

	if (list) {
		rc = targets_running(&targets, &err);
	} else {
		targets.items = xzalloc(sizeof(*targets.items));
		rc = target_find(&o->target, o->container, false, &targets.items[0], &err);
		targets.count = rc == 0;
	}
	if (rc < 0) {
		fprintf(stderr, "mx status: %s\n", err.text);
		return ask_exit_status(rc);
	}
	rc = o->until ? wait_for_phase(o, &targets.items[0]) : 0;
	return rc ? rc : show(o, &targets, list);
}

static int status(int argc, char **argv)
{
	struct status_options o = { .target.timeout_ms = ASK_TIMEOUT_DEFAULT };
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "o:wh", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			cmd_print_help(&cmd_status);
			return 0;
		case 'w':
			o.watch = true;
			break;
		case 'o':
			o.json = strcmp(optarg, "json") == 0;
			if (!o.json && strcmp(optarg, "table") != 0)
				return cmd_usage_error(&cmd_status, "bad value '%s'", optarg);
			break;
		case OPT_UNTIL:
			o.until = optarg;
			if (!are_phases(optarg))
				return cmd_usage_error(&cmd_status, "'%s' is no phase", optarg);
			break;
		default:
			rc = ask_option(&o.target, opt, optarg);
			if (rc == -EINVAL)
				return cmd_usage_error(&cmd_status, "bad value '%s'", optarg);
			if (rc < 0)
				return MX_EXIT_USAGE;
		}
	}
	o.container = argv[optind];
	if (o.container && (argv[optind + 1] || o.target.control))
		return cmd_usage_error(&cmd_status, "one container or one --control");
	if (o.until && !o.container && !o.target.control)
		return cmd_usage_error(&cmd_status, "--until needs a container or --control");
	while (o.watch) {
		rc = once(&o);
		if (fflush(stdout) != 0 || (rc && rc != ASK_UNHEALTHY))
			return rc ? rc : ASK_ERROR;
		nanosleep(&(struct timespec){ 1, 0 }, NULL);
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
	}
	return once(&o);
}

const struct cmd cmd_status = {
	.name = "status",
	.args = "[OPTION...] [CONTAINER]",
	.summary = "what runs of two versions are doing",
	.run = status,
	.help = help,
};
