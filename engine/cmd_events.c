/* SPDX-License-Identifier: Apache-2.0 */
/* mx events and mx history: what happened in a run. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "base/io.h"
#include "base/jsonw.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "ctl/notify.h"
#include "ctl/wire.h"
#include "oci/eventtext.h"

/* What PROGRAM and the webhook may take. */
#define WITHIN_DEFAULT 10000
/* How often a run that has not begun is looked for. */
#define ATTEND_MS     1000
#define NOTIFY_FAILED "notify-failed"

enum { OPT_EXEC = 256, OPT_WEBHOOK, OPT_ONLY, OPT_WITHIN, OPT_ATTEND };

static const struct option options[] = {
	ASK_CONTROL_OPTION,
	ASK_TIMEOUT_OPTION,
	ASK_MX_CONF_OPTION,
	ASK_LOG_OPTION,
	{ "follow", no_argument, NULL, 'f' },
	{ "output", required_argument, NULL, 'o' },
	{ "exec", required_argument, NULL, OPT_EXEC },
	{ "webhook", required_argument, NULL, OPT_WEBHOOK },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "within", required_argument, NULL, OPT_WITHIN },
	{ "attend", no_argument, NULL, OPT_ATTEND },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

#define SOURCES                                                                                    \
	"  --control PATH     the socket of `mx run --control PATH`, instead of CONTAINER\n"       \
	"  --log FILE         the log of `mx run --log FILE`, instead of CONTAINER\n"              \
	"  --mx-conf FILE     the operator's configuration, which says where logs are kept\n"      \
	"  --timeout SECONDS  how long to wait for an answer (default: 10)\n"                      \
	"  -o, --output text|json\n"                                                               \
	"                     the form (default: text)\n"

static const char events_help[] =
	"  -f, --follow       go on as events come, until the run ends\n"
	"  --exec PROGRAM     run PROGRAM for each event, which it gets as JSON on its standard\n"
	"                     input, and wait for it\n"
	"  --webhook URL      POST each event, as JSON, to http://ADDRESS[:PORT]/PATH on this\n"
	"                     machine or to unix:/SOCKET[:/PATH]\n"
	"  --within SECONDS   how long PROGRAM, or the webhook, may take for an event before it\n"
	"                     is given up (default: 10)\n"
	"  --only EVENT,...   these events only\n"
	"  --attend           with --control and --follow: wait until the run begins\n" SOURCES;

static const char history_help[] = SOURCES;

struct events_options {
	struct target_options target;
	const char *exec, *webhook, *only;
	const char *socket; /* that is followed, NULL: none */
	int within_ms;
	bool follow, attend, json, history;
	bool failed; /* a PROGRAM or a webhook could not be told, or said so */
};

