/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/tally.h"

#include <string.h>

void sea_tally(const struct sea_map *map, const struct sea_map_object *o, struct sea_tally *ret)
{
	const struct sea_map_data *d;
	const struct sea_map_site *s;
	uint32_t n;

	memset(ret, 0, sizeof(*ret));
	for (int side = 0; side < 2; side++) {
		const struct sea_map_func *f = sea_map_records(map, o, SEA_T_FUNCS_OLD + side, &n);

		ret->funcs[side] = n;
		for (uint32_t i = 0; i < n; i++) {
			ret->refused[side] += (f[i].flags & SEA_FF_REFUSED) != 0;
			if (f[i].verdict == SEA_V_ALONE) {
				if (f[i].flags & SEA_FF_AMBIGUOUS)
					ret->ambiguous++;
				else
					ret->alone[side]++;
			}
			if (side)
				continue;
			ret->verdict[f[i].verdict]++;
			if (f[i].evidence < SEA_N_EVIDENCE && f[i].evidence)
				ret->evidence[f[i].evidence]++;
		}
	}
	d = sea_map_records(map, o, SEA_T_DATA, &ret->ranges);
	for (uint32_t i = 0; i < ret->ranges; i++) {
		if (d[i].flags & SEA_D_WRITABLE)
			ret->data_bytes += d[i].size;
		ret->initial += (d[i].flags & SEA_D_INITIAL) != 0;
	}
	s = sea_map_records(map, o, SEA_T_SITES, &ret->sites);
	for (uint32_t i = 0; i < ret->sites; i++) {
		ret->safe += (s[i].flags & SEA_S_SAFE) != 0;
		ret->frames += !(s[i].flags & SEA_S_SAFE) && s[i].flags & SEA_S_FRAME;
	}
	ret->conflicts = o->table[SEA_T_CONFLICTS].count;
}
