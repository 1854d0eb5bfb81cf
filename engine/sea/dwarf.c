/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts of structures in the debug information, and which functions use them (in a child). */
#include "sea/types.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"

#define MAX_DEPTH   32
#define MAX_MEMBERS 4096
#define MAX_FORMS   64 /* layouts of one name; what is more is not told apart */

/* A name, and the layouts that it stands for: each source file may have one of its own. */
struct layout {
	char *name;
	uint64_t size;
	struct str text;	   /* of the first: one line a member: offset, type, size, name */
	uint64_t forms[MAX_FORMS]; /* hashes of their texts, each once */
	uint32_t n_forms;
	const struct layout *other; /* of that name on the other side, where it differs */
};

struct layouts {
	struct layout *v;
	uint32_t n, room;
	uint32_t *buckets; /* index + 1 */
	uint32_t n_buckets;
};

static struct layout *find(const struct layouts *t, const char *name)
{
	uint32_t i;

	if (!t->n_buckets)
		return NULL;
	i = sea_hash(0, name, strlen(name)) & (t->n_buckets - 1);
	for (; t->buckets[i]; i = (i + 1) & (t->n_buckets - 1))
		if (strcmp(t->v[t->buckets[i] - 1].name, name) == 0)
			return &t->v[t->buckets[i] - 1];
	return NULL;
}

static void put(struct layouts *t, uint32_t at)
{
	uint32_t i = sea_hash(0, t->v[at].name, strlen(t->v[at].name)) & (t->n_buckets - 1);

	while (t->buckets[i])
		i = (i + 1) & (t->n_buckets - 1);
	t->buckets[i] = at + 1;
}

static struct layout *add(struct layouts *t, const char *name)
{
	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 512;
		t->v = xreallocarray(t->v, t->room, sizeof(*t->v));
		free(t->buckets);
		t->n_buckets = t->room * 2;
		t->buckets = xzalloc(t->n_buckets * sizeof(*t->buckets));
		for (uint32_t i = 0; i < t->n; i++)
			put(t, i);
	}
	t->v[t->n] = (struct layout){ .name = xstrdup(name) };
	put(t, t->n);
	return &t->v[t->n++];
}

static bool is_record(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

/*
 * The type behind typedefs, qualifiers and arrays; with @through also behind pointers. *@name
 * becomes the record's: its own, or that of the last typedef before it, or stays.
 */
static bool peel(Dwarf_Die *type, bool through, const char **name)
{
	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		Dwarf_Attribute attr;
		int tag = dwarf_tag(type);
		bool pointer = tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
			       tag == DW_TAG_rvalue_reference_type;

		if ((tag == DW_TAG_typedef || is_record(type)) && dwarf_diename(type))
			*name = dwarf_diename(type);
		if (tag == DW_TAG_typedef || tag == DW_TAG_const_type ||
			tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type ||
			tag == DW_TAG_atomic_type || tag == DW_TAG_array_type ||
			(pointer && through)) {
			if (!dwarf_attr_integrate(type, DW_AT_type, &attr) ||
				!dwarf_formref_die(&attr, type))
				return false;
			continue;
		}
		return true;
	}
	return false;
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, ret);
}

static uint64_t number(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Word w = 0;

	if (dwarf_attr_integrate(die, name, &attr) && dwarf_formudata(&attr, &w) == 0)
		return w;
	return 0;
}

static void put_clean(struct str *out, const char *text)
{
	for (; *text; text++)
		str_putc(out, *text == '\t' || *text == '\n' ? ' ' : *text);
}

/* What bytes of one size stand for. */
static const char *kind_of(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);

	if (tag == DW_TAG_base_type && number(type, DW_AT_encoding) == DW_ATE_float)
		return ", floating-point";
	return tag == DW_TAG_pointer_type ? ", a pointer" : "";
}