/* What changes who runs, and why. */
static bool is_history(const char *name)
{
	static const char *const names[] = { "start", "phase", "decision", "decision-failed",
		"crash", "divergence", "takeover", "discarded", "unsupported-syscall", "new-only",
		"replication-failed", "resync", "recovered", "recovery-refused", NOTIFY_FAILED,
		"exit" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* Is it one of @list, a list of names that commas separate? */
static bool is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (;;) {
		size_t n = strcspn(list, ",");

		if (n == len && strncmp(list, name, n) == 0)
			return true;
		if (!list[n])
			return false;
		list += n + 1;
	}
}

/* For the log of the run, too: who reads that later has not seen what is said here. */
static void log_failure(struct events_options *o, const char *text)
{
	cleanup_json struct json *answer = NULL;
	cleanup_str struct str request = STR_INIT;
	const struct target target = { .socket = (char *)o->socket };
	struct err err;
	struct jsonw w;

	fprintf(stderr, "mx events: %s\n", text);
	o->failed = true;
	if (!o->socket)
		return;
	jsonw_init(&w, &request, false);
	jsonw_object_begin(&w);
	jsonw_kv_int(&w, "mx", CTL_PROTOCOL);
	jsonw_kv_str(&w, "do", "notify-failed");
	jsonw_kv_str(&w, "text", text);
	jsonw_object_end(&w);
	if (ask(&target, o->target.timeout_ms, str_text(&request), &answer, &err) == 0)
		return;
	/* The run is over: nobody but the machine's own log is left to be told. */
	openlog("mx", LOG_PID, LOG_DAEMON);
	syslog(LOG_WARNING, "%s", text);
	closelog();
}

static void tell(struct events_options *o, const char *name, const char *line)
{
	cleanup_free char *text = NULL;
	struct err err = { 0 };

	/* What could not be told is not told. */
	if (strcmp(name, NOTIFY_FAILED) == 0)
		return;
	if (o->exec && notify_program(o->exec, line, o->within_ms, &err) < 0) {
		text = xasprintf("the event %.100s: %s", name, err.text);
		log_failure(o, text);
	}
	if (o->webhook && notify_webhook(o->webhook, line, o->within_ms, &err) < 0) {
		free(text);
		text = xasprintf("the event %.100s: %s", name, err.text);
		log_failure(o, text);
	}
}

static void show(struct events_options *o, const char *line)
{
	cleanup_json struct json *event = NULL;
	cleanup_str struct str out = STR_INIT;
	const char *name = NULL;

	if (json_parse(line, strlen(line), &event, NULL) == 0)
		name = json_string(json_get(event, "event"));
	if (!name) {
		if (!o->history)
			puts("(a line that is no event)");
		return;
	}
	if (o->history && !is_history(name))
		return;
	if (o->only && !is_listed(o->only, name))
		return;
	if (o->exec || o->webhook) {
		tell(o, name, line);
		return;
	}
	if (o->json) {
		json_print(event, &out);
		puts(str_text(&out));
		return;
	}
	if (strcmp(name, "figures") == 0)
		return;
	eventtext_put(event, &out);
	fputs(str_text(&out), stdout);
}

/* Line by line: a log can be long. */
static int read_log(struct events_options *o, const char *path, struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_fclose FILE *f = NULL;
	cleanup_free char *line = NULL;
	struct stat st;
	size_t size = 0;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s is no regular file", path);
	f = fdopen(fd, "re");
	if (!f)
		return err_errno(err, errno, "%s", path);
	(void)take_fd(&fd);
	while ((len = getline(&line, &size, f)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		show(o, line);
	}
	return 0;
}

static int follow(struct events_options *o, const struct target *target, struct err *err)
{
	cleanup_ctl_client struct ctl_client *client = NULL;
	cleanup_json struct json *answer = NULL;
	const char *line = NULL;
	int rc = ctl_client_open(target->socket, o->target.timeout_ms, &client, err);

	if (rc == 0)
		rc = ask_on(client, o->target.timeout_ms,
			"{\"mx\":1,\"do\":\"events\",\"follow\":true}", &answer, err);
	if (rc < 0)
		return rc;
	o->attend = false;
	o->socket = target->socket;
	for (;;) {
		rc = ctl_client_line(client, -1, &line, err);
		if (rc < 0 || !line)
			return rc;
		show(o, line);
		if (fflush(stdout) != 0)
			return err_errno(err, errno, "standard output");
	}
}

/*
 * The run need not have begun. It never will once the socket's folder is gone: then a container was
 * removed that had never been started.
 */
static int attend(struct events_options *o, const struct target *target, struct err *err)
{
	const char *slash = strrchr(target->socket, '/');
	cleanup_free char *folder =
		slash ? xstrndup(target->socket, slash - target->socket + 1) : xstrdup(".");
	int rc;

	for (long pause_ms = 20;; pause_ms = pause_ms < ATTEND_MS ? pause_ms * 2 : ATTEND_MS) {
		rc = follow(o, target, err);
		if (!o->attend || (rc != -ENOENT && rc != -ECONNREFUSED))
			return rc;
		if (access(folder, F_OK) < 0)
			return 0;
		nanosleep(&(struct timespec){ pause_ms / 1000, pause_ms % 1000 * 1000000 }, NULL);
	}
}

static int ask_events(struct events_options *o, const struct target *target, struct err *err)
{
	cleanup_json struct json *answer = NULL;
	const struct json *events;
	int rc = ask(target, o->target.timeout_ms, "{\"mx\":1,\"do\":\"events\"}", &answer, err);

	if (rc < 0)
		return rc;
	events = json_get(answer, "events");
	for (size_t i = 0; i < json_count(events); i++) {
		const char *line = json_string(json_at(events, i));

		if (line)
			show(o, line);
	}
	return 0;
}

static int take_option(struct events_options *o, int opt, const char *arg, struct err *err)
{
	long n;

	switch (opt) {
	case 'f':
		o->follow = true;
		break;
	case OPT_EXEC:
		o->exec = arg;
		break;
	case OPT_WEBHOOK:
		o->webhook = arg;
		return notify_check_webhook(arg, err);
	case OPT_ONLY:
		o->only = arg;
		break;
	case OPT_WITHIN:
		if (str_to_long(arg, 1, 3600, &n) < 0)
			return err_set(err, EINVAL, "bad value '%s'", arg);
		o->within_ms = (int)n * 1000;
		break;
	case OPT_ATTEND:
		o->attend = true;
		break;
	}
	return 0;
}

static int parse(struct events_options *o, const struct cmd *cmd, int argc, char **argv)
{
	struct err err;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, o->history ? "o:h" : "fo:h", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			cmd_print_help(cmd);
			return 0;
		case 'f':
		case OPT_EXEC:
		case OPT_WEBHOOK:
		case OPT_ONLY:
		case OPT_WITHIN:
		case OPT_ATTEND:
			if (o->history)
				return cmd_usage_error(cmd, "there is no such option");
			if (take_option(o, opt, optarg, &err) < 0)
				return cmd_usage_error(cmd, "%s", err.text);
			break;
		case 'o':
			o->json = strcmp(optarg, "json") == 0;
			if (!o->json && strcmp(optarg, "text") != 0)
				return cmd_usage_error(cmd, "bad value '%s'", optarg);
			break;
		default:
			rc = ask_option(&o->target, opt, optarg);
			if (rc == -EINVAL)
				return cmd_usage_error(cmd, "bad value '%s'", optarg);
			if (rc < 0)
				return MX_EXIT_USAGE;
		}
	}
	if (argc - optind + !!o->target.control + !!o->target.log != 1)
		return cmd_usage_error(cmd, "one container, --control or --log is needed");
	if (o->follow && o->target.log)
		return cmd_usage_error(cmd, "--follow needs a run, not a log");
	if (o->attend && (!o->follow || !o->target.control))
		return cmd_usage_error(cmd, "--attend needs --control and --follow");
	return -1;
}

