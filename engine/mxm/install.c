/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/install.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/xalloc.h"
#include "mxm/group.h"
#include "mxm/late.h"

/* How long a notification may take to come before the follower is looked after again, in ms. */
#define NOTIFY_STEP_MS 50
#define NOTIFY_STEPS   100

struct wire {
	struct msghdr m;
	struct iovec iov;
	char control[CMSG_SPACE(sizeof(int))];
	struct sockaddr_un addr;
	char byte;
};

/* An abstract address that no one else can have guessed: the kernel picks it. */
static int open_post(struct sockaddr_un *ret_addr, socklen_t *ret_len)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	*ret_len = sizeof(*ret_addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(sa_family_t)) < 0 ||
		getsockname(fd, (struct sockaddr *)ret_addr, ret_len) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Puts a message for sendmsg(2) or recvmsg(2) into the task's scratch page; addresses are its own.
 */
static int lay_out_message(
	struct task *task, const struct sockaddr_un *to, socklen_t to_len, int num)
{
	const uint64_t base = GATEWAY_SCRATCH;
	struct wire w;
	struct cmsghdr *c = (struct cmsghdr *)w.control;

	memset(&w, 0, sizeof(w));
	w.iov = (struct iovec){ (void *)(base + offsetof(struct wire, byte)), 1 };
	w.m.msg_iov = (void *)(base + offsetof(struct wire, iov));
	w.m.msg_iovlen = 1;
	w.m.msg_control = (void *)(base + offsetof(struct wire, control));
	w.m.msg_controllen = sizeof(w.control);
	if (to) {
		w.m.msg_name = (void *)(base + offsetof(struct wire, addr));
		w.m.msg_namelen = to_len;
		w.addr = *to;
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &num, sizeof(num));
	}
	return tracee_write(&task->tracee, raddr(base), &w, sizeof(w));
}

static int remote(struct task *task, long *ret, long nr, uint64_t a, uint64_t b, uint64_t c)
{
	int rc = tracee_remote(&task->tracee, task->at_entry_stop, ret, nr, a, b, c, 0, 0, 0);

	task->at_entry_stop = false;
	return rc < 0 ? rc : 0;
}

