/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people, made from the map alone: what is not in the map is not known. */
#include "sea/sea.h"

#include <string.h>

#include "sea/match.h"
#include "sea/tally.h"

#define SHOWN 40 /* functions listed unless all are asked for */

static void put_id(const uint8_t *id, uint32_t len, struct str *out)
{
	for (uint32_t i = 0; i < len; i++)
		str_printf(out, "%02x", id[i]);
	if (!len)
		str_puts(out, "none");
}

/* Text from a file must not steer a terminal. */
static void put_plain(const char *text, struct str *out)
{
	for (; *text; text++) {
		unsigned char c = *text;

		if (c < 32 || c == 127)
			str_printf(out, "\\x%02x", c);
		else
			str_putc(out, c);
	}
}

static void put_name(const struct sea_map *map, const struct sea_map_func *f, struct str *out)
{
	const char *name = sea_map_string(map, f->name);

	str_printf(out, "%#lx", (unsigned long)f->addr);
	if (*name) {
		str_putc(out, ' ');
		put_plain(name, out);
	}
}

static void put_lines(const char *text, const char *indent, struct str *out)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		char *line = strndup(text, n);

		str_puts(out, indent);
		put_plain(line ? line : "", out);
		str_putc(out, '\n');
		free(line);
		text += n + (text[n] == '\n');
	}
}

static void put_evidence(const struct sea_tally *t, struct str *out)
{
	bool any = false;

	str_puts(out, "  matched by      ");
	for (unsigned i = 1; i < SEA_N_EVIDENCE; i++)
		if (t->evidence[i]) {
			str_printf(out, "%s%s %u", any ? ", " : "", sea_evidence_text(i),
				t->evidence[i]);
			any = true;
		}
	str_puts(out, any ? "\n" : "nothing\n");
}

static void put_refusal(
	const struct sea_map *map, const struct sea_map_func *f, const char *other, struct str *out)
{
	if (!(f->flags & SEA_FF_REFUSED))
		return;
	str_printf(out, "      must not run on the %s version's data: ", other);
	put_plain(sea_map_string(map, f->refusal), out);
	str_putc(out, '\n');
}

/* Of a pair; the reason is said once where it is one. */
static void put_refusals(const struct sea_map *map, const struct sea_map_func *old,
	const struct sea_map_func *new, struct str *out)
{
	const bool both = old->flags & new->flags &SEA_FF_REFUSED;

	if (both &&
		strcmp(sea_map_string(map, old->refusal), sea_map_string(map, new->refusal)) == 0) {
		put_refusal(map, old, "other", out);
		return;
	}
	put_refusal(map, new, "old", out);
	put_refusal(map, old, "new", out);
}

static void put_changed(const struct sea_map *map, const struct sea_map_object *o,
	const struct sea_report_opts *opts, struct str *out)
{
	uint32_t n_old, n_new, shown = 0, more = 0;
	const struct sea_map_func *f = sea_map_records(map, o, SEA_T_FUNCS_OLD, &n_old);
	const struct sea_map_func *g = sea_map_records(map, o, SEA_T_FUNCS_NEW, &n_new);

	for (uint32_t i = 0; i < n_old; i++) {
		const struct sea_map_func *p = f[i].peer == SEA_MAP_NONE ? NULL : &g[f[i].peer];

		if ((f[i].verdict == SEA_V_IDENTICAL && !(f[i].flags & SEA_FF_REFUSED)) ||
			f[i].flags & SEA_FF_FRAGMENT)
			continue;
		if (!opts->all && shown == SHOWN) {
			more++;
			continue;
		}
		if (!shown++)
			str_puts(out, "  not identical, or refused\n");
		str_puts(out, "    ");
		put_name(map, &f[i], out);
		if (p) {
			str_printf(out, " -> %#lx: %s, %u%% alike (by %s, %u%% sure)\n",
				(unsigned long)p->addr, sea_verdict_text(f[i].verdict),
				f[i].similarity, sea_evidence_text(f[i].evidence), f[i].confidence);
			put_refusals(map, &f[i], p, out);
		} else {
			str_printf(out, ": only in the old version%s\n",
				f[i].flags & SEA_FF_AMBIGUOUS ? ", or none stands out" : "");
			put_refusal(map, &f[i], "new", out);
		}
	}
	for (uint32_t i = 0; i < n_new; i++) {
		if (g[i].peer != SEA_MAP_NONE || g[i].flags & SEA_FF_FRAGMENT)
			continue;
		if (!opts->all && shown == SHOWN) {
			more++;
			continue;
		}
		if (!shown++)
			str_puts(out, "  not identical, or refused\n");
		str_puts(out, "    ");
		put_name(map, &g[i], out);
		str_printf(out, ": only in the new version%s\n",
			g[i].flags & SEA_FF_AMBIGUOUS ? ", or none stands out" : "");
		put_refusal(map, &g[i], "old", out);
	}
	if (more)
		str_printf(out, "    and %u more (--all lists them)\n", more);
}

