/* SPDX-License-Identifier: Apache-2.0 */
/* The time by the vDSO, where the thread may read the time stamp counter. */
#ifndef MX_AGENT_VDSO_H
#define MX_AGENT_VDSO_H

#include "agent/asked.h"
#include "agent/wire.h"

/* Its function for the call; 0: it has none, or would make the call itself. */
uint64_t vdso_function(const struct asked *asked, const struct agent_slot *slot);

/* What that says. A fault there is led to agent_bail like one in the agent. */
int64_t vdso_ask(const struct asked *asked, uint64_t function);

#endif
