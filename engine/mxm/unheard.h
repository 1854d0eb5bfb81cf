/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals that the old leader was sent and had not taken when it was lost: they are no events yet,
 * so the next one would never hear of them. It is sent them once it leads.
 */
#ifndef MX_MXM_UNHEARD_H
#define MX_MXM_UNHEARD_H

#include "mxm/state.h"

/* A leading @task is in its last stop: what is pending for it, or held for its next call. */
void unheard_note(struct task *task);
/* @info came to @task, which is to lead and still drains the stream, or is being ended. */
void unheard_keep(struct task *task, const siginfo_t *info);
/* The same, of a leading one that is being killed where it was to take @sig. */
void unheard_stopped(struct task *task, int sig);
void unheard_forget(struct list *unheard);
/* To the tasks of @group's leader, from now on. */
void unheard_pass_on(struct group *group);

#endif