static int run_verb(const struct cmd *cmd, bool history, int argc, char **argv)
{
	struct events_options o = { .target.timeout_ms = ASK_TIMEOUT_DEFAULT,
		.within_ms = WITHIN_DEFAULT,
		.history = history };
	cleanup_target struct target target = { 0 };
	struct err err;
	int rc = parse(&o, cmd, argc, argv);

	if (rc >= 0)
		return rc;
	rc = target_find(&o.target, argv[optind], true, &target, &err);
	if (rc == 0) {
		signal(SIGPIPE, SIG_IGN);
		/* The log of a container has all; the engine remembers the last ones only. */
		if (o.follow && target.socket)
			rc = attend(&o, &target, &err);
		else if (target.log)
			rc = read_log(&o, target.log, &err);
		else
			rc = ask_events(&o, &target, &err);
	}
	if (rc < 0) {
		fprintf(stderr, "mx %s: %s\n", cmd->name, err.text);
		return ask_exit_status(rc);
	}
	return o.failed ? ASK_ERROR : 0;
}

static int events(int argc, char **argv)
{
	return run_verb(&cmd_events, false, argc, argv);
}

static int history(int argc, char **argv)
{
	return run_verb(&cmd_history, true, argc, argv);
}

const struct cmd cmd_events = {
	.name = "events",
	.args = "[OPTION...] CONTAINER",
	.summary = "what happened in a run",
	.run = events,
	.help = events_help,
};

const struct cmd cmd_history = {
	.name = "history",
	.args = "[OPTION...] CONTAINER",
	.summary = "the turns of a run: crashes, divergences, decisions",
	.run = history,
	.help = history_help,
};
