/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Safe points (paper, section IV-B): no frame of a thread belongs to a function in which the
 * versions differ.
 */
#ifndef MX_REM_SAFE_H
#define MX_REM_SAFE_H

#include "rem/objects.h"
#include "rem/splice.h"

/*
 * Is @t, stopped, at a safe point? 0: yes. -EAGAIN: no; the reason names the frame. -ENOTSUP:
 * never, an object was not analysed. @splice: what
 * was put into its process, or NULL.
 */
struct unwinder;
MUST_CHECK int safe_point(struct unwinder *unwinder, const struct sea_map *map,
	const struct objects *objects, const struct splice *splice, struct tracee *t,
	struct err *err);

#endif
