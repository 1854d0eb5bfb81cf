/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thread-local variables: a function that is put into the other version keeps their offsets, so
 * each has to be the same variable there. Equal sizes of the whole do not say so.
 */
#ifndef MX_SEA_TLS_H
#define MX_SEA_TLS_H

#include "sea/analysis.h"

struct sea_tls {
	bool moved;	 /* some variable has another offset, or the whole another shape */
	uint64_t *known; /* offsets that are seen to be the same variable, sorted */
	uint32_t n, room;
};

void sea_tls_compare(const struct sea_analysis *a, struct sea_tls *ret);
/* Is what is at @offset of the thread pointer the same variable in both? */
bool sea_tls_stays(const struct sea_tls *tls, uint64_t offset);
void sea_tls_free(struct sea_tls *tls);

#endif
