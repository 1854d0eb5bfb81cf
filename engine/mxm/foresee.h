/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the built-in rules would say of calls that were recorded (mxm_ops.asked), without a run:
 * the same functions that judge a follower's call.
 */
#ifndef MX_MXM_FORESEE_H
#define MX_MXM_FORESEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "sys/sys.h"

struct foreseen {
	const struct sys_row *row; /* NULL: there is none */
	uint64_t nr, issued;
	uint64_t args[6];
	struct str in; /* normal form */
	int64_t result;
	bool answered;
	char flow; /* pieces_flow() */
};

/* May one version make it alone? The name of the rule, or NULL. */
const char *foresee_look(const struct foreseen *call);
/* Does it set close-on-exec, which the other version may have done in another call? Likewise. */
const char *foresee_mode(const struct foreseen *call);
/* Is it the opening of something that one version may read alone? The name of the rule, or NULL. */
const char *foresee_source(const struct foreseen *call);
/* Would it be passed over as work on descriptor @fd, which such an opening made? */
bool foresee_is_of_source(const struct foreseen *call, int fd);
/*
 * Do the two ask for the same? True, and by which rule in @ret_rule; NULL: they are equal.
 */
bool foresee_same(const struct foreseen *a, const struct foreseen *b, const char **ret_rule);
/* May they come in either order? */
bool foresee_commute(const struct foreseen *a, const struct foreseen *b);
/* How far ahead the rule of that looks. */
#define FORESEE_WINDOW 8

/* A transfer whose bytes may come in other pieces. */
struct foreseen_bytes {
	int fd;
	bool write;
	const char *data; /* of a write */
	uint64_t len;	  /* that were moved */
};
bool foresee_bytes(const struct foreseen *call, struct foreseen_bytes *ret);

/* Does the engine let the followers go at this call? The reason, or NULL. */
const char *foresee_unsupported(const struct foreseen *call);

/* Names of the rules that foresee more than one call. */
#define FORESEE_PIECES	"pieces"
#define FORESEE_REORDER "reorder"

#endif
