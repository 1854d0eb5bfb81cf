/* SPDX-License-Identifier: Apache-2.0 */
#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/near.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "control.h"

/* What of the caller's side the engine looks after while the program runs. */
struct passer {
	struct director *d;
	int sigfd;
	bool init;
	int status_fd;	   /* to the front, or -1 */
	atomic_bool ended; /* the front was told how the program ended, and may be gone */
};

static void report_end(void *arg, int status)
{
	struct passer *p = arg;

	/* Before the front can know of it: its end is no reason to end any more. */
	p->ended = true;
	/* EPIPE: nobody to tell; the program's other processes go on as daemons would. */
	if (p->status_fd >= 0)
		(void)!io_write_all(p->status_fd, &status, sizeof(status));
}

/*
 * Signals are passed on; those of the terminal come to the program by themselves. A front that is
 * killed takes the engine with it, and PTRACE_O_EXITKILL the program.
 */
static void *passer(void *arg)
{
	struct passer *p = arg;

	for (;;) {
		bool watch = p->status_fd >= 0 && !p->ended;
		struct pollfd fds[2] = { { p->sigfd, POLLIN, 0 },
			{ watch ? p->status_fd : -1, 0, 0 } };
		struct signalfd_siginfo info;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents && !p->ended)
			_exit(MX_EXIT_ENGINE);
		if (!(fds[0].revents & POLLIN) ||
			read(p->sigfd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_code != SI_KERNEL || p->init)
			director_signal(p->d, (int)info.ssi_signo);
	}
}

static void passed_signals(sigset_t *set)
{
	static const int sigs[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
		SIGWINCH, SIGCONT, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGIO, SIGPWR };

	sigemptyset(set);
	for (unsigned i = 0; i < ARRAY_SIZE(sigs); i++)
		sigaddset(set, sigs[i]);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Encodes a failure to start as a wait status, so that the front can say it like any end. */
static int failure_status(int rc)
{
	int code = rc == -ENOENT		     ? MX_EXIT_NO_FILE
		   : rc == -EACCES || rc == -ENOEXEC ? MX_EXIT_NO_EXEC
						     : MX_EXIT_ENGINE;

	return code << 8;
}

/* The last part of the name that the program is called by. */
static const char *app_name(const struct front *f)
{
	const char *name = f->config.mxm.versions[f->config.mxm.leader].argv[0];
	const char *slash = strrchr(name, '/');

	return slash && slash[1] ? slash + 1 : name;
}

static int start(
	struct front *f, struct director **ret_d, struct control **ret_control, struct err *err)
{
	bool ticks = f->control || f->config.promote_after;
	struct control *control = NULL;
	int rc = 0;

	if (ticks)
		rc = control_open(
			     f->control, app_name(f), f->log_path, f->config.log, &control, err) < 0
			     ? -EIO
			     : 0;
	if (rc == 0)
		rc = director_start(&f->config, ret_d, err);
	if (rc == 0 && control)
		rc = control_start(control, *ret_d, err);
	if (rc < 0)
		control_close(control);
	else
		*ret_control = control;
	return rc;
}

static int engine(struct front *f, int status_fd)
{
	struct passer p = { .init = f->init, .status_fd = status_fd };
	struct control *control = NULL;
	struct director *d;
	pthread_t thread;
	struct err err;
	sigset_t set;
	int rc;

	rc = eventlog_open(f->log_path, f->verbose, &f->config.log, &err);
	if (rc < 0) {
		fprintf(stderr, "mx run: %s\n", err.text);
		return failure_status(-EIO);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	rc = start(f, &d, &control, &err);
	if (rc < 0) {
		fprintf(stderr, "mx run: %s\n", err.text);
		return failure_status(rc);
	}
	/*
	 * The programs may have the engine's user id: its memory is not for them. Of a container's
	 * first process they expect to open /proc/1/fd/1, its log, and /proc/1/environ.
	 */
	if (!f->init)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	passed_signals(&set);
	p.d = d;
	p.sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	director_on_end(d, report_end, &p);
	if (p.sigfd >= 0 && near_thread(&thread, passer, &p) == 0)
		pthread_detach(thread);
	rc = director_wait(d);
	control_close(control);
	eventlog_close(f->config.log);
	return rc;
}

/*
 * The process that the caller started waits for the program's first process and ends as it did,
 * while the engine, its child, stays as long as any process of the program does: a program that
 * becomes a daemon goes on being two. Where the engine is to say something at its end, the front
 * stays as long.
 */
static int front(pid_t pid, int status_fd, bool stays)
{
	sigset_t set;
	int status = 0, word, sigfd;
	bool told = false;

	passed_signals(&set);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	for (;;) {
		struct pollfd p[2] = { { status_fd, POLLIN, 0 }, { sigfd, POLLIN, 0 } };
		struct signalfd_siginfo info;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents && read(sigfd, &info, sizeof(info)) == sizeof(info) &&
			info.ssi_code != SI_KERNEL)
			kill(pid, (int)info.ssi_signo);
		if (!p[0].revents)
			continue;
		if (read(status_fd, &word, sizeof(word)) != sizeof(word))
			break;
		status = word;
		told = true;
		if (!stays)
			return status;
	}
	/* The engine has closed its end: it is over. */
	if (told)
		return status;
	if (waitpid(pid, &status, 0) != pid || WIFSIGNALED(status))
		return MX_EXIT_ENGINE << 8;
	return status;
}

/* Ends as the program did, so that a caller's wait(2) sees the same. */
static int end_like(int status)
{
	if (WIFSIGNALED(status)) {
		struct rlimit none = { 0, 0 };
		sigset_t set;

		setrlimit(RLIMIT_CORE, &none);
		signal(WTERMSIG(status), SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, WTERMSIG(status));
		fflush(NULL);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		raise(WTERMSIG(status));
	}
	return exit_status(status);
}

static int run_with_front(struct front *f)
{
	int pipefd[2];
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0) {
		fprintf(stderr, "mx run: pipe: %s\n", strerror(errno));
		return MX_EXIT_ENGINE;
	}
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "mx run: fork: %s\n", strerror(errno));
		return MX_EXIT_ENGINE;
	}
	if (pid == 0) {
		close(pipefd[0]);
		_exit(exit_status(engine(f, pipefd[1])));
	}
	close(pipefd[1]);
	/* Where it cannot, the engine cannot either, and does not start. */
	if (f->config.mxm.drop_chroot)
		(void)f->config.mxm.drop_chroot();
	return end_like(front(pid, pipefd[0], f->config.stats));
}

int front_run(struct front *f)
{
	sigset_t set;

	passed_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return f->init ? exit_status(engine(f, -1)) : run_with_front(f);
}
