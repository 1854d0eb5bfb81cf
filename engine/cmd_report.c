/* SPDX-License-Identifier: Apache-2.0 */
/* mx report: one run as a page of HTML. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/io.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "report.h"

#define LOG_MAX (256u << 20)

static const struct option options[] = {
	ASK_CONTROL_OPTION,
	ASK_TIMEOUT_OPTION,
	ASK_MX_CONF_OPTION,
	ASK_LOG_OPTION,
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"  -o, --output FILE  where the page goes (default: standard output)\n"
	"  --control PATH     the socket of `mx run --control PATH`, instead of CONTAINER\n"
	"  --log FILE         the log of `mx run --log FILE`, instead of CONTAINER\n"
	"  --mx-conf FILE     the operator's configuration, which says where logs are kept\n"
	"  --timeout SECONDS  how long to wait for an answer (default: 10)\n"
	"\n"
	"The page stands alone: no scripts, nothing from elsewhere. Plots are of runs that had a\n"
	"control socket, as containers have.\n";

/* Figures that the engine wrote into the log at the run's end. */
static void take_figures(struct report *r, const struct json *event)
{
	const char *text = json_string(json_get(event, "json"));
	struct json *figures;

	if (!text || json_parse(text, strlen(text), &figures, NULL) < 0)
		return;
	json_free(r->figures);
	r->figures = figures;
}

static void add_line(struct report *r, const char *line, size_t len)
{
	struct json *event;
	const char *name;

	if (json_parse(line, len, &event, NULL) < 0)
		return;
	name = json_string(json_get(event, "event"));
	if (name && strcmp(name, "figures") == 0)
		take_figures(r, event);
	if (name && report_time(event) >= 0 && json_count(r->events) < REPORT_EVENTS_MAX) {
		json_append(r->events, event);
		return;
	}
	r->left_out += name != NULL;
	json_free(event);
}

static int add_log(struct report *r, const char *path, struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_str struct str text = STR_INIT;
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	rc = io_read_fd(fd, LOG_MAX, &text, err);
	if (rc < 0)
		return err_context(err, "%s", path);
	for (size_t at = 0; at < text.len;) {
		char *end = memchr(text.data + at, '\n', text.len - at);
		size_t len = end ? (size_t)(end - text.data) - at : text.len - at;

		add_line(r, text.data + at, len);
		at += len + 1;
	}
	return 0;
}

/* What a running engine knows: its events where there is no log, and the figures up to now. */
static int add_live(
	struct report *r, const struct target *target, int timeout_ms, bool events, struct err *err)
{
	cleanup_json struct json *answer = NULL, *figures = NULL;
	const struct json *list;
	int rc = 0;

	if (events)
		rc = ask(target, timeout_ms, "{\"mx\":1,\"do\":\"events\"}", &answer, err);
	list = json_get(answer, "events");
	for (size_t i = 0; i < json_count(list); i++) {
		const char *line = json_string(json_at(list, i));

		if (line)
			add_line(r, line, strlen(line));
	}
	if (rc == 0)
		rc = ask(target, timeout_ms, "{\"mx\":1,\"do\":\"figures\"}", &figures, err);
	if (rc < 0)
		return rc;
	json_free(r->figures);
	r->figures = json_copy(json_get(figures, "figures"));
	return 0;
}

static int make(
	const struct target_options *o, const char *container, struct str *out, struct err *err)
{
	cleanup_target struct target target = { 0 };
	struct report r = { .events = json_new(JSON_ARRAY) };
	int rc = target_find(o, container, true, &target, err);

	r.title = target.name ? target.name : target.id;
	if (rc == 0 && target.log)
		rc = add_log(&r, target.log, err);
	if (rc == 0 && target.socket)
		rc = add_live(&r, &target, o->timeout_ms, !target.log, err);
	if (rc == 0 && !json_count(r.events))
		rc = err_set(err, ENODATA, "there are no events in that log");
	if (rc == 0)
		report_put(&r, out);
	json_free(r.events);
	json_free(r.figures);
	return rc;
}

static int report(int argc, char **argv)
{
	struct target_options o = { .timeout_ms = ASK_TIMEOUT_DEFAULT };
	cleanup_str struct str out = STR_INIT;
	const char *path = NULL;
	struct err err;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		if (opt == 'h') {
			cmd_print_help(&cmd_report);
			return 0;
		}
		if (opt == 'o') {
			path = optarg;
			continue;
		}
		rc = ask_option(&o, opt, optarg);
		if (rc == -EINVAL)
			return cmd_usage_error(&cmd_report, "bad value '%s'", optarg);
		if (rc < 0)
			return MX_EXIT_USAGE;
	}
	if (argc - optind + !!o.control + !!o.log != 1)
		return cmd_usage_error(&cmd_report, "one container, --control or --log is needed");
	rc = make(&o, argv[optind], &out, &err);
	if (rc == 0 && path)
		rc = io_replace_file(path, out.data, out.len, 0644, &err);
	if (rc < 0) {
		fprintf(stderr, "mx report: %s\n", err.text);
		return ask_exit_status(rc);
	}
	if (!path)
		fputs(str_text(&out), stdout);
	return 0;
}

const struct cmd cmd_report = {
	.name = "report",
	.args = "[OPTION...] CONTAINER",
	.summary = "one run as a page of HTML",
	.run = report,
	.help = help,
};
