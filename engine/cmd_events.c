/* SPDX-License-Identifier: Apache-2.0 */
/* mx events and mx history: what happened in a run. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ask.h"
#include "base/io.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "oci/eventtext.h"

enum { OPT_EXEC = 256 };

static const struct option options[] = {
	ASK_CONTROL_OPTION,
	ASK_TIMEOUT_OPTION,
	ASK_MX_CONF_OPTION,
	ASK_LOG_OPTION,
	{ "follow", no_argument, NULL, 'f' },
	{ "output", required_argument, NULL, 'o' },
	{ "exec", required_argument, NULL, OPT_EXEC },
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
	"                     input, and wait for it\n" SOURCES;

static const char history_help[] = SOURCES;

struct events_options {
	struct target_options target;
	const char *exec;
	bool follow, json, history;
	bool failed; /* a PROGRAM could not be run, or said so */
};

/* What changes who runs, and why. */
static bool is_history(const char *name)
{
	static const char *const names[] = { "start", "phase", "decision", "decision-failed",
		"crash", "divergence", "takeover", "discarded", "unsupported-syscall", "new-only",
		"replication-failed", "resync", "recovered", "recovery-refused", "exit" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* The operator's program; his own words, on his own command line. */
static int run_program(const char *program, const char *line)
{
	int pipefd[2], status = -1;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		if (dup2(pipefd[0], STDIN_FILENO) < 0)
			_exit(126);
		signal(SIGPIPE, SIG_DFL);
		execlp(program, program, (char *)NULL);
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(pipefd[0]);
	if (pid < 0) {
		close(pipefd[1]);
		return -EAGAIN;
	}
	/* EPIPE: it does not want to read. */
	(void)!io_write_all(pipefd[1], line, strlen(line));
	(void)!io_write_all(pipefd[1], "\n", 1);
	close(pipefd[1]);
	if (waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
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
	if (o->exec) {
		if (run_program(o->exec, line) < 0) {
			fprintf(stderr, "mx events: %s failed for the event %.100s\n", o->exec,
				name);
			o->failed = true;
		}
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
	for (;;) {
		rc = ctl_client_line(client, -1, &line, err);
		if (rc < 0 || !line)
			return rc;
		show(o, line);
		if (fflush(stdout) != 0)
			return err_errno(err, errno, "standard output");
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

static int parse(struct events_options *o, const struct cmd *cmd, int argc, char **argv)
{
	int opt, rc;

	while ((opt = getopt_long(argc, argv, o->history ? "o:h" : "fo:h", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			cmd_print_help(cmd);
			return 0;
		case 'f':
		case OPT_EXEC:
			if (o->history)
				return cmd_usage_error(cmd, "there is no such option");
			o->follow |= opt == 'f';
			if (opt == OPT_EXEC)
				o->exec = optarg;
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
	return -1;
}

static int run_verb(const struct cmd *cmd, bool history, int argc, char **argv)
{
	struct events_options o = { .target.timeout_ms = ASK_TIMEOUT_DEFAULT, .history = history };
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
			rc = follow(&o, &target, &err);
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
