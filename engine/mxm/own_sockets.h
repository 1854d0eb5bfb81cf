/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that one version has alone (own.h), and that reach nobody: one that is made, asked, set
 * and closed; one that tries to connect to nscd; and one that asks the kernel of addresses,
 * interfaces and routes (rtnetlink(7)), as getifaddrs(3) and getaddrinfo(3) do. What would change
 * one of these is an event, and so is a subscription to their changes.
 */
#ifndef MX_MXM_OWN_SOCKETS_H
#define MX_MXM_OWN_SOCKETS_H

#include "mxm/own.h"

/* What a socket(2) makes: OWN_SOCKET, OWN_ROUTES or OWN_NOT. */
enum own own_socket_made(const struct call *call);

/* By the call alone; and by what it hands over, made by the leader, or asked for by a follower at
 * its entry. */
bool own_socket_may(enum own own, const struct call *call);
bool own_socket_event_may(enum own own, const struct event *event);
bool own_socket_task_may(enum own own, const struct task *task);

#endif
