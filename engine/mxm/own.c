/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "mxm/alike.h"
#include "mxm/canon.h"
#include "mxm/canon_shape.h"
#include "mxm/fds.h"
#include "mxm/files.h"
#include "mxm/group.h"
#include "mxm/install.h"
#include "mxm/masks.h"
#include "mxm/own_sockets.h"
#include "mxm/rules.h"
#include "mxm/settings.h"
#include "mxm/special.h"

/* Where a descriptor goes that one version alone has: far above those of the program. */
#define FAR_FD 900

/* How many of the leader's events are searched for one that is the follower's call: an interpreter
 * makes hundreds of looks as it starts. Fewer than a leader may be ahead (lead.c). */
#define LOOK_AHEAD 1024

const char *own_rule(enum own own)
{
	static const char *const names[] = {
		[OWN_RANDOM] = RULE_RANDOM,
		[OWN_SYSTEM] = RULE_SYSTEM,
		[OWN_FILE] = RULE_READ,
		[OWN_NAME] = RULE_NAME,
		[OWN_OBJECT] = RULE_OWN,
		[OWN_SOCKET] = RULE_OWN,
		[OWN_ROUTES] = RULE_OWN,
		[OWN_NULL] = RULE_OWN,
		[OWN_COPY] = RULE_OWN,
		[OWN_LEFT] = RULE_REORDER,
	};

	return names[own];
}

/* sources */

static enum own source_of(const char *path)
{
	static const char *const files[] = { "/proc/stat", "/proc/meminfo", "/proc/cpuinfo",
		"/proc/version", "/proc/loadavg", "/proc/uptime", "/proc/filesystems",
		"/proc/self/status", "/proc/self/stat", "/proc/self/statm", "/proc/self/maps",
		"/proc/self/smaps", "/proc/self/limits", "/proc/self/cgroup",
		"/proc/self/mountinfo", "/proc/self/oom_score", "/proc/self/oom_score_adj",
		"/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv", "/proc/self/comm",
		"/proc/self/io", "/proc/self/mounts", "/proc/self/fd", "/proc/self/task",
		"/proc/self/sched", "/proc/self/schedstat", "/proc/mounts", "/proc/vmstat",
		"/proc/cmdline", "/proc/swaps", "/proc/partitions", "/proc/diskstats",
		"/proc/interrupts", "/proc/softirqs", "/proc/modules", "/proc/devices",
		"/proc/zoneinfo", "/proc/buddyinfo", "/proc/schedstat", "/etc/localtime",
		"/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/host.conf", "/etc/gai.conf",
		"/etc/ld.so.cache" };
	static const char *const folders[] = { "/proc/sys/", "/proc/net/", "/proc/self/net/",
		"/proc/pressure/", "/sys/devices/system/", "/sys/kernel/mm/", "/sys/fs/cgroup/",
		"/usr/share/zoneinfo/", "/usr/lib/locale/" };

	if (strcmp(path, "/dev/urandom") == 0 || strcmp(path, "/dev/random") == 0)
		return OWN_RANDOM;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (strcmp(path, files[i]) == 0)
			return OWN_SYSTEM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (str_starts(path, folders[i]) && !strstr(path, "/../"))
			return OWN_SYSTEM;
	}
	return OWN_NOT;
}

enum own own_source(const struct call *call, const char *path)
{
	return files_opened_to_read(call) ? source_of(path) : OWN_NOT;
}

/* what makes them */

static enum own object_of(const struct call *call)
{
	switch (call->nr) {
	case SYS_eventfd2:
	case SYS_epoll_create1:
	case SYS_timerfd_create:
	case SYS_pipe2:
	case SYS_socketpair:
	case SYS_memfd_create:
	case SYS_inotify_init1:
		return OWN_OBJECT;
	case SYS_fcntl:
		return call->args[1] == F_DUPFD || call->args[1] == F_DUPFD_CLOEXEC ? OWN_COPY
										    : OWN_NOT;
	case SYS_socket:
		return own_socket_made(call);
	}
	return OWN_NOT;
}

/* The device that gives nothing, and takes all that is written. */
static bool opens_null(const struct call *call, const char *path)
{
	return call->nr == SYS_openat && strcmp(path, "/dev/null") == 0;
}

