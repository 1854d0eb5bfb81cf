/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/safe.h"

#include <errno.h>
#include <inttypes.h>

#include "base/xalloc.h"
#include "rem/unwind.h"

#define FRAMES_MAX 512

static int unsafe(struct err *err, const struct unwind_frame *f, const char *why)
{
	cleanup_str struct str line = STR_INIT;

	unwind_print_frame(&line, f);
	return err_set(err, EAGAIN, "%s: %s", str_text(&line), why);
}

static int check_frame(const struct sea_map *map, const struct objects *objects,
	const struct splice *splice, const struct unwind_frame *f, struct err *err)
{
	/* A call can be the last instruction of its function. */
	const uint64_t pc = f->pc - !f->exact_pc;
	const struct object *o = objects_at(objects, pc);
	const struct sea_map_func *func;

	if (splice && splice_holds(splice, pc))
		return unsafe(err, f, "is one of the functions that were put in");
	if (f->guessed)
		return unsafe(err, f, "has no call-frame information");
	if (!o || o->pair->state == SEA_O_IDENTICAL)
		return 0;
	if (o->pair->state != SEA_O_ANALYSED)
		return err_set(
			err, ENOTSUP, "%s: %s", f->object, sea_map_string(map, o->pair->reason));
	func = sea_map_func_of(map, o->pair, o->side, pc - o->bias);
	if (func && func->verdict != SEA_V_IDENTICAL)
		return unsafe(err, f, "differs between the versions");
	return 0;
}

int safe_point(struct unwinder *unwinder, const struct sea_map *map, const struct objects *objects,
	const struct splice *splice, struct tracee *t, struct err *err)
{
	cleanup_free struct unwind_frame *frames = xreallocarray(NULL, FRAMES_MAX, sizeof(*frames));
	int n = unwinder_backtrace(unwinder, t, splice_find, splice, frames, FRAMES_MAX, err), rc;

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		rc = check_frame(map, objects, splice, &frames[i], err);
		if (rc < 0)
			return rc;
	}
	if (!frames[n - 1].outermost)
		return unsafe(err, &frames[n - 1], "the stack ends here without being at its end");
	return 0;
}
