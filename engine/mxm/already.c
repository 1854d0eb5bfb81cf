/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/already.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "mxm/by_fd.h"
#include "mxm/files.h"
#include "mxm/ids.h"
#include "mxm/install.h"

#define STATUS_MAX   65536
#define NR_FCHMODAT2 452
#define NOBODY	     ((uint32_t)-1) /* leaves an id as it is: chown(2), setresuid(2) */

/* the process */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_there(const struct task *task, int fd)
{
	cleanup_close int copy = -1;
	struct stat here, there;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cwd", task->tracee.tid);
	if (stat(path, &here) < 0)
		return false;
	if (fd < 0)
		return files_find(task, AT_FDCWD, 0, true, &there) && same_file(&here, &there);
	copy = install_copy(task, fd);
	return copy >= 0 && fstat(copy, &there) == 0 && same_file(&here, &there);
}

static bool has_priority(const struct task *task)
{
	int now;

	errno = 0;
	now = getpriority(PRIO_PROCESS, (id_t)task->tracee.tid);
	return errno == 0 && now == (int)task->call.args[2];
}

/* The line @key of proc(5)'s status, behind the colon. */
static bool read_status(const struct task *task, const char *key, struct str *status, char **ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", task->tracee.tid);
	if (io_read_file(path, STATUS_MAX, status, NULL) < 0)
		return false;
	*ret = strstr(str_text(status), key);
	if (*ret)
		*ret += strlen(key);
	return *ret;
}

/* All of its user or group ids are one, and the call's @n ids are that, or say nothing. */
static bool has_ids(const struct task *task, const char *key, int n)
{
	cleanup_str struct str status = STR_INIT;
	unsigned real, effective, saved, fs;
	char *line;

	if (!read_status(task, key, &status, &line) ||
		sscanf(line, "%u %u %u %u", &real, &effective, &saved, &fs) != 4 ||
		real != effective || real != saved || real != fs)
		return false;
	for (int i = 0; i < n; i++) {
		const uint32_t id = (uint32_t)task->call.args[i];

		if (id != real && (n == 1 || id != NOBODY))
			return false;
	}
	return true;
}

static bool has_no_new_privileges(const struct task *task)
{
	cleanup_str struct str status = STR_INIT;
	char *line;

	return read_status(task, "\nNoNewPrivs:", &status, &line) && strtol(line, NULL, 10) == 1;
}

/* Whatever the engine has done with it: what the program was told. */
static bool has_cpus(const struct task *task)
{
	const uint64_t *a = task->call.args;
	const struct mxm *mxm = task->tuple->group->mxm;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (a[1] > sizeof(set) ||
		tracee_read((struct tracee *)&task->tracee, raddr(a[2]), &set, a[1]) < 0)
		return false;
	CPU_AND(&set, &set, &mxm->affinity);
	return CPU_COUNT(&set) && CPU_EQUAL(&set, &task->tuple->proc->affinity);
}

static bool names_itself(const struct task *task, uint64_t pid)
{
	return !(uint32_t)pid || (pid_t)pid == task->tuple->proc->ids->known;
}

/* As the program knows it; group 0 is one that it leads. */
static bool is_in_group(const struct task *task, pid_t asked)
{
	const pid_t group = getpgid(task->tracee.tgid);

	if (!asked)
		return group == task->tracee.tgid;
	return group > 0 && ids_to_known(task->tuple->group->mxm, task->version, group) == asked;
}

/* files */

static bool sets_mode(const struct call *call)
{
	return call->nr == SYS_fchmod || call->nr == SYS_fchmodat;
}

static bool sets_owner(const struct call *call)
{
	return call->nr == SYS_fchown || call->nr == SYS_fchownat;
}

static bool is_or_stays(uint64_t asked, uint32_t now)
{
	return (uint32_t)asked == now || (uint32_t)asked == NOBODY;
}

/* An owner that is set again takes a program's rights away: set-user-ID, file capabilities. */
static bool has_owner(const struct stat *st, uint64_t owner, uint64_t group)
{
	return is_or_stays(owner, st->st_uid) && is_or_stays(group, st->st_gid) &&
	       (S_ISDIR(st->st_mode) || !(st->st_mode & (S_ISUID | S_ISGID | 0111)));
}

static bool has_attributes(const struct task *task)
{
	const uint64_t *a = task->call.args;
	const bool by_name = task->call.nr == SYS_fchmodat || task->call.nr == SYS_fchownat;
	const bool follows =
		task->call.nr != SYS_fchownat || !((uint32_t)a[4] & AT_SYMLINK_NOFOLLOW);
	cleanup_close int copy = by_name ? -1 : install_copy(task, (int)a[0]);
	struct stat st;

	if (by_name ? !files_find(task, (int)a[0], 1, follows, &st)
		    : copy < 0 || fstat(copy, &st) < 0)
		return false;
	a += by_name ? 2 : 1;
	return sets_mode(&task->call) ? (st.st_mode & 07777) == (a[0] & 07777)
				      : has_owner(&st, a[0], a[1]);
}

