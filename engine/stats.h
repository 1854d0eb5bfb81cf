/* SPDX-License-Identifier: Apache-2.0 */
/* What `mx run --stats` says at the end. */
#ifndef MX_STATS_H
#define MX_STATS_H

#include "mxm/mxm.h"

/* On stderr: what was counted, and for each version which of its calls came by ptrace most. */
void stats_print(struct mxm *mxm, const struct mxm_config *config, uint64_t recoveries);

#endif