/* The leader sends the descriptor to the engine. */
static int take_by_socket(struct task *task, int num)
{
	struct sockaddr_un addr;
	socklen_t len;
	cleanup_close int post = open_post(&addr, &len);
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	long sock, sent, closed;
	int rc, fd;

	if (post < 0)
		return post;
	rc = remote(task, &sock, SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (rc < 0 || sock < 0)
		return rc < 0 ? rc : (int)sock;
	rc = lay_out_message(task, &addr, len, num);
	if (rc == 0)
		rc = remote(task, &sent, SYS_sendmsg, sock, GATEWAY_SCRATCH, MSG_DONTWAIT);
	if (rc == 0)
		rc = remote(task, &closed, SYS_close, sock, 0, 0);
	if (rc < 0 || sent < 0)
		return rc < 0 ? rc : (int)sent;
	if (recvmsg(post, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* pidfd_open(2), Linux 6.9 */
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

static int copy_from(pid_t tid, unsigned flags, int num)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, tid, flags);
	int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, num, 0);

	return fd < 0 ? -errno : fd;
}

int install_copy(const struct task *task, int num)
{
	const struct tracee *t = &task->tracee;
	int fd;

	if (task->tuple->group->mxm->no_getfd)
		return -EPERM;
	fd = copy_from(t->tgid, 0, num);
	/* A main thread that has ended has no descriptors any more, though its process does. */
	if (fd == -ESRCH && t->tid != t->tgid)
		fd = copy_from(t->tid, PIDFD_THREAD, num);
	return fd == -EBADF ? late_copy(task, num) : fd;
}

int install_fetch(struct task *task, int num)
{
	struct mxm *mxm = task->tuple->group->mxm;

	if (!mxm->no_getfd) {
		int fd = install_copy(task, num);

		if (fd >= 0 || fd == -ESRCH || fd == -EBADF)
			return fd;
		/* A change of user id forbids it for this process, a profile for all; a kernel may
		 * not know of threads' descriptors. */
		if (!task->tuple->proc->other_user && fd != -EINVAL)
			mxm->no_getfd = true;
	}
	return take_by_socket(task, num);
}

int install_take(struct task *task, struct event *event, int num, bool cloexec)
{
	int fd = install_fetch(task, num);

	if (fd < 0)
		return fd;
	event->fds = xreallocarray(event->fds, event->nfds + 1, sizeof(*event->fds));
	event->fds[event->nfds++] = (struct newfd){ num, fd, cloexec };
	return 0;
}

/* The follower stopped instead of asking: -EINTR, it can ask again; -ESRCH: that is its end. */
static int broke_in(struct task *task, const struct stop *stop)
{
	if (stop->kind == STOP_DYING || stop->kind == STOP_GONE ||
		(stop->kind == STOP_SIGNAL && signals_is_crash(task, stop->sig))) {
		group_stash(task->tuple->group, stop);
		return -ESRCH;
	}
	if (stop->kind == STOP_NEW)
		task->tracee.interrupted = task->slice_over = task->looked_at = false;
	task->tracee.regs_known = false;
	return -EINTR;
}

/*
 * Waits for the one notification that is due. -EINTR: a signal of the follower's own broke in, and
 * it stands in that signal's stop; -ESRCH: it died.
 */
static int await_notification(struct task *task, int listener, struct seccomp_notif *ret)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	struct stop stop;

	for (int i = 0; i < NOTIFY_STEPS; i++) {
		if (poll(&p, 1, i < 20 ? 1 : NOTIFY_STEP_MS) > 0) {
			memset(ret, 0, sizeof(*ret));
			if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, ret) == 0)
				return 0;
			if (errno != EINTR && errno != ENOENT)
				return -errno;
		}
		if (tracee_poll_for(task->tracee.tid, &stop) == 0)
			return broke_in(task, &stop);
		if (syscall(SYS_tgkill, task->tracee.tgid, task->tracee.tid, 0) < 0)
			return -ESRCH;
	}
	return -ETIMEDOUT;
}

/* What ends a follower's call: descriptors, and the call's result. */
struct gift {
	const struct newfd *fds;
	int n;
	int64_t result;
};

static int answer(int listener, uint64_t id, const struct gift *gift)
{
	const bool one = gift->n == 1 && gift->fds[0].num == gift->result;

	for (int i = 0; i < gift->n; i++) {
		struct seccomp_notif_addfd add = {
			.id = id,
			.flags = SECCOMP_ADDFD_FLAG_SETFD | (one ? SECCOMP_ADDFD_FLAG_SEND : 0),
			.srcfd = gift->fds[i].fd,
			.newfd = gift->fds[i].num,
			.newfd_flags = gift->fds[i].cloexec ? O_CLOEXEC : 0,
		};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0)
			return -errno;
	}
	if (!one) {
		struct seccomp_notif_resp resp = { .id = id, .val = gift->result };

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0)
			return -errno;
	}
	return 0;
}

/* Once more to the entry of the call out of which a signal took it; the signal is passed over. */
static int ask_again(struct task *task, uint64_t nr, uint64_t site)
{
	struct user_regs_struct *regs = tracee_touch(&task->tracee);
	struct stop stop;
	int rc;

	if (!regs)
		return -ESRCH;
	regs->rip = site;
	regs->rax = nr;
	regs->orig_rax = -1;
	do {
		rc = tracee_resume(&task->tracee, RESUME_RUN, 0);
		if (rc == 0)
			rc = tracee_wait_for(task->tracee.tid, &stop);
		if (rc == 0 && stop.kind != STOP_SECCOMP)
			rc = broke_in(task, &stop);
	} while (rc == -EINTR);
	return rc;
}

/*
 * No poke of the monitor may break into SECCOMP_IOCTL_NOTIF_ADDFD with SEND: the kernel (6.18) then
 * takes the descriptor back, but has answered the call already, with 0.
 */
