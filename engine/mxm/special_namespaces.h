/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces that a program makes for itself: unshare, clone, setns. */
#ifndef MX_MXM_SPECIAL_NAMESPACES_H
#define MX_MXM_SPECIAL_NAMESPACES_H

#include "mxm/state.h"

extern const struct special special_unshare;

/* Why MXM cannot follow @task's call, as its namespaces go; NULL: it can. */
const char *namespaces_unsupported(struct task *task);

#endif