/* descriptors */

/* Of a socket, which tell what they were set to; and whether they are on or off, and no more. */
static bool is_plain_option(uint32_t level, uint32_t option, bool *ret_switch)
{
	*ret_switch = true;
	switch (level) {
	case SOL_SOCKET:
		return option == SO_REUSEADDR || option == SO_REUSEPORT || option == SO_KEEPALIVE ||
		       option == SO_BROADCAST || option == SO_OOBINLINE || option == SO_DONTROUTE;
	case IPPROTO_IPV6:
		return option == IPV6_V6ONLY;
	case IPPROTO_TCP:
		*ret_switch = option == TCP_NODELAY;
		return option == TCP_NODELAY || option == TCP_KEEPIDLE || option == TCP_KEEPINTVL ||
		       option == TCP_KEEPCNT;
	}
	return false;
}

static bool option_of(int fd, uint32_t level, uint32_t option, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, (int)level, (int)option, ret, &len) == 0 && len == sizeof(*ret);
}

/* Those that are a structure, and are told as they were set. */
static bool has_structure(const struct task *task, int fd)
{
	const uint64_t *a = task->call.args;
	const uint32_t option = (uint32_t)a[2];
	char asked[sizeof(struct timeval)], now[sizeof(asked)];
	socklen_t len = sizeof(now);

	return (uint32_t)a[1] == SOL_SOCKET &&
	       (option == SO_LINGER || option == SO_RCVTIMEO || option == SO_SNDTIMEO) &&
	       a[4] <= sizeof(asked) &&
	       tracee_read((struct tracee *)&task->tracee, raddr(a[3]), asked, a[4]) == 0 &&
	       getsockopt(fd, SOL_SOCKET, (int)option, now, &len) == 0 && len == a[4] &&
	       memcmp(asked, now, len) == 0;
}

static bool has_option(const struct task *task, int fd)
{
	const uint64_t *a = task->call.args;
	const uint32_t level = (uint32_t)a[1], option = (uint32_t)a[2];
	int asked, now, corked;
	bool on;

	if (has_structure(task, fd))
		return true;
	if (!is_plain_option(level, option, &on) || a[4] != sizeof(asked) ||
		tracee_read((struct tracee *)&task->tracee, raddr(a[3]), &asked, sizeof(asked)) <
			0 ||
		!option_of(fd, level, option, &now))
		return false;
	/* TCP_NODELAY sends what TCP_CORK holds back. */
	if (level == IPPROTO_TCP && option == TCP_NODELAY &&
		(!option_of(fd, level, TCP_CORK, &corked) || corked))
		return false;
	return on ? !asked == !now : asked == now;
}

/* tcp(7): of one that listens, TCP_INFO has its backlog where others have a count. */
static bool has_backlog(const struct task *task, int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       len >= offsetof(struct tcp_info, tcpi_lost) && info.tcpi_state == TCP_LISTEN &&
	       info.tcpi_sacked == (uint32_t)task->call.args[1];
}

/* What F_SETFL can set. */
#define FLAGS_SET (O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK)

/* Nothing comes of it there; elsewhere it may be a message. */
static bool writes_nothing(int fd)
{
	struct stat st;
	int type;
	socklen_t len = sizeof(type);

	return fstat(fd, &st) == 0 &&
	       (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) ||
		       (S_ISSOCK(st.st_mode) &&
			       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
			       type == SOCK_STREAM) ||
		       isatty(fd));
}

/* Does the descriptor's file have what the task's call would set? */
static bool has_on_file(const struct task *task)
{
	const int fd = (int)task->call.args[0];
	cleanup_close int copy = install_copy(task, fd);

	if (copy < 0)
		return false;
	if (task->call.nr == SYS_setsockopt)
		return has_option(task, copy);
	if (task->call.nr == SYS_write)
		return writes_nothing(copy);
	if (task->call.nr == SYS_listen)
		return has_backlog(task, copy);
	return !by_fd_find(&task->tuple->proc->apart, task->version, fd) &&
	       ((fcntl(copy, F_GETFL) ^ (int)task->call.args[2]) & FLAGS_SET) == 0;
}