static void put_conflicts(const struct sea_map *map, const struct sea_map_object *o,
	const struct sea_report_opts *opts, struct str *out)
{
	uint32_t n;
	const struct sea_map_conflict *c = sea_map_records(map, o, SEA_T_CONFLICTS, &n);
	const struct sea_map_type *t;

	for (uint32_t i = 0; i < n && (opts->all || i < SHOWN); i++) {
		str_puts(out, i ? "    " : "  refused data\n    ");
		put_plain(sea_map_string(map, c[i].reason), out);
		str_putc(out, '\n');
	}
	if (n > SHOWN && !opts->all)
		str_printf(out, "    and %u more (--all lists them)\n", n - SHOWN);
	t = sea_map_records(map, o, SEA_T_TYPES, &n);
	for (uint32_t i = 0; i < n && (opts->all || i < SHOWN); i++) {
		str_puts(out, i ? "    " : "  changed types\n    ");
		put_plain(sea_map_string(map, t[i].name), out);
		str_printf(out, ": %lu -> %lu bytes; ", (unsigned long)t[i].size[0],
			(unsigned long)t[i].size[1]);
		put_plain(sea_map_string(map, t[i].what), out);
		str_putc(out, '\n');
	}
	if (n > SHOWN && !opts->all)
		str_printf(out, "    and %u more (--all lists them)\n", n - SHOWN);
}

static void put_analysed(const struct sea_map *map, const struct sea_map_object *o,
	const struct sea_report_opts *opts, struct str *out)
{
	struct sea_tally t;

	sea_tally(map, o, &t);
	str_printf(out, "  functions       %u old, %u new%s\n", t.funcs[0], t.funcs[1],
		o->flags & SEA_OF_NAMES ? "" : " (stripped: found by call-frame information)");
	str_printf(out,
		"                  %u identical, %u same but for constants, %u changed,\n"
		"                  %u only old, %u only new, %u without a partner that stands "
		"out\n",
		t.verdict[SEA_V_IDENTICAL], t.verdict[SEA_V_CONSTANTS], t.verdict[SEA_V_CHANGED],
		t.alone[0], t.alone[1], t.ambiguous);
	put_evidence(&t, out);
	str_printf(out,
		"  refused         %u of the old version's functions and %u of the new one's must "
		"not "
		"run\n"
		"                  on the other's data\n",
		t.refused[0], t.refused[1]);
	str_printf(out,
		"  data            %u ranges, %lu bytes of variables; %u layouts refused%s\n",
		t.ranges, (unsigned long)t.data_bytes, t.conflicts,
		t.initial ? "; initial values differ in some" : "");
	str_printf(out,
		"  return points   %u correspond: %u are safe points, %u more have the same "
		"frame\n",
		t.sites, t.safe, t.frames);
	str_printf(out, "  types           %s\n",
		o->flags & SEA_OF_TYPES ? "compared" : "not compared (no debug information)");
	put_changed(map, o, opts, out);
	put_conflicts(map, o, opts, out);
	if (*sea_map_string(map, o->notes)) {
		str_puts(out, "  what this means\n");
		put_lines(sea_map_string(map, o->notes), "    ", out);
	}
}

static void put_object(const struct sea_map *map, const struct sea_map_object *o,
	const struct sea_report_opts *opts, struct str *out)
{
	const char *old_path = sea_map_string(map, o->path[0]);
	const char *new_path = sea_map_string(map, o->path[1]);

	put_plain(*old_path ? old_path : new_path, out);
	if (*old_path && *new_path && strcmp(old_path, new_path)) {
		str_puts(out, " -> ");
		put_plain(new_path, out);
	}
	str_printf(out, ": %s\n", sea_state_text(o->state));
	if (o->state == SEA_O_ONLY_OLD || o->state == SEA_O_ONLY_NEW)
		return;
	if (*sea_map_string(map, o->reason)) {
		str_puts(out, "  ");
		put_plain(sea_map_string(map, o->reason), out);
		str_putc(out, '\n');
	}
	if (o->state != SEA_O_ANALYSED)
		return;
	str_puts(out, "  build-ids       ");
	put_id(o->id[0], o->id_len[0], out);
	str_puts(out, "\n                  ");
	put_id(o->id[1], o->id_len[1], out);
	str_putc(out, '\n');
	put_analysed(map, o, opts, out);
}

void sea_report_text(const struct sea_map *map, const struct sea_report_opts *opts, struct str *out)
{
	unsigned states[SEA_O_ONLY_NEW + 1] = { 0 };
	uint32_t n = sea_map_count(map);

	for (uint32_t i = 0; i < n; i++) {
		const struct sea_map_object *o = sea_map_object(map, i);

		states[o->state]++;
		/* Of a whole image only what is not the same is worth a line. */
		if (n == 1 || o->state != SEA_O_IDENTICAL)
			put_object(map, o, opts, out);
	}
	if (n == 1)
		return;
	str_printf(out, "%u objects:", n);
	for (unsigned s = 1; s <= SEA_O_ONLY_NEW; s++)
		if (states[s])
			str_printf(out, " %u %s%s", states[s], sea_state_text(s),
				s < SEA_O_ONLY_NEW ? "," : "");
	if (out->data[out->len - 1] == ',')
		out->data[--out->len] = '\0';
	str_putc(out, '\n');
}
