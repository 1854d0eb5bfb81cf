/* SPDX-License-Identifier: Apache-2.0 */
/* Functions without a counterpart that may be each other's. */
#ifndef MX_SEA_TWINS_H
#define MX_SEA_TWINS_H

#include "sea/analysis.h"

/*
 * Calls @twin for each two functions of either version that have no counterpart, have the same
 * instructions with other constants, and come at the same place among all that have these; and
 * @either for those of which one version has more than the other, in the side that @either is told.
 */
void sea_each_twin(const struct sea_analysis *a, void (*twin)(void *ctx, uint32_t fo, uint32_t fn),
	void (*either)(void *ctx, enum sea_side side, uint32_t func), void *ctx);

#endif
