/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/own_sockets.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "mxm/canon.h"

/* Longer than any question. */
#define QUESTION_MAX 4096

enum own own_socket_made(const struct call *call)
{
	switch ((uint32_t)call->args[0]) {
	case AF_UNIX:
	case AF_INET:
	case AF_INET6:
		return OWN_SOCKET;
	case AF_NETLINK:
		return (uint32_t)call->args[2] == NETLINK_ROUTE ? OWN_ROUTES : OWN_NOT;
	}
	return OWN_NOT;
}

/* Options that concern the socket alone, as long as it has no peer and no address. */
static bool is_plain_option(uint32_t level, uint32_t option)
{
	switch (level) {
	case SOL_SOCKET:
		return option == SO_REUSEADDR || option == SO_REUSEPORT || option == SO_KEEPALIVE ||
		       option == SO_SNDBUF || option == SO_RCVBUF || option == SO_LINGER ||
		       option == SO_SNDTIMEO || option == SO_RCVTIMEO;
	case IPPROTO_IPV6:
		return option == IPV6_V6ONLY;
	case IPPROTO_TCP:
		return true;
	}
	return false;
}

bool own_socket_may(enum own own, const struct call *call)
{
	if (call->nr == SYS_setsockopt)
		return is_plain_option((uint32_t)call->args[1], (uint32_t)call->args[2]);
	return own == OWN_ROUTES && (call->nr == SYS_recvmsg || call->nr == SYS_recvfrom);
}

/* glibc asks nscd, where there is one, for users, groups and hosts. */
static bool is_nscd(const void *addr, size_t len)
{
	struct sockaddr_un un = { .sun_family = AF_UNSPEC };

	memcpy(&un, addr, len < sizeof(un) - 1 ? len : sizeof(un) - 1);
	return un.sun_family == AF_UNIX && (strcmp(un.sun_path, "/var/run/nscd/socket") == 0 ||
						   strcmp(un.sun_path, "/run/nscd/socket") == 0);
}

/* Any number of its own, and no group that is told of changes. */
static bool is_unsubscribed(const void *addr, size_t len)
{
	struct sockaddr_nl nl;

	if (len != sizeof(nl))
		return false;
	memcpy(&nl, addr, len);
	return nl.nl_family == AF_NETLINK && !nl.nl_groups;
}

static bool may_have_address(enum own own, uint64_t nr, const void *addr, size_t len)
{
	return own == OWN_SOCKET ? nr == SYS_connect && is_nscd(addr, len)
				 : nr == SYS_bind && is_unsubscribed(addr, len);
}

/* rtnetlink(7): of the four kinds of message of each object the third asks. */
static bool is_question(const char *text, size_t len)
{
	struct nlmsghdr head;

	if (len < sizeof(head))
		return false;
	memcpy(&head, text, sizeof(head));
	return head.nlmsg_len == len && head.nlmsg_type >= RTM_BASE &&
	       (head.nlmsg_type - RTM_BASE) % 4 == RTM_GETLINK - RTM_BASE;
}

bool own_socket_event_may(enum own own, const struct event *event)
{
	char addr[sizeof(struct sockaddr_un)];
	const char *text;
	uint64_t len;

	if (own == OWN_ROUTES && event->call.nr == SYS_sendto) {
		text = canon_payload(&event->in, false, &len);
		return text && is_question(text, len);
	}
	if ((own != OWN_SOCKET && own != OWN_ROUTES) ||
		(event->call.nr != SYS_connect && event->call.nr != SYS_bind))
		return false;
	len = canon_address(&event->in, addr, sizeof(addr));
	return len && may_have_address(own, event->call.nr, addr, len);
}

static bool read_bytes(const struct task *task, int at, uint64_t len, char *ret, size_t size)
{
	return len <= size && tracee_read((struct tracee *)&task->tracee,
				      raddr(task->call.args[at]), ret, len) == 0;
}

bool own_socket_task_may(enum own own, const struct task *task)
{
	const uint64_t *a = task->call.args;
	char text[QUESTION_MAX] = "";

	if (own == OWN_ROUTES && task->call.nr == SYS_sendto)
		return read_bytes(task, 1, a[2], text, sizeof(text)) && is_question(text, a[2]);
	if ((own != OWN_SOCKET && own != OWN_ROUTES) ||
		(task->call.nr != SYS_connect && task->call.nr != SYS_bind))
		return false;
	return a[2] <= sizeof(struct sockaddr_un) &&
	       read_bytes(task, 1, a[2], text, sizeof(text)) &&
	       may_have_address(own, task->call.nr, text, a[2]);
}