/* On an open file, which both versions have together. */
static bool sets_on_file(const struct call *call)
{
	return call->nr == SYS_setsockopt || call->nr == SYS_write || call->nr == SYS_listen ||
	       (call->nr == SYS_fcntl && (int)call->args[1] == F_SETFL);
}

/* since then */

/* Do they set the same thing, if it is of one file? */
static bool set_the_same(const struct call *a, const struct call *b)
{
	if (a->nr == SYS_setsockopt)
		return b->nr == SYS_setsockopt && (uint32_t)a->args[1] == (uint32_t)b->args[1] &&
		       (uint32_t)a->args[2] == (uint32_t)b->args[2];
	if (a->nr == SYS_write)
		return false;
	if (a->nr == SYS_listen)
		return b->nr == SYS_listen;
	return b->nr == SYS_ioctl || (b->nr == SYS_fcntl && (int)b->args[1] == F_SETFL);
}

/*
 * Does the event set what the follower's @task would, to the same value or another? Which file a
 * mode or an owner is set of is hard to tell: of any.
 */
static bool sets_it(const struct task *task, const struct event *event)
{
	const struct call *ours = &task->call, *theirs = &event->call;

	if (event->kind != EVENT_CALL)
		return false;
	if (sets_mode(ours) || sets_owner(ours))
		return sets_mode(theirs) || sets_owner(theirs) || theirs->nr == NR_FCHMODAT2;
	return sets_on_file(ours) && event->tuple->proc == task->tuple->proc &&
	       (int)theirs->args[0] == (int)ours->args[0] && set_the_same(ours, theirs);
}

/* Has the leader, since the follower's @task, set something there, or is it about to, or at it?
 * Then what was so is not known, or the two set it to different values. */
static bool is_set_since(const struct task *task, const struct event *event)
{
	const struct group *group = task->tuple->group;
	const int fd = sets_on_file(&task->call) ? (int)task->call.args[0] : -1;

	list_for_each (at, &group->tuples) {
		const struct event *now =
			container_of(at, struct tuple, link)->tasks[group->leader].event;

		if (now && !now->pending && sets_it(task, now))
			return true;
	}
	for (const struct list *at = event->pending ? &event->link : &group->stream;
		at != &group->stream; at = at->next) {
		const struct event *next = container_of(at, struct event, link);

		if (next->kind != EVENT_CALL || !(next->pending & (1u << task->version)))
			continue;
		if (next->call.nr == SYS_close && next->tuple->proc == task->tuple->proc &&
			(int)next->call.args[0] == fd)
			return false;
		if (sets_it(task, next))
			return true;
	}
	return false;
}

bool already_covers(const struct call *call)
{
	switch (call->nr) {
	case SYS_chdir:
	case SYS_fchdir:
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setpgid:
		return true;
	case SYS_setpriority:
		return call->args[0] == PRIO_PROCESS && !(uint32_t)call->args[1];
	case SYS_sched_setaffinity:
		return !(uint32_t)call->args[0];
	case SYS_prctl:
		return call->args[0] == PR_SET_NO_NEW_PRIVS && call->args[1] == 1;
	case SYS_write:
		return !call->args[2];
	}
	return sets_mode(call) || sets_owner(call) || sets_on_file(call);
}

bool already_is(const struct task *task)
{
	switch (task->call.nr) {
	case SYS_chdir:
		return is_there(task, -1);
	case SYS_fchdir:
		return (int)task->call.args[0] >= 0 && is_there(task, (int)task->call.args[0]);
	case SYS_setpriority:
		return has_priority(task);
	case SYS_setuid:
		return has_ids(task, "\nUid:", 1);
	case SYS_setgid:
		return has_ids(task, "\nGid:", 1);
	case SYS_setreuid:
		return has_ids(task, "\nUid:", 2);
	case SYS_setregid:
		return has_ids(task, "\nGid:", 2);
	case SYS_setresuid:
		return has_ids(task, "\nUid:", 3);
	case SYS_setresgid:
		return has_ids(task, "\nGid:", 3);
	case SYS_setpgid:
		return names_itself(task, task->call.args[0]) &&
		       is_in_group(task, (pid_t)task->call.args[1]);
	case SYS_sched_setaffinity:
		return has_cpus(task);
	case SYS_prctl:
		return has_no_new_privileges(task);
	}
	return sets_mode(&task->call) || sets_owner(&task->call) ? has_attributes(task)
								 : has_on_file(task);
}

bool already_was(const struct task *task, const struct event *event)
{
	const struct call *call = &task->call;

	if (!already_is(task))
		return false;
	/* What the process has is the version's own. */
	if (!sets_mode(call) && !sets_owner(call) && !sets_on_file(call))
		return true;
	return event->kind == EVENT_CALL && !is_set_since(task, event);
}
