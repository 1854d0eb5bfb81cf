/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads and children that begin on their maker's CPU. The kernel puts a new task on a CPU that
 * has nothing to do, and waking that one takes longer than what a short program does at its start
 * or end (docs/architecture.md, "Where things run"). Where the maker waits for the new task, or has
 * little left to do, its own CPU is the nearest.
 */
#ifndef MX_BASE_NEAR_H
#define MX_BASE_NEAR_H

#include <pthread.h>
#include <sched.h>

#include "base/cleanup.h"

/* Until near_end(), what the caller makes begins on its CPU. @ret_cpus: those that it had; none of
 * them where it could not be told, and then near_end() does nothing. */
void near_begin(cpu_set_t *ret_cpus);
/* For the maker, and for the child, which may go where it wants then. Async-signal-safe. */
void near_end(const cpu_set_t *cpus);

/* As pthread_create(3) without attributes, for a thread that begins on the caller's CPU and does
 * not choose its own. Returns an error number, or 0. */
MUST_CHECK int near_thread(pthread_t *ret_thread, void *(*run)(void *arg), void *arg);

#endif
