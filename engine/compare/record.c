/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "compare/recorder.h"

struct session {
	const struct record_config *config;
	int sock;   /* to the recorder */
	int output; /* what the program says: read, and thrown away */
	pid_t recorder;
	bool entered, done;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000l + ts.tv_nsec / 1000000;
}

/* Standard streams of the recorder are the program's. */
static void __attribute__((noreturn))
become_recorder(const struct record_config *config, int sock, int output, int memory, pid_t parent)
{
	int in = open(config->input ? config->input : "/dev/null", O_RDONLY | O_CLOEXEC);
	FILE *file = fdopen(memory, "w");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || in < 0 || !file || dup2(in, 0) < 0 || dup2(output, 1) < 0 ||
		dup2(output, 2) < 0)
		_exit(1);
	recorder_main(config, sock, file);
}

static void drain(struct session *s)
{
	char buf[65536];
	ssize_t n = read(s->output, buf, sizeof(buf));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
		close(s->output);
		s->output = -1;
	}
}

static void listen_once(struct session *s)
{
	char word;
	ssize_t n = read(s->sock, &word, 1);

	if (n != 1 || word == RECORD_DONE)
		s->done = true;
	else if (word == RECORD_ENTERED)
		s->entered = true;
}

/* Serves the recorder until @until (ms, monotonic), or @pidfd (-1: none) is readable. */
static void serve(struct session *s, int64_t until, int pidfd, bool until_entered)
{
	while (!(s->done && pidfd < 0) && !(until_entered && s->entered)) {
		int64_t left = until - now_ms();
		struct pollfd p[3] = { { s->done ? -1 : s->sock, POLLIN, 0 },
			{ s->output, POLLIN, 0 }, { pidfd, POLLIN, 0 } };

		if (left <= 0)
			return;
		if (poll(p, 3, (int)left) < 0 && errno != EINTR)
			return;
		if (p[1].revents)
			drain(s);
		if (p[0].revents)
			listen_once(s);
		if (p[2].revents)
			return;
	}
}

static void tell(struct session *s, char word)
{
	if (!s->done)
		(void)!send(s->sock, &word, 1, MSG_NOSIGNAL);
}

/* What the script says is told on standard error: standard output is the report's. */
static pid_t start_workload(const struct record_config *config)
{
	pid_t parent = getpid(), pid = fork();
	int none;

	if (pid != 0)
		return pid;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	none = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (getppid() != parent || none < 0 || dup2(none, 0) < 0 || dup2(2, 1) < 0 ||
		setenv("MX_VERSION", config->name, 1) < 0 ||
		(config->cwd && setenv("MX_DIRECTORY", config->cwd, 1) < 0))
		_exit(127);
	sigprocmask(SIG_SETMASK, &config->sigmask, NULL);
	execl(config->workload, config->workload, (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static int drive(struct session *s, int *ret_status, struct err *err)
{
	const struct record_config *config = s->config;
	int64_t until = now_ms() + config->limit * 1000l;
	pid_t pid = start_workload(config);
	int pidfd;

	if (pid < 0)
		return err_errno(err, errno, "fork");
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0) {
		serve(s, until, pidfd, false);
		close(pidfd);
	}
	if (waitpid(pid, ret_status, WNOHANG) == 0) {
		kill(-pid, SIGKILL);
		waitpid(pid, ret_status, 0);
		return err_set(err, ETIMEDOUT, "%s has not ended within %u seconds",
			config->workload, config->limit);
	}
	kill(-pid, SIGKILL); /* what it has left behind */
	return 0;
}

/* The program is driven, and brought to its end. */
static int conduct(struct session *s, int *ret_status, struct err *err)
{
	const struct record_config *config = s->config;
	int rc = 0;

	*ret_status = 0;
	if (config->workload) {
		serve(s, now_ms() + config->limit * 1000l, -1, true);
		if (s->entered)
			rc = drive(s, ret_status, err);
	} else {
		serve(s, now_ms() + config->limit * 1000l, -1, false);
	}
	tell(s, RECORD_TERM);
	serve(s, now_ms() + config->grace * 1000l, -1, false);
	tell(s, RECORD_FINISH);
	/* Writing the trace takes as long as it takes; a recorder that ends closes its socket. */
	serve(s, INT64_MAX / 2, -1, false);
	return rc;
}

static int take_trace(int memory, struct trace **ret, struct err *err)
{
	cleanup_fclose FILE *f = fdopen(memory, "r");
	uint64_t code;
	char text[ERR_TEXT_MAX];
	size_t n;

	if (!f)
		return err_errno(err, errno, "fdopen");
	rewind(f);
	if (fread(&code, sizeof(code), 1, f) != 1)
		return err_set(err, EPROTO, "the recorder ended without a trace");
	if (code) {
		n = fread(text, 1, sizeof(text) - 1, f);
		text[n] = '\0';
		return err_set(err, (int)code, "%s", text);
	}
	return trace_read(f, ret, err);
}

int record_run(const struct record_config *config, struct trace **ret, struct err *err)
{
	struct session s = { .config = config, .sock = -1, .output = -1 };
	int pair[2], out[2], memory, status, rc;
	struct trace *trace = NULL;
	pid_t self = getpid();

	memory = memfd_create("mx-trace", MFD_CLOEXEC);
	if (memory < 0)
		return err_errno(err, errno, "memfd_create");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
		pipe2(out, O_CLOEXEC) < 0)
		return err_errno(err, errno, "cannot make a pipe");
	s.recorder = fork();
	if (s.recorder < 0)
		return err_errno(err, errno, "fork");
	if (s.recorder == 0) {
		close(pair[0]);
		close(out[0]);
		become_recorder(config, pair[1], out[1], memory, self);
	}
	close(pair[1]);
	close(out[1]);
	s.sock = pair[0];
	s.output = out[0];
	rc = conduct(&s, &status, err);
	close(s.sock);
	if (s.output >= 0)
		close(s.output);
	waitpid(s.recorder, NULL, 0);
	if (rc < 0) {
		close(memory);
		return rc;
	}
	rc = take_trace(memory, &trace, err);
	if (rc < 0)
		return rc;
	trace->workload_status = status;
	*ret = trace;
	return 0;
}
