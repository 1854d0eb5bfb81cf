/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version that runs alone is recorded: mxm_ops.asked and its kin are told of its calls. Nothing
 * happens in a run whose director does not ask for it.
 */
#ifndef MX_MXM_TOLD_H
#define MX_MXM_TOLD_H

#include "mxm/state.h"

/* Stopped at the entry of a call that is an event. */
void told_ask(struct task *task);
/* The call of told_ask() returned; random bytes that it drew are replaced. */
void told_answer(struct task *task, int64_t result);
/* @tuple was made by @parent; NULL: it is the program's first. */
void told_birth(struct tuple *tuple, const struct tuple *parent, bool thread);

#endif
