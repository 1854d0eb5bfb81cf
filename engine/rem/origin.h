/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where functions that were put into a process came from. No mapped file has call-frame
 * information for them; the file that they were taken from has.
 */
#ifndef MX_REM_ORIGIN_H
#define MX_REM_ORIGIN_H

#include "rem/graft.h"
#include "rem/unwind.h"

struct origin;

/* Of all functions of @g, which is linked; takes over the bytes of its open donor, @path's. */
struct origin *origin_new(struct graft *g, const char *path);

/* Counted references; @origin may be NULL. */
struct origin *origin_get(struct origin *origin);
void origin_put(struct origin *origin);

/* Which of them holds @pc: valid as long as the origin is. */
bool origin_find(const struct origin *origin, uint64_t pc, struct unwind_place *ret);

#endif
