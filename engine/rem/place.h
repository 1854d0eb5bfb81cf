/* SPDX-License-Identifier: Apache-2.0 */
/* Room in a process for what is put in: near enough to its object, out of the way of what grows. */
#ifndef MX_REM_PLACE_H
#define MX_REM_PLACE_H

#include "rem/objects.h"

struct span {
	uint64_t start, end;
};

/*
 * A free place for @size bytes from which all of @o, one of @objects, can be reached by 32-bit
 * distances, outside the @n spans that were taken since the maps were read. 0: there is none.
 */
uint64_t place_find(const struct objects *objects, const struct object *o, uint64_t size,
	const struct span *taken, size_t n);

#endif
