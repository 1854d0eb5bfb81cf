/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/safe.h"

#include <errno.h>
#include <inttypes.h>

#include "base/xalloc.h"
#include "rem/unwind.h"

#define FRAMES_MAX 512

/* A stack, and what its frames are judged by. */
struct look {
	struct unwinder *unwinder;
	const struct sea_map *map;
	const struct objects *objects;
	const struct splice *splice;
	struct tracee *t;
};

static void name(const struct look *l, struct unwind_frame *f)
{
	unwinder_describe(l->unwinder, l->t, &l->objects->maps, splice_find, l->splice, f);
}

static int unsafe(const struct look *l, struct err *err, struct unwind_frame *f, const char *why)
{
	cleanup_str struct str line = STR_INIT;

	name(l, f);
	unwind_print_frame(&line, f);
	return err_set(err, EAGAIN, "%s: %s", str_text(&line), why);
}

static int check_frame(const struct look *l, struct unwind_frame *f, struct err *err)
{
	/* A call can be the last instruction of its function. */
	const uint64_t pc = f->pc - !f->exact_pc;
	const struct object *o = objects_at(l->objects, pc);
	const struct sea_map_func *func;

	if (l->splice && splice_holds(l->splice, pc))
		return unsafe(l, err, f, "is one of the functions that were put in");
	if (f->guessed)
		return unsafe(l, err, f, "has no call-frame information");
	if (!o || o->pair->state == SEA_O_IDENTICAL)
		return 0;
	if (o->pair->state != SEA_O_ANALYSED) {
		name(l, f);
		return err_set(
			err, ENOTSUP, "%s: %s", f->object, sea_map_string(l->map, o->pair->reason));
	}
	func = sea_map_func_of(l->map, o->pair, o->side, pc - o->bias);
	if (func && func->verdict != SEA_V_IDENTICAL)
		return unsafe(l, err, f, "differs between the versions");
	return 0;
}

int safe_point(struct unwinder *unwinder, const struct sea_map *map, const struct objects *objects,
	const struct splice *splice, struct tracee *t, struct err *err)
{
	const struct look look = { unwinder, map, objects, splice, t };
	cleanup_free struct unwind_frame *frames = xreallocarray(NULL, FRAMES_MAX, sizeof(*frames));
	int n = unwinder_walk(
		unwinder, t, &objects->maps, splice_find, splice, frames, FRAMES_MAX, err);
	int rc;

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		rc = check_frame(&look, &frames[i], err);
		if (rc < 0)
			return rc;
	}
	if (!frames[n - 1].outermost)
		return unsafe(
			&look, err, &frames[n - 1], "the stack ends here without being at its end");
	return 0;
}
