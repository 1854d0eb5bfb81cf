/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/near.h"
#include "hook/job.h"

/* An analysis needs about ten times the size of the larger program. */
#define MEMORY_MAX (4ull << 30)

static int limit(int resource, rlim_t max)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return -errno;
	if (now.rlim_max < max)
		max = now.rlim_max;
	now = (struct rlimit){ max, max };
	return setrlimit(resource, &now) < 0 ? -errno : 0;
}

static void run_child(int out, int (*work)(void *arg, struct err *err), void *arg, unsigned seconds)
	__attribute__((noreturn));
static void run_child(int out, int (*work)(void *arg, struct err *err), void *arg, unsigned seconds)
{
	struct err err = { 0 };
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (limit(RLIMIT_AS, MEMORY_MAX) < 0 || limit(RLIMIT_CPU, seconds + 1) < 0 ||
		limit(RLIMIT_CORE, 0) < 0)
		rc = err_set(&err, EINVAL, "cannot set resource limits");
	else
		rc = work(arg, &err);
	if (rc < 0 && err.code == 0)
		err_errno(&err, -rc, "the hook's work");
	if (rc < 0 && io_write_all(out, &err, sizeof(err)) < 0)
		_exit(2);
	_exit(rc < 0);
}

/* Waits until the pipe ends, which is when the child has. Returns false if it has not in time. */
static bool collect(int in, unsigned seconds, struct err *ret_err, size_t *ret_len)
{
	char *to = (char *)ret_err;
	struct timespec start, now;
	size_t len = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		struct pollfd p = { .fd = in, .events = POLLIN };
		long long left;
		ssize_t n;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left = seconds * 1000ll - (now.tv_sec - start.tv_sec) * 1000ll -
		       (now.tv_nsec - start.tv_nsec) / 1000000;
		if (left <= 0)
			return false;
		if (poll(&p, 1, left) <= 0)
			continue;
		n = read(in, to + len, sizeof(*ret_err) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += n;
		if (len == sizeof(*ret_err))
			break;
	}
	*ret_len = len;
	return true;
}

int worker_run(
	int (*work)(void *arg, struct err *err), void *arg, unsigned seconds, struct err *err)
{
	struct err theirs = { 0 };
	size_t len = 0;
	bool in_time;
	int fds[2], status = 0;
	cpu_set_t cpus;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	near_begin(&cpus);
	child = fork();
	near_end(&cpus);
	if (child == 0) {
		close(fds[0]);
		run_child(fds[1], work, arg, seconds);
	}
	close(fds[1]);
	if (child < 0) {
		close(fds[0]);
		return err_errno(err, errno, "fork");
	}
	in_time = collect(fds[0], seconds, &theirs, &len);
	close(fds[0]);
	if (!in_time)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!in_time)
		return err_set(err, ETIMEDOUT, "not done within %u seconds", seconds);
	if (WIFSIGNALED(status))
		return err_set(err, EFAULT, "ended by %s", strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) == 0)
		return 0;
	theirs.text[sizeof(theirs.text) - 1] = '\0';
	if (len != sizeof(theirs) || theirs.code <= 0)
		return err_set(err, EFAULT, "ended with status %d", WEXITSTATUS(status));
	return err_set(err, theirs.code, "%s", theirs.text);
}
