/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/ready.h"

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

static bool is_unread(const struct task *task, int fd)
{
	return fd >= 0 && surplus_next(task, fd - 1) == fd;
}

/* How many descriptors are told; 0: none of them is waited for. */
static int64_t by_poll(struct task *task)
{
	const uint64_t *a = task->call.args;
	uint32_t n = (uint32_t)a[1];
	cleanup_free struct pollfd *p = NULL;
	int64_t told = 0;

	if (!n || n > POLLS_MAX)
		return 0;
	p = xreallocarray(NULL, n, sizeof(*p));
	if (tracee_read(&task->tracee, raddr(a[0]), p, n * sizeof(*p)) < 0)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		p[i].revents = is_unread(task, p[i].fd) ? p[i].events & (POLLIN | POLLRDNORM) : 0;
		told += p[i].revents != 0;
	}
	return told && tracee_write(&task->tracee, raddr(a[0]), p, n * sizeof(*p)) < 0 ? 0 : told;
}

static int64_t by_select(struct task *task)
{
	const uint64_t *a = task->call.args;
	const size_t size = vectors_fdset_bytes(a[0]);
	fd_set asked, ready, none;
	int64_t told = 0;

	if (!a[1] || size > sizeof(asked) ||
		tracee_read(&task->tracee, raddr(a[1]), &asked, size) < 0)
		return 0;
	FD_ZERO(&ready);
	FD_ZERO(&none);
	for (int fd = surplus_next(task, -1); fd >= 0 && fd < (int)a[0];
		fd = surplus_next(task, fd)) {
		if (FD_ISSET(fd, &asked)) {
			FD_SET(fd, &ready);
			told++;
		}
	}
	if (!told || tracee_write(&task->tracee, raddr(a[1]), &ready, size) < 0)
		return 0;
	for (int i = 2; i <= 3; i++) {
		if (a[i] && tracee_write(&task->tracee, raddr(a[i]), &none, size) < 0)
			return 0;
	}
	return told;
}

static int64_t by_epoll(struct task *task)
{
	const uint64_t *a = task->call.args;
	struct epoll_event ev;
	int64_t told = 0;

	for (int fd = surplus_next(task, -1); fd >= 0 && told < (int)a[2];
		fd = surplus_next(task, fd)) {
		if (!special_epoll_watches(task, (int)a[0], fd, &ev) || !(ev.events & EPOLLIN))
			continue;
		ev.events = EPOLLIN;
		if (tracee_write(&task->tracee, raddr(a[1] + (uint64_t)told * sizeof(ev)), &ev,
			    sizeof(ev)) < 0)
			break;
		told++;
	}
	return told;
}

bool ready_tell(struct task *task)
{
	int64_t told = 0;

	switch (task->call.nr) {
	case SYS_poll:
	case SYS_ppoll:
		told = by_poll(task);
		break;
	case SYS_select:
	case SYS_pselect6:
		told = by_select(task);
		break;
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		told = by_epoll(task);
		break;
	}
	if (!told)
		return false;
	tracee_skip_call(&task->tracee, told);
	task->at_entry_stop = false;
	task_resume(task, RESUME_RUN, 0);
	return true;
}