static bool opens_name(const struct call *call, const char *path)
{
	static const char before[] = "/proc/self/task/";
	size_t n = strlen(before);

	return call->nr == SYS_openat && !(call->args[2] & (O_CREAT | O_TRUNC)) &&
	       str_starts(path, before) &&
	       strcmp(path + n + strspn(path + n, "0123456789"), "/comm") == 0;
}

enum own own_makes(struct task *task)
{
	cleanup_str struct str path = STR_INIT;
	enum own own;

	if (task->call.nr != SYS_openat)
		return object_of(&task->call);
	if (tracee_read_str(&task->tracee, raddr(task->call.args[1]), PATH_MAX, &path) < 0)
		return OWN_NOT;
	if (opens_name(&task->call, str_text(&path)))
		return OWN_NAME;
	if (opens_null(&task->call, str_text(&path)))
		return OWN_NULL;
	if (!files_opened_to_read(&task->call))
		return OWN_NOT;
	own = source_of(str_text(&path));
	return own == OWN_NOT && files_is_plain(task, &task->call) ? OWN_FILE : own;
}

/* What the leader has opened; an opening that is still to come, or failed, harms nobody. */
static bool is_plain(const struct event *event)
{
	if (!event->pending || event->of_file)
		return true;
	return event->nfds ? files_fd_is_plain(event->fds[0].fd)
			   : event->result == -ENOENT || event->result == -ENOTDIR;
}

enum own own_made(const struct event *event)
{
	char path[256] = "";
	enum own own;

	if (event->kind != EVENT_CALL)
		return OWN_NOT;
	if (event->call.nr != SYS_openat)
		return object_of(&event->call);
	if (!canon_recall(event, event->call.args[1], path, sizeof(path) - 1))
		return OWN_NOT;
	if (opens_name(&event->call, path))
		return OWN_NAME;
	if (opens_null(&event->call, path))
		return OWN_NULL;
	if (!files_opened_to_read(&event->call))
		return OWN_NOT;
	own = source_of(path);
	return own == OWN_NOT && is_plain(event) ? OWN_FILE : own;
}

/* what is done with them */

static bool may_use_source(const struct call *call)
{
	switch (call->nr) {
	case SYS_read:
	case SYS_readv:
	case SYS_pread64:
	case SYS_lseek:
	case SYS_getdents64:
		return true;
	case SYS_mmap:
		return !(call->args[2] & PROT_WRITE) || (call->args[3] & MAP_TYPE) == MAP_PRIVATE;
	}
	return false;
}

static bool may_use_object(const struct call *call)
{
	switch (call->nr) {
	case SYS_read:
	case SYS_readv:
	case SYS_write:
	case SYS_writev:
	case SYS_pread64:
	case SYS_pwrite64:
	case SYS_lseek:
	case SYS_ftruncate:
	case SYS_fallocate:
	case SYS_mmap:
	case SYS_timerfd_settime:
	case SYS_timerfd_gettime:
	case SYS_inotify_add_watch:
	case SYS_inotify_rm_watch:
	case SYS_epoll_ctl:
	case SYS_epoll_wait:
	case SYS_shutdown:
		return true;
	case SYS_sendto:
	case SYS_recvfrom:
		return !call->args[4];
	}
	return false;
}

static bool may_use_null(const struct call *call)
{
	return may_use_source(call) || call->nr == SYS_write || call->nr == SYS_writev ||
	       call->nr == SYS_pwrite64;
}

bool own_may(enum own own, const struct call *call)
{
	if (own == OWN_NOT)
		return false;
	if (call->nr == SYS_close || rules_is_look(call) ||
		(call->nr == SYS_fcntl && call->args[1] == F_SETFD))
		return true;
	/* A copy has these in common with what it is a copy of. */
	if (own != OWN_COPY && ((call->nr == SYS_fcntl && call->args[1] == F_SETFL) ||
				       (call->nr == SYS_ioctl && call->args[1] == FIONBIO)))
		return true;
	switch (own) {
	case OWN_RANDOM:
	case OWN_SYSTEM:
	case OWN_FILE:
	case OWN_LEFT:
		return may_use_source(call);
	case OWN_NAME:
		return call->nr == SYS_write;
	case OWN_OBJECT:
		return may_use_object(call);
	case OWN_NULL:
		return may_use_null(call);
	case OWN_SOCKET:
	case OWN_ROUTES:
		return own_socket_may(own, call);
	case OWN_COPY:
	case OWN_NOT:
		break;
	}
	return false;
}

