/* SPDX-License-Identifier: Apache-2.0 */
/* One function of both versions side by side. */
#include "sea/sea.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/capstone.h"
#include "sea/pair.h"

#define COLUMN 52

struct view {
	struct sea_analysis *a;
	csh cs;
	struct str *out;
};

static uint32_t find(const struct sea_analysis *a, int side, const char *what)
{
	const struct sea_image *im = a->im[side];
	char *end;
	uint64_t addr = strtoull(what, &end, 0);

	if (*what >= '0' && *what <= '9' && !*end)
		return sea_func_of(im, addr);
	for (uint32_t i = 0; i < im->n_funcs; i++)
		if (im->funcs[i].name && !strcmp(im->funcs[i].name, what))
			return i;
	for (uint32_t i = 0; i < im->n_funcs; i++)
		if (im->funcs[i].name && sea_names_agree(im->funcs[i].name, what))
			return i;
	return SEA_NONE;
}

static void put_target(const struct sea_image *im, const struct sea_ref *r, struct str *line)
{
	const char *import = NULL;
	const struct sea_reloc *slot;
	uint32_t f;
	size_t len;

	if (r->kind == SEA_R_TLS)
		return;
	f = sea_func_of(im, r->target);
	slot = sea_reloc_at(im, r->target);
	len = sea_string_at(im, r->target);
	if (f != SEA_NONE) {
		if (im->funcs[f].name)
			str_printf(line, " <%s>", im->funcs[f].name);
		return;
	}
	if (sea_place_of(im, r->target) == SEA_P_CODE)
		import = sea_stub_import(im, r->target, NULL);
	else if (slot)
		import = sea_reloc_import(im, slot);
	if (import)
		str_printf(line, " <%s>", import);
	else if (len)
		str_printf(line, " \"%.*s\"", (int)(len < 24 ? len : 24),
			(const char *)sea_bytes(im, r->target, len));
}

/* One instruction as text, made printable and cut to the column. */
static void put_insn(struct view *v, int side, uint32_t func, uint32_t insn, struct str *line)
{
	const struct sea_image *im = v->a->im[side];
	const struct sea_insn *in = &im->insns[insn];
	uint64_t addr = im->funcs[func].addr + in->off;
	const uint8_t *code = sea_bytes(im, addr, in->len);
	cs_insn *text;

	str_printf(line, "%5x ", in->off);
	if (code && cs_disasm(v->cs, code, in->len, addr, 1, &text) == 1) {
		str_printf(line, "%s %s", text->mnemonic, text->op_str);
		cs_free(text, 1);
	} else {
		str_puts(line, "(bad)");
	}
	if (in->ref != SEA_NONE)
		put_target(im, &im->refs[in->ref], line);
	for (size_t i = 0; i < line->len; i++)
		if ((unsigned char)line->data[i] < 32 || line->data[i] == 127)
			line->data[i] = '.';
	if (line->len > COLUMN - 2) {
		line->len = COLUMN - 2;
		line->data[line->len] = '\0';
	}
}

static void put_row(struct view *v, uint32_t fo, uint32_t io, uint32_t fn, uint32_t in, char mark)
{
	cleanup_str struct str left = STR_INIT, right = STR_INIT;

	if (io != SEA_NONE)
		put_insn(v, 0, fo, io, &left);
	if (in != SEA_NONE)
		put_insn(v, 1, fn, in, &right);
	str_printf(v->out, "%-*s %c %s\n", COLUMN, str_text(&left), mark, str_text(&right));
}

