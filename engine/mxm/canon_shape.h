/* SPDX-License-Identifier: Apache-2.0 */
/* How the normal form is laid out, for the two that walk it: canon.c makes it, canon_recall.c reads
 * it. */
#ifndef MX_MXM_CANON_SHAPE_H
#define MX_MXM_CANON_SHAPE_H

#include "agent/wire.h"
#include "mxm/state.h"

/* What stands before the bytes behind a pointer: none, these, or an address that cannot be read. */
enum { MARK_NULL, MARK_HERE, MARK_BAD };

/* A sigaction whose handler is none, SIG_DFL or SIG_IGN by its number, begins with this. */
#define MARK_HANDLERS (MARK_HERE + 2)
/* It says where code is, not what it does. */
#define SA_RESTORER_FLAG 0x04000000ul

/* From this length on only a digest is kept. */
#define DIGEST_FROM AGENT_DIGEST_FROM

/* What an argument of a kind leaves in the normal form. */
enum canon_shape {
	SHAPE_NOTHING,
	SHAPE_WORD,   /* 4 bytes: its value */
	SHAPE_LONG,   /* 8 bytes: its value */
	SHAPE_MARK,   /* 1 byte: whether it is there */
	SHAPE_MEMORY, /* what it points to, by its kind */
};

enum canon_shape canon_shape(uint8_t kind);

#endif
