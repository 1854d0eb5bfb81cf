/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/signalfds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "mxm/fds.h"

#define RENEWED_MAX 64
#define INFO_MAX    (1u << 20)

void signalfds_note(struct task *task)
{
	task->tuple->proc->has_signalfd |=
		task->call.nr == SYS_signalfd || task->call.nr == SYS_signalfd4;
}

static bool is_signalfd(pid_t pid, int fd)
{
	static const char name[] = "anon_inode:[signalfd]";
	char path[64], target[sizeof(name)];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return readlink(path, target, sizeof(target)) == sizeof(name) - 1 &&
	       memcmp(target, name, sizeof(name) - 1) == 0;
}

/* What the kernel's set @set_fd holds of @fd: proc(5), /proc/PID/fdinfo. */
static bool find_member(pid_t pid, int set_fd, int fd, struct epoll_event *ret)
{
	cleanup_str struct str text = STR_INIT;
	char path[64], *rest, *line;
	uint64_t data;
	uint32_t events;
	int member;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, set_fd);
	if (io_read_file(path, INFO_MAX, &text, NULL) < 0)
		return false;
	rest = text.data;
	while (rest && (line = strsep(&rest, "\n"))) {
		if (sscanf(line, "tfd: %d events: %" SCNx32 " data: %" SCNx64, &member, &events,
			    &data) == 3 &&
			member == fd) {
			*ret = (struct epoll_event){ .events = events, .data.u64 = data };
			return true;
		}
	}
	return false;
}

static int renew(struct tracee *t, int set_fd, int fd, const struct epoll_event *event)
{
	int rc = tracee_write(t, raddr(GATEWAY_SCRATCH), event, sizeof(*event));
	long r = 0;

	/* A change alone does not ask the descriptor to wake the set anew. */
	for (int add = 0; add < 2 && rc == 0 && r == 0; add++)
		rc = tracee_remote(t, false, &r, SYS_epoll_ctl, set_fd,
			add ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, GATEWAY_SCRATCH, 0, 0);
	return rc < 0 ? rc : (int)r;
}

int signalfds_renew(struct task *task)
{
	struct fds_stale members[RENEWED_MAX];
	struct tracee *t = &task->tracee;
	int n = fds_epoll_added(
		task->tuple->group->mxm, task->tuple->proc->fds, members, RENEWED_MAX);
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++) {
		struct epoll_event event;

		if (is_signalfd(t->tgid, members[i].fd) &&
			find_member(t->tgid, members[i].set_fd, members[i].fd, &event))
			rc = renew(t, members[i].set_fd, members[i].fd, &event);
	}
	return rc;
}