static int fd_of(const struct call *call)
{
	return (int)call->args[call->nr == SYS_mmap ? 4 : 0];
}

enum own own_unshared(const struct proc *proc, int version, const struct event *event)
{
	int fd = event->kind == EVENT_CALL && event->call.row ? fd_of(&event->call) : -1;
	enum own own;

	if (fd < 0 || fd >= FDS_OWN_MAX)
		return OWN_NOT;
	own = proc->unshared_fds[version][fd];
	return own_may(own, &event->call) || own_socket_event_may(own, event) ? own : OWN_NOT;
}

/* A timer that is set fires now: to wait for it is a sleep, which a follower need not take. */
static bool is_fired(int timer)
{
	struct itimerspec t;

	if (timerfd_gettime(timer, &t) < 0 || (!t.it_value.tv_sec && !t.it_value.tv_nsec))
		return false;
	t.it_value = (struct timespec){ 0, 1 };
	return timerfd_settime(timer, 0, &t, NULL) == 0;
}

/* Would it wait? A version that waits alone may wait for what only both can do. */
static bool waits(const struct task *task, int fd, short what)
{
	cleanup_close int copy = install_copy(task, fd);
	struct pollfd p = { copy, what, 0 };

	return copy < 0 ||
	       (!(fcntl(copy, F_GETFL) & O_NONBLOCK) && poll(&p, 1, 0) <= 0 && !is_fired(copy));
}

bool own_may_now(const struct task *task, int fd)
{
	const struct call *call = &task->call;
	enum own own = fd >= 0 && fd < FDS_OWN_MAX ? task->tuple->proc->own_fds[task->version][fd]
						   : OWN_NOT;

	/* A file of its own, which nothing can be done to that others see. */
	if (own <= OWN_NAME)
		return true;
	if (own_socket_task_may(own, task))
		return true;
	if (!own_may(own, call))
		return false;
	switch (call->nr) {
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
		return !waits(task, fd, POLLIN);
	case SYS_write:
	case SYS_writev:
	case SYS_sendto:
		return !waits(task, fd, POLLOUT);
	case SYS_epoll_wait:
		return !(uint32_t)call->args[3];
	}
	return true;
}

/* whose */

static bool has_made(const struct event *maker, int fd)
{
	if (own_made(maker) == OWN_COPY)
		return maker->result == fd;
	for (int i = 0; i < maker->nfds; i++) {
		if (maker->fds[i].num == fd)
			return true;
	}
	return false;
}

/* Is it on a descriptor that an event has made which the follower has not had yet? */
static bool is_of_made(const struct task *task, const struct event *event)
{
	const struct group *group = task->tuple->group;

	for (const struct list *at = group->stream.next; at != &event->link && at != &group->stream;
		at = at->next) {
		const struct event *maker = container_of(at, struct event, link);

		if ((maker->pending & (1u << task->version)) &&
			maker->tuple->proc == event->tuple->proc && own_made(maker) != OWN_NOT &&
			has_made(maker, fd_of(&event->call)))
			return true;
	}
	return false;
}

/* May the leader have done it by itself? Then it is known later whose turn it was. */
static bool may_be_leaders_own(const struct task *task, const struct event *event)
{
	return event->kind == EVENT_CALL &&
	       (rules_is_look(&event->call) || settings_has(&event->call) ||
		       masks_has(&event->call) || own_made(event) != OWN_NOT ||
		       is_of_made(task, event));
}

bool own_while_held(const struct task *task, const struct event *event)
{
	return task->held_back && may_be_leaders_own(task, event);
}

enum own_turn own_turn(const struct task *task, const struct event *event)
{
	const struct group *group = task->tuple->group;
	const struct task *leader = &task->tuple->tasks[group->leader];
	int left = LOOK_AHEAD;

