/* SPDX-License-Identifier: Apache-2.0 */
/* The call that a thread has come with. */
#ifndef MX_AGENT_ASKED_H
#define MX_AGENT_ASKED_H

#include "agent/wire.h"

/* Under its usual name it is what is compared, recorded and made. */
struct asked {
	uint64_t nr, a[6];
};

/* Gives it its usual name, as rules_rename() does, if it is one that an agent takes. */
void asked_rename(struct asked *c);

#endif
