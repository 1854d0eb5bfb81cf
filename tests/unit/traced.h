/* SPDX-License-Identifier: Apache-2.0 */
/* A child that crashes, held at the signal-delivery stop. */
#ifndef MX_TESTS_TRACED_H
#define MX_TESTS_TRACED_H

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "tracee/tracee.h"

/* Forks, runs @fn(@arg) in the child and waits until it is about to be given SIGSEGV. */
static inline struct tracee traced_start(void (*fn)(void *), void *arg)
{
	struct tracee t = { 0 };
	struct stop stop;
	struct err err;
	int gate[2];
	char c;

	if (pipe2(gate, O_CLOEXEC) < 0)
		exit(1);
	t.tid = t.tgid = fork();
	if (t.tid == 0) {
		close(gate[1]);
		/* Until the parent traces us. */
		if (read(gate[0], &c, 1) == 0)
			fn(arg);
		_exit(99);
	}
	close(gate[0]);
	if (tracee_seize(t.tid, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	close(gate[1]);
	t.mm = mm_open(t.tid);
	while (tracee_wait_for(t.tid, &stop) == 0 && stop.kind != STOP_GONE) {
		if (stop.kind == STOP_SIGNAL && stop.sig == SIGSEGV)
			return t;
		tracee_resume(&t, RESUME_RUN, stop.kind == STOP_SIGNAL ? stop.sig : 0);
	}
	puts("Bail out! the child did not crash");
	exit(1);
}

static inline void traced_end(struct tracee *t)
{
	struct stop stop;

	kill(t->tgid, SIGKILL);
	/* On its way out it stops once more. */
	while (tracee_wait_for(t->tid, &stop) == 0 && stop.kind != STOP_GONE) {
		t->regs_dirty = false;
		tracee_resume(t, RESUME_RUN, 0);
	}
	mm_put(t->mm);
}

#endif
