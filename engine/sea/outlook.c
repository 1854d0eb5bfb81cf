/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the result means for a crash: whether there are safe points, where, and how many of the
 * changed functions could stand in for each other. For people only: the engine decides from the
 * frames that it finds.
 */
#include "sea/outlook.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static const char *const waits[] = { "epoll_wait", "epoll_pwait", "poll", "ppoll", "select",
	"pselect", "accept", "accept4", "sigsuspend", "sigwait", "sigwaitinfo", "pause",
	"__poll_chk", "event_base_loop", "kevent" };

uint32_t sea_find_main(const struct sea_image *im)
{
	uint32_t start = sea_func_at(im, im->entry);

	if (start == SEA_NONE || !im->is_program)
		return SEA_NONE;
	for (uint32_t i = 0; i < im->funcs[start].n_insn; i++) {
		const struct sea_insn *in = &im->insns[im->funcs[start].insn + i];

		if (in->ref != SEA_NONE && (in->reg == X86_REG_RDI || in->reg == X86_REG_EDI))
			return sea_func_at(im, im->refs[in->ref].target);
	}
	return SEA_NONE;
}

static const char *import_of(const struct sea_image *im, const struct sea_ref *r)
{
	const struct sea_reloc *slot;

	if (r->kind == SEA_R_CALL || r->kind == SEA_R_JUMP)
		return sea_func_of(im, r->target) == SEA_NONE ? sea_stub_import(im, r->target, NULL)
							      : NULL;
	if (r->kind != SEA_R_READ || im->insns[r->insn].kind != SEA_I_CALL_INDIRECT)
		return NULL;
	slot = sea_reloc_at(im, r->target);
	return slot ? sea_reloc_import(im, slot) : NULL;
}

static const char *waits_in(const struct sea_image *im, uint32_t func)
{
	const struct sea_func *f = &im->funcs[func];

	for (uint32_t i = 0; i < f->n_ref; i++) {
		const char *name = import_of(im, &im->refs[f->ref + i]);

		for (size_t k = 0; name && k < ARRAY_SIZE(waits); k++)
			if (strcmp(name, waits[k]) == 0)
				return waits[k];
	}
	return NULL;
}

static void put_func(const struct sea_image *im, uint32_t f, struct str *out)
{
	if (im->funcs[f].name)
		str_puts(out, im->funcs[f].name);
	else
		str_printf(out, "%#lx", im->funcs[f].addr);
}

/* Functions that identical code reaches from main, by direct calls. */
static uint8_t *reach(const struct sea_analysis *a, uint32_t from)
{
	const struct sea_image *im = a->im[0];
	uint8_t *seen = xzalloc(im->n_funcs);
	uint32_t *todo = xreallocarray(NULL, im->n_funcs, sizeof(*todo)), n = 0;

	if (a->func[0][from].verdict == SEA_V_IDENTICAL) {
		todo[n++] = from;
		seen[from] = 1;
	}
	while (n) {
		const struct sea_func *f = &im->funcs[todo[--n]];

		for (uint32_t i = 0; i < f->n_ref; i++) {
			const struct sea_ref *r = &im->refs[f->ref + i];
			uint32_t to = r->kind == SEA_R_CALL ? sea_func_at(im, r->target) : SEA_NONE;

			if (to == SEA_NONE || seen[to] || a->func[0][to].verdict != SEA_V_IDENTICAL)
				continue;
			seen[to] = 1;
			todo[n++] = to;
		}
	}
	free(todo);
	return seen;
}

static void describe_waits(const struct sea_analysis *a, uint32_t start, struct str *out)
{
	const struct sea_image *im = a->im[0];
	uint8_t *seen = start == SEA_NONE ? NULL : reach(a, start);
	unsigned identical = 0, other = 0, reached = 0;

	for (uint32_t i = 0; i < im->n_funcs; i++) {
		const char *what = waits_in(im, i);

		if (!what)
			continue;
		if (a->func[0][i].verdict != SEA_V_IDENTICAL) {
			if (other++ < 4) {
				put_func(im, i, out);
				str_printf(out,
					" waits in %s and is not identical: no safe point there\n",
					what);
			}
			continue;
		}
		identical++;
		if (seen && seen[i] && reached++ < 4) {
			put_func(im, i, out);
			str_printf(out,
				" waits in %s, and identical code leads from main to it: a safe "
				"point\n",
				what);
		}
	}
	if (identical && !reached)
		str_printf(out,
			"%u functions that wait for events are identical; whether what calls them "
			"is, shows at run time\n",
			identical);
	free(seen);
}

void sea_describe_outlook(const struct sea_analysis *a, struct str *out)
{
	uint32_t start = sea_find_main(a->im[0]);
	uint32_t able[2] = { 0 }, all[2] = { 0 };

	if (start != SEA_NONE && a->func[0][start].verdict != SEA_V_IDENTICAL)
		str_puts(out, "main is not identical, and it is always on the stack: there is no "
			      "safe point in its thread\n");
	describe_waits(a, start, out);
	for (int s = 0; s < 2; s++)
		for (uint32_t i = 0; i < a->im[s]->n_funcs; i++) {
			const struct sea_func_result *r = &a->func[s][i];

			if (r->verdict == SEA_V_IDENTICAL || a->im[s]->funcs[i].parent != SEA_NONE)
				continue;
			all[s]++;
			able[s] += !r->refusal;
		}
	str_printf(out,
		"a crash of the new version: %u of %u functions of the old one may stand in\n"
		"a crash of the old version: %u of %u functions of the new one may stand in\n",
		able[0], all[0], able[1], all[1]);
}
