/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that fork(2) leaves out, or leaves empty, since the program has said so (madvise(2)
 * MADV_DONTFORK, MADV_WIPEONFORK). It is a version's memory all the same, so a copy of the process
 * has it: the marks are taken off for the copying, and set again in both.
 */
#ifndef MX_MXM_UNFORKED_H
#define MX_MXM_UNFORKED_H

#include "mxm/state.h"

struct unforked {
	struct unforked_range {
		uint64_t start, len;
		int advice;
	} * v;
	size_t n;
};

void unforked_free(struct unforked *u);
#define cleanup_unforked __attribute__((cleanup(unforked_free)))

/* @task is at the entry of a madvise() of such a kind. */
void unforked_note(struct task *task);

/* What stopped @t has of it is copied by its next fork. -EINVAL: some cannot be; the rest, in
 * *@ret, is to be closed again. */
MUST_CHECK int unforked_open(struct tracee *t, struct unforked *ret, struct err *err);
/* As it was, in @t or its copy. */
MUST_CHECK int unforked_close(const struct unforked *u, struct tracee *t, struct err *err);

#endif
