/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that an agent can take, from the system-call table. */
#ifndef MX_MXM_AGENT_TABLE_H
#define MX_MXM_AGENT_TABLE_H

#include "agent/wire.h"
#include "mxm/state.h"

void agent_table_build(struct agent_table *ret_table, const struct mxm *mxm);
bool agent_table_has(const struct call *call, const struct mxm *mxm);
/* Those that it takes with AGENT_FREE only. */
bool agent_table_frees(const struct call *call);

#endif