/* One line a member; those of a nameless record follow, as it has no entry of its own. */
static void describe_members(Dwarf_Die *record, struct str *out, int depth)
{
	Dwarf_Die child;
	unsigned n = 0;

	if (dwarf_child(record, &child) != 0)
		return;
	do {
		Dwarf_Die type, inner;
		Dwarf_Word size = 0;
		uint64_t bits = number(&child, DW_AT_bit_size);
		const char *its = NULL;

		if (dwarf_tag(&child) != DW_TAG_member && dwarf_tag(&child) != DW_TAG_inheritance)
			continue;
		if (++n > MAX_MEMBERS || !type_of(&child, &type))
			break;
		if (dwarf_aggregate_size(&type, &size) < 0)
			size = 0;
		inner = type;
		if (!peel(&inner, false, &its))
			inner = type;
		put_clean(out, dwarf_diename(&child) ?: "(nameless)");
		str_printf(out, " at %lu, ",
			(unsigned long)number(&child, DW_AT_data_member_location));
		if (bits)
			str_printf(out, "bits %lu+%lu, ",
				(unsigned long)number(&child, DW_AT_data_bit_offset),
				(unsigned long)bits);
		str_printf(out, "%lu bytes%s", (unsigned long)size, kind_of(&inner));
		if (is_record(&inner) && its) {
			str_puts(out, ", a ");
			put_clean(out, its);
		}
		str_putc(out, '\n');
		if (is_record(&inner) && !dwarf_diename(&inner) && depth < 4)
			describe_members(&inner, out, depth + 1);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static uint64_t hash_members(Dwarf_Die *record)
{
	cleanup_str struct str text = STR_INIT;

	describe_members(record, &text, 0);
	return sea_hash(number(record, DW_AT_byte_size), str_text(&text), text.len);
}

static bool has_form(const struct layout *l, uint64_t form)
{
	for (uint32_t i = 0; i < l->n_forms; i++)
		if (l->forms[i] == form)
			return true;
	return false;
}

static void take_record(struct layouts *t, Dwarf_Die *die, const char *name)
{
	struct layout *l;
	uint64_t form;

	if (!name || dwarf_hasattr_integrate(die, DW_AT_declaration))
		return;
	l = find(t, name);
	if (!l) {
		l = add(t, name);
		l->size = number(die, DW_AT_byte_size);
		describe_members(die, &l->text, 0);
	}
	form = hash_members(die);
	if (l->n_forms < MAX_FORMS && !has_form(l, form))
		l->forms[l->n_forms++] = form;
}

/* A record without a name goes by that of its type, or of the variable that alone has it. */
static void take_nameless(struct layouts *t, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);
	Dwarf_Die type;

	if (dwarf_tag(die) == DW_TAG_typedef)
		type = *die;
	else if (!type_of(die, &type))
		return;
	if (peel(&type, true, &name) && is_record(&type) && !dwarf_diename(&type))
		take_record(t, &type, name);
}

static void walk_types(struct layouts *t, Dwarf_Die *die, int depth)
{
	Dwarf_Die child;

	if (depth > MAX_DEPTH || dwarf_child(die, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);

		if (is_record(&child))
			take_record(t, &child, dwarf_diename(&child));
		if (tag == DW_TAG_typedef || tag == DW_TAG_variable)
			take_nameless(t, &child);
		if (is_record(&child) || tag == DW_TAG_namespace || tag == DW_TAG_subprogram ||
			tag == DW_TAG_lexical_block)
			walk_types(t, &child, depth + 1);
	} while (dwarf_siblingof(&child, &child) == 0);
}

/* The first line that the two do not share: what to tell people. */
static void first_difference(const struct layout *o, const struct layout *n, struct str *out)
{
	const char *a = str_text(&o->text), *b = str_text(&n->text);

	while (*a && *b) {
		size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

		if (la != lb || memcmp(a, b, la))
			break;
		a += la + (a[la] == '\n');
		b += lb + (b[lb] == '\n');
	}
	if (!*a && !*b) {
		str_puts(out, "one of several of this name");
		return;
	}
	a = *a ? a : "nothing more";
	b = *b ? b : "nothing more";
	str_printf(out, "%.*s in the old one, %.*s in the new one", (int)strcspn(a, "\n"), a,
		(int)strcspn(b, "\n"), b);
}

static bool have_same_forms(const struct layout *o, const struct layout *n)
{
	for (uint32_t i = 0; i < o->n_forms; i++)
		if (!has_form(n, o->forms[i]))
			return false;
	return o->n_forms == n->n_forms;
}

static void compare(struct layouts t[2], struct str *out)
{
	for (uint32_t i = 0; i < t[0].n; i++) {
		struct layout *o = &t[0].v[i], *n = find(&t[1], o->name);

		if (!n || have_same_forms(o, n))
			continue;
		o->other = n;
		n->other = o;
		str_puts(out, "T\t");
		put_clean(out, o->name);
		str_printf(out, "\t%lu\t%lu\t", (unsigned long)o->size, (unsigned long)n->size);
		first_difference(o, n, out);
		str_putc(out, '\n');
	}
}

/* How far is looked for a layout that differs: into records within records, and through pointers.
 */
struct reach {
	int records, pointers;
};

/* What a function's own variables and arguments are, hold, or point to at each step. */
static const struct reach used = { 2, 2 };
/* What a variable of the program is or holds by value, or points to itself. */
static const struct reach held = { 4, 0 };

/* Whether the other version lacks this one of the layouts that the name stands for. */
static bool is_changed(const struct layout *l, Dwarf_Die *record)
{
	return l && l->other &&
	       (dwarf_hasattr_integrate(record, DW_AT_declaration) ||
		       !has_form(l->other, hash_members(record)));
}

/*
 * The layout in @t that differs and that the type of @die, a variable or member, leads to over
 * @depth records; or NULL.
 */
static const char *find_changed(
	const struct layouts *t, Dwarf_Die *die, const struct reach *reach, int depth)
{
	const char *name = dwarf_diename(die);
	Dwarf_Die inner, child;
	struct layout *l;

	if (!type_of(die, &inner) || !peel(&inner, depth <= reach->pointers, &name) ||
		!is_record(&inner))
		return NULL;
	l = name ? find(t, name) : NULL;
	if (is_changed(l, &inner))
		return l->name;
	if (depth == reach->records || dwarf_child(&inner, &child) != 0)
		return NULL;
	do {
		if (dwarf_tag(&child) != DW_TAG_member && dwarf_tag(&child) != DW_TAG_inheritance)
			continue;
		name = find_changed(t, &child, reach, depth + 1);
		if (name)
			return name;
	} while (dwarf_siblingof(&child, &child) == 0);
	return NULL;
}

static const char *uses(const struct layouts *t, Dwarf_Die *scope, int depth)
{
	Dwarf_Die child;
	const char *name;

	if (depth > MAX_DEPTH || dwarf_child(scope, &child) != 0)
		return NULL;
	do {
		int tag = dwarf_tag(&child);

		if ((tag == DW_TAG_variable || tag == DW_TAG_formal_parameter) &&
			(name = find_changed(t, &child, &used, 0)))
			return name;
		if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) &&
			(name = uses(t, &child, depth + 1)))
			return name;
	} while (dwarf_siblingof(&child, &child) == 0);
	return NULL;
}

