/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/delegate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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

static int run(
	const struct config *config, char **argv, bool quiet, int *ret_status, struct err *err)
{
	sigset_t all, before;
	int status, pipe_fd[2], failed = 0;
	pid_t child;
	int rc = check_delegate(config, err);

	if (rc < 0)
		return rc;
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		if (quiet)
			be_quiet();
		execv(config->delegate, argv);
		failed = errno;
		if (write(pipe_fd[1], &failed, sizeof(failed)) < 0)
			_exit(126);
		_exit(127);
	}
	close(pipe_fd[1]);
	if (child < 0) {
		rc = err_errno(err, errno, "fork");
		close(pipe_fd[0]);
		sigprocmask(SIG_SETMASK, &before, NULL);
		return rc;
	}
	if (read(pipe_fd[0], &failed, sizeof(failed)) <= 0)
		failed = 0;
	close(pipe_fd[0]);
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
