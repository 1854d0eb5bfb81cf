/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls the agent may take, by what they are about. */
#ifndef MX_AGENT_PERMIT_H
#define MX_AGENT_PERMIT_H

#include "agent/asked.h"
#include "agent/wire.h"

/* No other version will ever come: does the engine keep no account of the call either? */
int permit_free(const struct asked *asked);

/* Is it about what all versions have, and what the agent knows enough of? @mode: of the thread. */
int permit_for_all(const struct agent_row *row, const struct asked *asked, uint32_t mode);

#endif
