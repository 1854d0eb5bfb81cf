/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/foresee.h"

#include <string.h>
#include <sys/syscall.h>

#include "mxm/clones.h"
#include "mxm/fruitless.h"
#include "mxm/masks.h"
#include "mxm/modes.h"
#include "mxm/own.h"
#include "mxm/pieces.h"
#include "mxm/rules.h"
#include "mxm/vain.h"
#include "mxm/waits.h"
#include "mxm/wanted.h"

static struct call call_of(const struct foreseen *f)
{
	struct call call = { .row = f->row, .nr = f->nr, .issued = f->issued };

	memcpy(call.args, f->args, sizeof(call.args));
	return call;
}

const char *foresee_look(const struct foreseen *f)
{
	const struct call call = call_of(f);

	if (rules_is_look(&call) || masks_is_libcs(&call))
		return rules_alone_name(&call);
	if (f->answered && fruitless_was(&call, f->result))
		return RULE_FRUITLESS;
	return f->answered && vain_told(&call, f->result) ? RULE_NOTHING : NULL;
}

const char *foresee_mode(const struct foreseen *f)
{
	const struct call call = call_of(f);

	return f->answered && f->result >= 0 && modes_sets_cloexec(&call) ? RULE_FLAGS : NULL;
}

const char *foresee_source(const struct foreseen *f)
{
	const struct call call = call_of(f);
	const size_t begin = sizeof(uint32_t) + 1; /* a directory's descriptor and a mark */

	/* The normal form ends a name with a zero byte, and a struct str every buffer. */
	return f->nr == SYS_openat && f->in.len > begin
		       ? own_rule(own_source(&call, f->in.data + begin))
		       : NULL;
}

bool foresee_is_of_source(const struct foreseen *f, int fd)
{
	if ((int)f->args[0] != fd)
		return false;
	return f->nr == SYS_read || f->nr == SYS_readv || f->nr == SYS_close || foresee_look(f);
}

bool foresee_same(const struct foreseen *a, const struct foreseen *b, const char **ret_rule)
{
	const struct call x = call_of(a), y = call_of(b);
	size_t first, len;

	*ret_rule = waits_rule(&x, &a->in, &y, &b->in);
	if (*ret_rule)
		return true;
	if ((a->nr != b->nr && clones_are_same(&x, &a->in, &y, &b->in)) ||
		clones_are_alike(&x, &a->in, &y, &b->in)) {
		*ret_rule = RULE_SAME_CALL;
		return true;
	}
	if (rules_same_copy(&x, &y) && (a->nr != b->nr || a->row != b->row)) {
		*ret_rule = RULE_FLAGS;
		return true;
	}
	if (a->nr != b->nr || a->row != b->row)
		return false;
	if (a->in.len == b->in.len && memcmp(str_text(&a->in), str_text(&b->in), a->in.len) == 0) {
		if (a->issued != b->issued)
			*ret_rule = RULE_SAME_CALL;
		return true;
	}
	if (rules_same_flags(&x, &a->in, &y, &b->in, false))
		*ret_rule = RULE_FLAGS;
	else if (rules_differ_in_temporary(&x, &a->in, &b->in, &first, &len))
		*ret_rule = RULE_TEMPORARY;
	return *ret_rule != NULL;
}

bool foresee_commute(const struct foreseen *a, const struct foreseen *b)
{
	const struct call x = call_of(a), y = call_of(b);

	return wanted_commute(&x, &y);
}

bool foresee_bytes(const struct foreseen *f, struct foreseen_bytes *ret)
{
	const struct call call = call_of(f);
	uint64_t asked;

	if (!f->flow || !f->answered || f->result < 0 ||
		!pieces_moves(&call, &f->in, &ret->fd, &ret->write, &ret->data, &asked))
		return false;
	ret->len = (uint64_t)f->result < asked ? (uint64_t)f->result : asked;
	return true;
}

const char *foresee_unsupported(const struct foreseen *f)
{
	if (!f->row)
		return "no row in the system-call table";
	if (f->row->class != SYS_UNSUPPORTED)
		return NULL;
	return f->row->reason ? f->row->reason : "not supported";
}

_Static_assert(FORESEE_WINDOW == WANTED_WINDOW, "one window");