static void put_pair(struct view *v, uint32_t fo, uint32_t fn)
{
	struct sea_analysis *a = v->a;
	const struct sea_func *o = &a->im[0]->funcs[fo], *n = &a->im[1]->funcs[fn];
	uint32_t io = o->insn, in = n->insn, count;
	struct sea_aligned *al;
	bool lockstep;

	sea_align(&a->m, fo, fn, &al, &count, &lockstep);
	for (uint32_t i = 0; i <= count; i++) {
		uint32_t to = i < count ? al[i].o : o->insn + o->n_insn;
		uint32_t tn = i < count ? al[i].n : n->insn + n->n_insn;
		const struct sea_insn *x, *y;

		for (; io < to; io++)
			put_row(v, fo, io, fn, SEA_NONE, '<');
		for (; in < tn; in++)
			put_row(v, fo, SEA_NONE, fn, in, '>');
		if (i == count)
			break;
		x = &a->im[0]->insns[io];
		y = &a->im[1]->insns[in];
		put_row(v, fo, io++, fn, in++, x->disp == y->disp && x->imm == y->imm ? ' ' : '|');
	}
	free(al);
}

static void put_alone(struct view *v, int side, uint32_t func)
{
	const struct sea_func *f = &v->a->im[side]->funcs[func];

	for (uint32_t i = 0; i < f->n_insn; i++)
		put_row(v, func, side ? SEA_NONE : f->insn + i, func, side ? f->insn + i : SEA_NONE,
			side ? '>' : '<');
}

static void put_head(struct view *v, int side, uint32_t func)
{
	const struct sea_func *f = &v->a->im[side]->funcs[func];
	const struct sea_func_result *r = &v->a->func[side][func];

	str_printf(v->out, "%s  %#lx, %lu bytes, %u instructions%s%s\n", side ? "new" : "old",
		f->addr, f->size, f->n_insn, f->name ? ", " : "", f->name ? f->name : "");
	if (r->refusal)
		str_printf(
			v->out, "     must not run on the other version's data: %s\n", r->refusal);
}

static void put_view(struct view *v, uint32_t fo, uint32_t fn)
{
	struct sea_analysis *a = v->a;

	if (fo != SEA_NONE && fn == SEA_NONE)
		fn = a->m.peer[0][fo];
	if (fo == SEA_NONE)
		fo = a->m.peer[1][fn];
	if (fo != SEA_NONE)
		put_head(v, 0, fo);
	if (fn != SEA_NONE)
		put_head(v, 1, fn);
	if (fo != SEA_NONE && a->m.peer[0][fo] != SEA_NONE) {
		str_printf(v->out, "     %s; matched by %s, %u%% sure\n\n",
			sea_verdict_text(a->func[0][fo].verdict), sea_evidence_text(a->m.how[fo]),
			a->m.confidence[fo]);
		put_pair(v, fo, a->m.peer[0][fo]);
		return;
	}
	str_puts(v->out, "     no partner is known\n\n");
	put_alone(v, fo == SEA_NONE, fo == SEA_NONE ? fn : fo);
}

int sea_report_function(const char *old_path, const char *new_path, const char *function,
	const struct sea_opts *opts, struct str *out, struct err *err)
{
	struct sea_budget budget;
	struct sea_analysis a;
	struct view v = { .a = &a, .out = out };
	uint32_t fo, fn;
	int rc;

	sea_budget_start(&budget, opts->limit_ms ? opts->limit_ms : SEA_DEFAULT_LIMIT_MS);
	rc = sea_analysis_run(&a, old_path, new_path, opts, &budget, err);
	if (rc == 0 && capstone_open(&v.cs) != CS_ERR_OK)
		rc = err_set(err, ENOMEM, "the disassembler does not start");
	if (rc < 0) {
		sea_analysis_free(&a);
		return rc;
	}
	sea_judge_layout(&a);
	sea_plan_injection(&a);
	fo = find(&a, 0, function);
	fn = fo == SEA_NONE ? find(&a, 1, function) : SEA_NONE;
	if (fo == SEA_NONE && fn == SEA_NONE)
		rc = err_set(err, ENOENT, "neither version has a function %s", function);
	else
		put_view(&v, fo, fn);
	cs_close(&v.cs);
	sea_analysis_free(&a);
	return rc;
}
