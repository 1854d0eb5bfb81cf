/* SPDX-License-Identifier: Apache-2.0 */
/* The whole map as JSON, for programs; docs/sea.md lists the keys. */
#include "sea/sea.h"

#include "base/jsonw.h"
#include "sea/tally.h"

static void put_hex(struct jsonw *w, const char *key, const uint8_t *data, uint32_t len)
{
	cleanup_str struct str hex = STR_INIT;

	for (uint32_t i = 0; i < len; i++)
		str_printf(&hex, "%02x", data[i]);
	jsonw_kv_str(w, key, str_text(&hex));
}

static void put_flag(struct jsonw *w, const char *key, bool set)
{
	if (set)
		jsonw_kv_bool(w, key, true);
}

static void put_text(struct jsonw *w, const char *key, const char *text)
{
	if (*text)
		jsonw_kv_str(w, key, text);
}

static void put_operands(struct jsonw *w, const struct sea_map *map, const struct sea_map_object *o,
	int side, const struct sea_map_func *f)
{
	uint32_t n;
	const struct sea_map_operand *op = sea_map_records(map, o, SEA_T_OPERANDS_OLD + side, &n);

	if (!f->n_operands)
		return;
	jsonw_key(w, "operands");
	jsonw_array_begin(w);
	for (uint32_t i = 0; i < f->n_operands; i++) {
		const struct sea_map_operand *x = &op[f->operand + i];

		jsonw_object_begin(w);
		jsonw_kv_uint(w, "offset", x->off);
		jsonw_kv_uint(w, "width", x->width);
		jsonw_kv_uint(w, "next", x->next);
		jsonw_kv_str(w, "class", sea_class_text(x->klass));
		jsonw_kv_hex(w, "target", x->target);
		if (x->peer)
			jsonw_kv_hex(w, "peer", x->peer);
		if (x->slot)
			jsonw_kv_hex(w, "slot", x->slot);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void put_funcs(
	struct jsonw *w, const struct sea_map *map, const struct sea_map_object *o, int side)
{
	uint32_t n, n_other;
	const struct sea_map_func *f = sea_map_records(map, o, SEA_T_FUNCS_OLD + side, &n);
	const struct sea_map_func *g = sea_map_records(map, o, SEA_T_FUNCS_OLD + !side, &n_other);

	jsonw_key(w, side ? "new_functions" : "old_functions");
	jsonw_array_begin(w);
	for (uint32_t i = 0; i < n; i++) {
		jsonw_object_begin(w);
		jsonw_kv_hex(w, "address", f[i].addr);
		jsonw_kv_uint(w, "size", f[i].size);
		put_text(w, "name", sea_map_string(map, f[i].name));
		jsonw_kv_str(w, "verdict", sea_verdict_text(f[i].verdict));
		if (f[i].peer != SEA_MAP_NONE) {
			jsonw_kv_hex(w, "peer", g[f[i].peer].addr);
			jsonw_kv_str(w, "evidence", sea_evidence_text(f[i].evidence));
			jsonw_kv_uint(w, "confidence", f[i].confidence);
			jsonw_kv_uint(w, "similarity", f[i].similarity);
		}
		if (f[i].parent != SEA_MAP_NONE)
			jsonw_kv_hex(w, "part_of", f[f[i].parent].addr);
		put_flag(w, "ambiguous", f[i].flags & SEA_FF_AMBIGUOUS);
		put_flag(w, "patchable", f[i].flags & SEA_FF_PATCHABLE);
		put_flag(w, "address_taken", f[i].flags & SEA_FF_ADDRESS);
		put_text(w, "refused", sea_map_string(map, f[i].refusal));
		put_operands(w, map, o, side, &f[i]);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void put_data(struct jsonw *w, const struct sea_map *map, const struct sea_map_object *o)
{
	uint32_t n;
	const struct sea_map_data *d = sea_map_records(map, o, SEA_T_DATA, &n);
	const struct sea_map_conflict *c;
	const struct sea_map_type *t;

	jsonw_key(w, "data");
	jsonw_array_begin(w);
	for (uint32_t i = 0; i < n; i++) {
		jsonw_object_begin(w);
		jsonw_kv_hex(w, "old", d[i].old_addr);
		jsonw_kv_hex(w, "new", d[i].new_addr);
		jsonw_kv_uint(w, "size", d[i].size);
		put_text(w, "name", sea_map_string(map, d[i].name));
		put_flag(w, "writable", d[i].flags & SEA_D_WRITABLE);
		put_flag(w, "initial_values_differ", d[i].flags & SEA_D_INITIAL);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_key(w, "refused_data");
	jsonw_array_begin(w);
	c = sea_map_records(map, o, SEA_T_CONFLICTS, &n);
	for (uint32_t i = 0; i < n; i++) {
		jsonw_object_begin(w);
		jsonw_kv_hex(w, "old", c[i].lo[0]);
		jsonw_kv_hex(w, "old_end", c[i].hi[0]);
		jsonw_kv_hex(w, "new", c[i].lo[1]);
		jsonw_kv_hex(w, "new_end", c[i].hi[1]);
		jsonw_kv_str(w, "reason", sea_map_string(map, c[i].reason));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_key(w, "types");
	jsonw_array_begin(w);
	t = sea_map_records(map, o, SEA_T_TYPES, &n);
	for (uint32_t i = 0; i < n; i++) {
		jsonw_object_begin(w);
		jsonw_kv_str(w, "name", sea_map_string(map, t[i].name));
		jsonw_kv_uint(w, "old_size", t[i].size[0]);
		jsonw_kv_uint(w, "new_size", t[i].size[1]);
		jsonw_kv_str(w, "difference", sea_map_string(map, t[i].what));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void put_sites(struct jsonw *w, const struct sea_map *map, const struct sea_map_object *o)
{
	uint32_t n;
	const struct sea_map_site *s = sea_map_records(map, o, SEA_T_SITES, &n);

	jsonw_key(w, "return_addresses");
	jsonw_array_begin(w);
	for (uint32_t i = 0; i < n; i++) {
		jsonw_object_begin(w);
		jsonw_kv_hex(w, "old", s[i].old_ret);
		jsonw_kv_hex(w, "new", s[i].new_ret);
		put_text(w, "callee", sea_map_string(map, s[i].callee));
		put_flag(w, "safe", s[i].flags & SEA_S_SAFE);
		put_flag(w, "same_frame", s[i].flags & SEA_S_FRAME);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void put_summary(struct jsonw *w, const struct sea_map *map, const struct sea_map_object *o)
{
	struct sea_tally t;

	sea_tally(map, o, &t);
	jsonw_key(w, "summary");
	jsonw_object_begin(w);
	jsonw_kv_uint(w, "old_functions", t.funcs[0]);
	jsonw_kv_uint(w, "new_functions", t.funcs[1]);
	jsonw_kv_uint(w, "identical", t.verdict[SEA_V_IDENTICAL]);
	jsonw_kv_uint(w, "constants", t.verdict[SEA_V_CONSTANTS]);
	jsonw_kv_uint(w, "changed", t.verdict[SEA_V_CHANGED]);
	jsonw_kv_uint(w, "only_old", t.alone[0]);
	jsonw_kv_uint(w, "only_new", t.alone[1]);
	jsonw_kv_uint(w, "ambiguous", t.ambiguous);
	jsonw_kv_uint(w, "refused_old", t.refused[0]);
	jsonw_kv_uint(w, "refused_new", t.refused[1]);
	jsonw_kv_uint(w, "return_addresses", t.sites);
	jsonw_kv_uint(w, "safe", t.safe);
	jsonw_object_end(w);
}

static void put_object(struct jsonw *w, const struct sea_map *map, const struct sea_map_object *o)
{
	jsonw_object_begin(w);
	put_text(w, "old", sea_map_string(map, o->path[0]));
	put_text(w, "new", sea_map_string(map, o->path[1]));
	jsonw_kv_str(w, "state", sea_state_text(o->state));
	put_text(w, "reason", sea_map_string(map, o->reason));
	put_hex(w, "old_build_id", o->id[0], o->id_len[0]);
	put_hex(w, "new_build_id", o->id[1], o->id_len[1]);
	put_hex(w, "old_sha256", o->sha[0], sizeof(o->sha[0]));
	put_hex(w, "new_sha256", o->sha[1], sizeof(o->sha[1]));
	put_text(w, "notes", sea_map_string(map, o->notes));
	if (o->state == SEA_O_ANALYSED) {
		put_summary(w, map, o);
		put_funcs(w, map, o, 0);
		put_funcs(w, map, o, 1);
		put_data(w, map, o);
		put_sites(w, map, o);
	}
	jsonw_object_end(w);
}

void sea_report_json(const struct sea_map *map, struct str *out)
{
	struct jsonw w;

	jsonw_init(&w, out, false);
	jsonw_object_begin(&w);
	jsonw_kv_uint(&w, "format", SEA_MAP_VERSION);
	jsonw_key(&w, "objects");
	jsonw_array_begin(&w);
	for (uint32_t i = 0; i < sea_map_count(map); i++)
		put_object(&w, map, sea_map_object(map, i));
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	str_putc(out, '\n');
}
