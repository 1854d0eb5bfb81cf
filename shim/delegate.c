/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/delegate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/near.h"
#include "base/sealed.h"

/* What a delegate tells of itself is shorter. */
#define TEXT_MAX (1u << 20)

static int check_delegate(const struct config *config, struct err *err)
{
	if (!config->delegate)
		return err_set(err, ENOENT,
			"no OCI runtime found: install crun or runc, or name one in mx.conf");
	return 0;
}

int delegate_exec(const struct config *config, const struct cmdline *line, struct err *err)
{
	int rc = check_delegate(config, err);

	if (rc < 0)
		return rc;
	execv(config->delegate, line->argv);
	return err_errno(err, errno, "exec the delegate %s", config->delegate);
}

static void forward(pid_t child, const sigset_t *all)
{
	siginfo_t info;

	for (;;) {
		int sig = sigwaitinfo(all, &info);

		if (sig < 0)
			continue;
		if (sig == SIGCHLD) {
			siginfo_t state = { 0 };

			/* A stopped delegate is not one that has ended. */
			if (waitid(P_PID, child, &state, WEXITED | WNOHANG | WNOWAIT) == 0 &&
				state.si_pid == 0)
				continue;
			return;
		}
		kill(child, sig);
	}
}

static void be_quiet(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i <= 2; i++)
		dup2(fd, i);
}

/* Only returns on failure, with errno. Runs in the parent's memory. */
static void become(const struct config *config, char **argv, int sealed)
{
	if (sealed >= 0)
		fexecve(sealed, argv, environ);
	execv(config->delegate, argv);
}

static int run(
	const struct config *config, char **argv, bool quiet, int *ret_status, struct err *err)
{
	cleanup_close int sealed = -1;
	volatile int failed = 0;
	sigset_t all, before;
	cpu_set_t cpus;
	pid_t child;
	int status, rc = check_delegate(config, err);

	if (rc < 0)
		return rc;
	sealed = sealed_copy(config->delegate);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	near_begin(&cpus);
	child = vfork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		near_end(&cpus);
		if (quiet)
			be_quiet();
		become(config, argv, sealed);
		failed = errno;
		_exit(127);
	}
	near_end(&cpus);
	if (child < 0) {
		rc = err_errno(err, errno, "fork");
		sigprocmask(SIG_SETMASK, &before, NULL);
		return rc;
	}
	if (!failed)
		forward(child, &all);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return err_errno(err, failed, "exec the delegate %s", config->delegate);
	*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}

int delegate_run(const struct config *config, char **argv, int *ret_status, struct err *err)
{
	return run(config, argv, false, ret_status, err);
}

int delegate_knows(const struct config *config, const struct cmdline *line, struct err *err)
{
	char *argv[6], **arg = argv;
	int status, rc;

	*arg++ = line->argv[0];
	if (line->root) {
		*arg++ = (char *)"--root";
		*arg++ = (char *)line->root;
	}
	*arg++ = (char *)"state";
	*arg++ = (char *)line->id;
	*arg = NULL;
	rc = run(config, argv, true, &status, err);
	return rc < 0 ? rc : status == 0;
}

bool delegate_tells(const struct config *config, const char *word, struct str *ret_text)
{
	struct err ignored;
	int fds[2], status = 1, rc;
	pid_t child;

	if (!config->delegate || pipe2(fds, O_CLOEXEC) < 0)
		return false;
	child = fork();
	if (child == 0) {
		char *argv[] = { config->delegate, (char *)word, NULL };
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null < 0 || dup2(null, 2) < 0 || dup2(fds[1], 1) < 0)
			_exit(127);
		execv(config->delegate, argv);
		_exit(127);
	}
	close(fds[1]);
	rc = child < 0 ? -EAGAIN : io_read_fd(fds[0], TEXT_MAX, ret_text, &ignored);
	close(fds[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return rc >= 0 && status == 0;
}