static void hold_pokes(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* The call goes on after it is answered, or (@again) at its site. */
static int give_by_notification(struct task *task, const struct gift *gift, bool again)
{
	struct version *version = &task->tuple->group->mxm->versions[task->version];
	struct user_regs_struct *regs;
	struct seccomp_notif req;
	struct stop stop;
	uint64_t site;
	int rc;

	hold_pokes(true);
	pthread_mutex_lock(&version->install_lock);
	for (;;) {
		regs = tracee_touch(&task->tracee);
		if (!regs) {
			rc = -ESRCH;
			break;
		}
		/* The call returns to the gateway, which jumps back by rcx, clobbered by any call.
		 */
		site = regs->rip - 2;
		regs->rcx = again ? site : regs->rip;
		regs->rip = GATEWAY_NOTIFY;
		rc = tracee_resume(&task->tracee, RESUME_RUN, 0);
		if (rc == 0)
			rc = await_notification(task, version->listener, &req);
		if (rc == 0)
			rc = answer(version->listener, req.id, gift);
		if (rc == -ENOENT)
			rc = tracee_wait_for(task->tracee.tid, &stop) < 0 ? -ESRCH
									  : broke_in(task, &stop);
		if (rc != -EINTR)
			break;
		rc = ask_again(task, task->call.issued, site);
		if (rc < 0)
			break;
	}
	pthread_mutex_unlock(&version->install_lock);
	hold_pokes(false);
	return rc;
}

/* A pair of sockets of the task's, of which the engine takes one: works in any network namespace.
 */
static int open_pair(struct task *task, long *ret_sock, int *ret_post)
{
	int pair[2], rc;
	long r, closed;

	if (task->tuple->group->mxm->no_getfd)
		return -EPERM;
	rc = tracee_remote(&task->tracee, task->at_entry_stop, &r, SYS_socketpair, AF_UNIX,
		SOCK_DGRAM | SOCK_CLOEXEC, 0, GATEWAY_SCRATCH, 0, 0);
	task->at_entry_stop = false;
	if (rc < 0 || r < 0)
		return rc < 0 ? rc : (int)r;
	rc = tracee_read(&task->tracee, raddr(GATEWAY_SCRATCH), pair, sizeof(pair));
	if (rc < 0)
		return rc;
	*ret_post = install_copy(task, pair[0]);
	*ret_sock = pair[1];
	rc = remote(task, &closed, SYS_close, pair[0], 0, 0);
	if (rc == 0 && *ret_post >= 0)
		return 0;
	if (*ret_post >= 0)
		close(*ret_post);
	else if (rc == 0 && remote(task, &closed, SYS_close, pair[1], 0, 0) == 0)
		rc = *ret_post;
	return rc < 0 ? rc : -ESRCH;
}

/* A socket of the task's with an address that the kernel picks, and one of the engine's that sends
 * there. */
static int open_named(struct task *task, long *ret_sock, int *ret_post)
{
	struct sockaddr_un addr;
	cleanup_close int post = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint64_t name_at = GATEWAY_SCRATCH + 1024, len_at = GATEWAY_SCRATCH + 1200;
	const sa_family_t family = AF_UNIX;
	uint32_t name_len = sizeof(addr);
	long sock, r;
	int rc;

	if (post < 0)
		return -errno;
	rc = remote(task, &sock, SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (rc < 0 || sock < 0)
		return rc < 0 ? rc : (int)sock;
	rc = tracee_write(&task->tracee, raddr(name_at), &family, sizeof(family));
	if (rc == 0)
		rc = remote(task, &r, SYS_bind, sock, name_at, sizeof(family));
	if (rc == 0)
		rc = tracee_write(&task->tracee, raddr(len_at), &name_len, sizeof(name_len));
	if (rc == 0)
		rc = remote(task, &r, SYS_getsockname, sock, name_at, len_at);
	if (rc == 0)
		rc = tracee_read(&task->tracee, raddr(len_at), &name_len, sizeof(name_len));
	if (rc == 0 && name_len <= sizeof(addr))
		rc = tracee_read(&task->tracee, raddr(name_at), &addr, name_len);
	if (rc == 0 && (name_len > sizeof(addr) ||
			       connect(post, (struct sockaddr *)&addr, name_len) < 0)) {
		rc = name_len > sizeof(addr) ? -EBADMSG : -errno;
		if (remote(task, &r, SYS_close, sock, 0, 0) < 0)
			rc = -ESRCH;
	}
	if (rc < 0)
		return rc;
	*ret_sock = sock;
	*ret_post = take_fd(&post);
	return 0;
}

/* The task makes a socket, the engine sends to it, the task receives. */
int install_send(struct task *task, int fd, int *ret_there)
{
	cleanup_close int post = -1;
	char byte = 0, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct wire got;
	long sock = -1, r, closed;
	int rc;

	*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	rc = open_pair(task, &sock, &post);
	if (rc < 0 && rc != -ESRCH)
		rc = open_named(task, &sock, &post);
	if (rc < 0)
		return rc;
	r = sendmsg(post, &m, MSG_DONTWAIT) < 0 ? -errno : 0;
	if (r == 0)
		rc = lay_out_message(task, NULL, 0, 0);
	if (r == 0 && rc == 0)
		rc = remote(task, &r, SYS_recvmsg, sock, GATEWAY_SCRATCH, MSG_DONTWAIT);
	if (rc == 0 && r >= 0)
		rc = tracee_read(&task->tracee, raddr(GATEWAY_SCRATCH), &got, sizeof(got));
	if (rc == 0)
		rc = remote(task, &closed, SYS_close, sock, 0, 0);
	if (rc < 0 || r < 0)
		return rc < 0 ? rc : (int)r;
	memcpy(ret_there, CMSG_DATA((struct cmsghdr *)got.control), sizeof(*ret_there));
	return 0;
}

/* Sends the descriptor and moves it to its number. */
int install_put(struct task *task, const struct newfd *newfd)
{
	long r, moved = 0;
	int there, rc = install_send(task, newfd->fd, &there);

	if (rc < 0)
		return rc;
	if (there == newfd->num) {
		rc = remote(
			task, &moved, SYS_fcntl, there, F_SETFD, newfd->cloexec ? FD_CLOEXEC : 0);
	} else {
		rc = remote(
			task, &moved, SYS_dup3, there, newfd->num, newfd->cloexec ? O_CLOEXEC : 0);
		if (rc == 0 && moved >= 0)
			rc = remote(task, &r, SYS_close, there, 0, 0);
	}
	return rc < 0 ? rc : moved < 0 ? (int)moved : 0;
}

/* O_PATH descriptors are refused by ADDFD (EBADF), but can be sent over a socket. */
static bool can_be_added(const struct newfd *fds, int n)
{
	for (int i = 0; i < n; i++) {
		if (fcntl(fds[i].fd, F_GETFL) & O_PATH)
			return false;
	}
	return true;
}

static bool can_notify(const struct task *task, const struct newfd *fds, int n)
{
	return task->tuple->group->mxm->versions[task->version].listener >= 0 &&
	       !task->tracee.mm->no_gateway && task->at_entry_stop && can_be_added(fds, n);
}

int install_give(struct task *task, struct event *event, bool *ret_runs)
{
	int rc = 0;

	if (!event->sig && can_notify(task, event->fds, event->nfds)) {
		*ret_runs = true;
		return give_by_notification(
			task, &(struct gift){ event->fds, event->nfds, event->result }, false);
	}
	*ret_runs = false;
	for (int i = 0; i < event->nfds && rc == 0; i++)
		rc = install_put(task, &event->fds[i]);
	if (rc == 0) {
		struct user_regs_struct *regs = tracee_touch(&task->tracee);

		if (!regs)
			return -ESRCH;
		regs->orig_rax = -1;
		regs->rax = event->result;
	}
	return rc;
}

int install_before(struct task *task, const struct newfd *fds, int n, bool *ret_runs)
{
	int rc = 0;

	*ret_runs = n && can_notify(task, fds, n);
	if (*ret_runs)
		return give_by_notification(
			task, &(struct gift){ fds, n, (int64_t)task->call.issued }, true);
	for (int i = 0; i < n && rc == 0; i++)
		rc = install_put(task, &fds[i]);
	if (rc == 0)
		tracee_retry_call(&task->tracee, task->call.issued);
	return rc;
}
