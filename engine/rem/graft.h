/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a splice puts into one object's neighbourhood, made in the engine's memory: code, constants
 * and new data, laid out one after another and linked against the object.
 */
#ifndef MX_REM_GRAFT_H
#define MX_REM_GRAFT_H

#include "rem/donor.h"
#include "rem/objects.h"

#define GRAFT_NONE UINT64_MAX

struct origin;

struct graft {
	const struct sea_map *map;
	struct object object;
	int side; /* of the donor */
	struct donor donor;
	uint64_t *func_at; /* offset of each function of the donor's, GRAFT_NONE: stays behind */
	uint64_t *copy_at; /* of each piece of data */
	uint64_t code, constants, data; /* sizes, whole pages */
	uint64_t stubs_at, stubs_end;	/* offsets: jumps to imports that have no stub there */
	uint64_t base;			/* address in the process */
	uint8_t *bytes;			/* all three */
	int n;				/* functions */
	struct origin *origin;		/* what unwinds them, once linked; or NULL */
};

/* Lays out what is needed. -ENOTSUP: the map forbids it. */
MUST_CHECK int graft_plan(
	const struct sea_map *map, const struct object *object, struct graft *ret, struct err *err);
uint64_t graft_size(const struct graft *g);

/* With the donor open and `base` set: makes the bytes. */
MUST_CHECK int graft_link(struct graft *g, struct err *err);

/* Where the donor's function @i begins in the process. */
uint64_t graft_entry(const struct graft *g, uint32_t i);
void graft_free(struct graft *g);

#endif
