/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/ready.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/group.h"
#include "mxm/special.h"
#include "mxm/surplus.h"
#include "mxm/vectors.h"

#define POLLS_MAX 65536

/* What is told: that one descriptor can be read, or written; or all of which there are unread
 * bytes.
 */
struct telling {
	int fd; /* UNREAD, NOTHING */
	bool write;
};

enum { UNREAD = -2, NOTHING = -1 };

static bool is_told(const struct task *task, const struct telling *t, int fd)
{
	if (t->fd == UNREAD)
		return fd >= 0 && surplus_next(task, fd - 1) == fd;
	return fd >= 0 && fd == t->fd;
}

/* How many descriptors are told; 0: none of them is waited for. -EFAULT. */
static int64_t by_poll(struct task *task, const struct telling *t)
{
	const short what = t->write ? POLLOUT | POLLWRNORM : POLLIN | POLLRDNORM;
	const uint64_t *a = task->call.args;
	uint32_t n = (uint32_t)a[1];
	cleanup_free struct pollfd *p = NULL;
	int64_t told = 0;

	if (!n || n > POLLS_MAX)
		return 0;
	p = xreallocarray(NULL, n, sizeof(*p));
	if (tracee_read(&task->tracee, raddr(a[0]), p, n * sizeof(*p)) < 0)
		return -EFAULT;
	for (uint32_t i = 0; i < n; i++) {
		p[i].revents = is_told(task, t, p[i].fd) ? p[i].events & what : 0;
		told += p[i].revents != 0;
	}
	if (!told && t->fd != NOTHING)
		return 0;
	return tracee_write(&task->tracee, raddr(a[0]), p, n * sizeof(*p)) < 0 ? -EFAULT : told;
}

static int64_t by_select(struct task *task, const struct telling *t)
{
	const uint64_t *a = task->call.args;
	const size_t size = vectors_fdset_bytes(a[0]);
	const int which = t->write ? 2 : 1;
	fd_set asked, ready, none;
	int64_t told = 0;

	FD_ZERO(&asked);
	if (size > sizeof(asked) ||
		(a[which] && tracee_read(&task->tracee, raddr(a[which]), &asked, size) < 0))
		return -EFAULT;
	FD_ZERO(&ready);
	FD_ZERO(&none);
	for (int fd = 0; fd < (int)a[0]; fd++) {
		if (FD_ISSET(fd, &asked) && is_told(task, t, fd)) {
			FD_SET(fd, &ready);
			told++;
		}
	}
	if (!told && t->fd != NOTHING)
		return 0;
	for (int i = 1; i <= 3; i++) {
		if (a[i] && tracee_write(&task->tracee, raddr(a[i]), i == which ? &ready : &none,
				    size) < 0)
			return -EFAULT;
	}
	return told;
}

static bool put_event(struct task *task, const struct telling *t, int fd, int64_t at)
{
	const uint64_t *a = task->call.args;
	const uint32_t what = t->write ? EPOLLOUT : EPOLLIN;
	struct epoll_event ev;

	if (!special_epoll_watches(task, (int)a[0], fd, &ev) || !(ev.events & what))
		return false;
	ev.events = what;
	return tracee_write(&task->tracee, raddr(a[1] + (uint64_t)at * sizeof(ev)), &ev,
		       sizeof(ev)) == 0;
}

static int64_t by_epoll(struct task *task, const struct telling *t)
{
	const uint64_t *a = task->call.args;
	int64_t told = 0;

	if (t->fd != UNREAD)
		return t->fd >= 0 && (int)a[2] > 0 && put_event(task, t, t->fd, 0);
	for (int fd = surplus_next(task, -1); fd >= 0 && told < (int)a[2];
		fd = surplus_next(task, fd))
		told += put_event(task, t, fd, told);
	return told;
}

static int64_t tell(struct task *task, const struct telling *t)
{
	switch (task->call.nr) {
	case SYS_poll:
	case SYS_ppoll:
		return by_poll(task, t);
	case SYS_select:
	case SYS_pselect6:
		return by_select(task, t);
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		return by_epoll(task, t);
	}
	return 0;
}

bool ready_tell(struct task *task)
{
	const struct telling unread = { UNREAD, false };
	int64_t told = tell(task, &unread);

	if (told <= 0)
		return false;
	tracee_skip_call(&task->tracee, told);
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
	return true;
}

int64_t ready_say(struct task *task, int fd, bool write)
{
	const struct telling one = { fd < 0 ? NOTHING : fd, write };

	return tell(task, &one);
}
