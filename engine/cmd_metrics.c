/* SPDX-License-Identifier: Apache-2.0 */
/* mx metrics: the state of runs for Prometheus. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "base/io.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "http.h"
#include "metrics.h"

enum { OPT_LISTEN = 256, OPT_TEXTFILE, OPT_EVERY };

static const struct option options[] = {
	ASK_CONTROL_OPTION,
	ASK_TIMEOUT_OPTION,
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "textfile", required_argument, NULL, OPT_TEXTFILE },
	{ "every", required_argument, NULL, OPT_EVERY },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"Without CONTAINER and --control: of all containers of two versions that run.\n"
	"\n"
	"  --control PATH     the socket of `mx run --control PATH`\n"
	"  --listen [ADDRESS:]PORT\n"
	"                     serve them at http://ADDRESS:PORT/metrics (default: on loopback)\n"
	"  --textfile FILE    replace FILE by them, for node_exporter's textfile collector\n"
	"  --every SECONDS    with --textfile: again and again\n"
	"  --timeout SECONDS  how long to wait for an engine's answer (default: 10)\n";

struct metrics_options {
	struct target_options target;
	const char *container, *listen, *textfile;
	long every;
};

static int find(const struct metrics_options *o, struct targets *ret_targets, struct err *err)
{
	int rc;

	if (!o->container && !o->target.control)
		return targets_running(ret_targets, err);
	ret_targets->items = xzalloc(sizeof(*ret_targets->items));
	rc = target_find(&o->target, o->container, false, &ret_targets->items[0], err);
	ret_targets->count = rc == 0;
	return rc;
}

static int gather(const struct metrics_options *o, struct str *out, struct err *err)
{
	cleanup_targets struct targets targets = { 0 };
	struct metrics_run *runs;
	struct err ignored;
	int rc = find(o, &targets, err);

	if (rc < 0)
		return rc;
	runs = xzalloc((targets.count + 1) * sizeof(*runs));
	for (size_t i = 0; i < targets.count; i++) {
		runs[i].target = &targets.items[i];
		/* One that does not answer is a metric as well. */
		if (ask(&targets.items[i], o->target.timeout_ms, "{\"mx\":1,\"do\":\"status\"}",
			    &runs[i].answer, &ignored) < 0)
			runs[i].answer = NULL;
	}
	metrics_put(runs, targets.count, out);
	for (size_t i = 0; i < targets.count; i++)
		json_free(runs[i].answer);
	free(runs);
	return 0;
}

static void page(void *arg, struct str *out)
{
	struct err err;

	if (gather(arg, out, &err) < 0)
		str_printf(out, "# %s\n", err.text);
}

static int listen_at(struct metrics_options *o)
{
	cleanup_close int fd = -1;
	struct err err;
	int rc = http_listen(o->listen, &fd, &err);

	if (rc < 0) {
		fprintf(stderr, "mx metrics: %s\n", err.text);
		return rc == -EINVAL ? MX_EXIT_USAGE : ASK_ERROR;
	}
	do
		rc = http_serve_one(fd, page, o);
	while (rc == 0);
	fprintf(stderr, "mx metrics: %s\n", strerror(-rc));
	return ASK_ERROR;
}

static int write_file(const struct metrics_options *o)
{
	struct err err;

	for (;;) {
		cleanup_str struct str out = STR_INIT;
		int rc = gather(o, &out, &err);

		if (rc == 0)
			rc = io_replace_file(o->textfile, out.data, out.len, 0644, &err);
		if (rc < 0) {
			fprintf(stderr, "mx metrics: %s\n", err.text);
			return ask_exit_status(rc);
		}
		if (!o->every)
			return 0;
		nanosleep(&(struct timespec){ o->every, 0 }, NULL);
	}
}

static int print(const struct metrics_options *o)
{
	cleanup_str struct str out = STR_INIT;
	struct err err;
	int rc = gather(o, &out, &err);

	if (rc < 0) {
		fprintf(stderr, "mx metrics: %s\n", err.text);
		return ask_exit_status(rc);
	}
	fputs(str_text(&out), stdout);
	return 0;
}

static int metrics(int argc, char **argv)
{
	struct metrics_options o = { .target.timeout_ms = ASK_TIMEOUT_DEFAULT };
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		rc = 0;
		switch (opt) {
		case 'h':
			cmd_print_help(&cmd_metrics);
			return 0;
		case OPT_LISTEN:
			o.listen = optarg;
			break;
		case OPT_TEXTFILE:
			o.textfile = optarg;
			break;
		case OPT_EVERY:
			rc = str_to_long(optarg, 1, 86400, &o.every);
			break;
		default:
			rc = ask_option(&o.target, opt, optarg);
		}
		if (rc == -EINVAL)
			return cmd_usage_error(&cmd_metrics, "bad value '%s'", optarg);
		if (rc < 0)
			return MX_EXIT_USAGE;
	}
	o.container = argv[optind];
	if (o.container && (argv[optind + 1] || o.target.control))
		return cmd_usage_error(&cmd_metrics, "one container or one --control");
	if (o.listen && o.textfile)
		return cmd_usage_error(&cmd_metrics, "--listen or --textfile");
	if (o.every && !o.textfile)
		return cmd_usage_error(&cmd_metrics, "--every is for --textfile");
	return o.listen ? listen_at(&o) : o.textfile ? write_file(&o) : print(&o);
}

const struct cmd cmd_metrics = {
	.name = "metrics",
	.args = "[OPTION...] [CONTAINER]",
	.summary = "the state of runs for Prometheus",
	.run = metrics,
	.help = help,
};