	/* The event may be the call that the leader is at. */
	for (struct list *at = event->link.next; event != leader->event && at != &group->stream;
		at = at->next) {
		const struct event *next = container_of(at, struct event, link);

		if (next->tuple != event->tuple || !(next->pending & (1u << task->version)))
			continue;
		if (alike_is_same(task, next))
			return OWN_LEADERS;
		if (!left-- || !may_be_leaders_own(task, next))
			return OWN_FOLLOWERS;
	}
	if (leader->event && leader->event != event) {
		if (alike_is_same(task, leader->event))
			return OWN_LEADERS;
		if (!may_be_leaders_own(task, leader->event))
			return OWN_FOLLOWERS;
	}
	return group->bereft || group->lag > LOOK_AHEAD || task_waits_beside(group, leader)
		       ? OWN_FOLLOWERS
		       : OWN_UNKNOWN;
}

/* what becomes of them */

static void set_unshared(struct proc *proc, int version, int fd, enum own own)
{
	if (fd >= 0 && fd < FDS_OWN_MAX)
		proc->unshared_fds[version][fd] = own;
}

/* What the event has made; of what the leader's agent has opened nothing but the number is known.
 */
static void set_made(struct proc *proc, int version, const struct event *event, enum own own)
{
	for (int i = 0; i < event->nfds; i++)
		set_unshared(proc, version, event->fds[i].num, own);
	if (event->recorded && event->call.nr == SYS_openat && event->result >= 0)
		set_unshared(proc, version, (int)event->result, own);
}

void own_pass_over(struct task *task, const struct event *event)
{
	struct proc *proc = task->tuple->proc;

	if (event->kind != EVENT_CALL)
		return;
	if (event->call.nr == SYS_close)
		set_unshared(proc, task->version, (int)event->call.args[0], OWN_NOT);
	if (object_of(&event->call) == OWN_COPY && event->result >= 0)
		set_unshared(proc, task->version, (int)event->result, OWN_COPY);
	set_made(proc, task->version, event, own_made(event));
}

void own_share(struct task *task, const struct event *event)
{
	struct proc *proc = task->tuple->proc;

	set_made(proc, task->version, event, OWN_NOT);
	if (event->call.row->special == SPECIAL_DUP && event->result >= 0)
		set_unshared(proc, task->version, (int)event->result, OWN_NOT);
}

void own_left(struct task *task, int fd)
{
	set_unshared(task->tuple->proc, task->version, fd, OWN_LEFT);
}

static int move(struct task *task, int fd, bool cloexec)
{
	long moved, ignored;
	int rc = tracee_remote(&task->tracee, false, &moved, SYS_fcntl, (uint64_t)fd,
		cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, FAR_FD, 0, 0, 0);

	/* A limit below that: it stays where it is. */
	if (rc < 0 || moved < 0)
		return rc < 0 ? rc : fd;
	rc = tracee_remote(&task->tracee, false, &ignored, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	return rc < 0 ? rc : (int)moved;
}

static int take_one(struct task *task, int fd, enum own own)
{
	struct proc *proc = task->tuple->proc;
	int moved = move(task, fd, special_makes_cloexec(task));

	if (moved < 0)
		return -ESRCH;
	local_own_fd(task, moved, true);
	if (moved < FDS_OWN_MAX)
		proc->own_fds[task->version][moved] = own;
	return moved;
}

int own_take(struct task *task, int64_t *result)
{
	enum own own = own_makes(task);
	const int at = task->call.nr == SYS_socketpair ? 3 : 0;
	int pair[2], moved;

	if (task->call.nr != SYS_pipe2 && task->call.nr != SYS_socketpair) {
		moved = take_one(task, (int)*result, own);
		if (moved >= 0)
			*result = moved;
		return moved < 0 ? moved : 0;
	}
	if (tracee_read(&task->tracee, raddr(task->call.args[at]), pair, sizeof(pair)) < 0)
		return -ESRCH;
	for (int i = 0; i < 2; i++) {
		pair[i] = take_one(task, pair[i], own);
		if (pair[i] < 0)
			return -ESRCH;
	}
	return tracee_write(&task->tracee, raddr(task->call.args[at]), pair, sizeof(pair)) < 0
		       ? -ESRCH
		       : 0;
}