/* The one place where a variable is, for as long as the program runs. */
static bool address_of(Dwarf_Die *var, Dwarf_Addr *ret)
{
	Dwarf_Attribute attr, indirect;
	Dwarf_Op *op;
	size_t n;

	if (!dwarf_attr_integrate(var, DW_AT_location, &attr) ||
		dwarf_getlocation(&attr, &op, &n) < 0 || n != 1)
		return false;
	*ret = op->number;
	return op->atom == DW_OP_addr ||
	       (op->atom == DW_OP_addrx && dwarf_getlocation_attr(&attr, op, &indirect) == 0 &&
		       dwarf_formaddr(&indirect, ret) == 0);
}

/* A variable that is or points to what is laid out otherwise. */
static void take_variable(const struct layouts *t, Dwarf_Die *var, int side, struct str *out)
{
	Dwarf_Die type;
	Dwarf_Addr addr;
	Dwarf_Word size;
	const char *name;

	if (!address_of(var, &addr) || !type_of(var, &type) ||
		!(name = find_changed(t, var, &held, 0)))
		return;
	if (dwarf_aggregate_size(&type, &size) < 0)
		size = 1;
	str_printf(out, "V\t%d\t%lx\t%lu\t", side, (unsigned long)addr, (unsigned long)size);
	put_clean(out, name);
	str_putc(out, '\n');
}

static void walk_variables(
	const struct layouts *t, Dwarf_Die *die, int side, struct str *out, int depth)
{
	Dwarf_Die child;

	if (depth > MAX_DEPTH || dwarf_child(die, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_variable)
			take_variable(t, &child, side, out);
		else if (tag == DW_TAG_namespace || tag == DW_TAG_subprogram ||
			 tag == DW_TAG_lexical_block)
			walk_variables(t, &child, side, out, depth + 1);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static void walk_funcs(
	const struct layouts *t, Dwarf_Die *die, int side, struct str *out, int depth)
{
	Dwarf_Die child;

	if (depth > 4 || dwarf_child(die, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);
		Dwarf_Addr base, lo, hi;
		const char *name;
		ptrdiff_t at = 0;

		if (tag == DW_TAG_namespace)
			walk_funcs(t, &child, side, out, depth + 1);
		if (tag != DW_TAG_subprogram || !(name = uses(t, &child, 0)))
			continue;
		while ((at = dwarf_ranges(&child, at, &base, &lo, &hi)) > 0) {
			str_printf(out, "F\t%d\t%lx\t", side, (unsigned long)lo);
			put_clean(out, name);
			str_putc(out, '\n');
		}
	} while (dwarf_siblingof(&child, &child) == 0);
}

static void for_units(Dwarf *dbg, struct layouts *t, int side, struct str *out)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;

	while (dwarf_get_units(dbg, cu, &cu, NULL, &type, &die, NULL) == 0) {
		if (!out) {
			walk_types(t, &die, 0);
			continue;
		}
		walk_funcs(t, &die, side, out, 0);
		walk_variables(t, &die, side, out, 0);
	}
}

static void free_layouts(struct layouts *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		free(t->v[i].name);
		str_free(&t->v[i].text);
	}
	free(t->v);
	free(t->buckets);
}

void sea_read_types(const char *const paths[2], struct str *out)
{
	struct layouts t[2] = { 0 };
	Dwarf *dbg[2] = { 0 };
	int fd[2];

	for (int s = 0; s < 2; s++) {
		fd[s] = open(paths[s], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		dbg[s] = fd[s] < 0 ? NULL : dwarf_begin(fd[s], DWARF_C_READ);
		if (dbg[s])
			for_units(dbg[s], &t[s], s, NULL);
		if (!t[s].n)
			str_puts(out, "N\n");
	}
	compare(t, out);
	for (int s = 0; s < 2; s++)
		if (dbg[s] && t[s].n)
			for_units(dbg[s], &t[s], s, out);
	str_puts(out, "\nE\n");
	for (int s = 0; s < 2; s++) {
		dwarf_end(dbg[s]);
		if (fd[s] >= 0)
			close(fd[s]);
		free_layouts(&t[s]);
	}
}
