/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/splice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "rem/graft.h"
#include "rem/origin.h"
#include "rem/place.h"

#define JUMP_SIZE 5

struct patch {
	uint64_t at;
	uint8_t was[JUMP_SIZE], is[JUMP_SIZE];
};

struct region {
	uint64_t code_end;
	struct origin *origin;
};

#define GRAFTS_MAX 64

struct grafts {
	struct graft *v[GRAFTS_MAX];
	size_t n;
};

struct grafts *grafts_new(void)
{
	return xzalloc(sizeof(struct grafts));
}

void grafts_free(struct grafts *grafts)
{
	for (size_t i = 0; grafts && i < grafts->n; i++) {
		graft_free(grafts->v[i]);
		free(grafts->v[i]);
	}
	free(grafts);
}

struct splice {
	struct patch *patches;
	size_t n_patches;
	struct span *spans; /* what is put in lies there */
	struct region *regions;
	size_t n_regions;  /* of both */
	uint64_t *objects; /* where those lie that differ */
	size_t n_objects;
	int functions;
};

static int call(struct tracee *t, long *ret, struct err *err, const char *what, long nr,
	uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	int rc = tracee_remote(t, false, ret, nr, a0, a1, a2, a3, -1, 0);

	if (rc == 0 && *ret < 0 && *ret > -4096)
		rc = (int)*ret;
	return rc < 0 ? err_errno(err, -rc, "%s in the program", what) : 0;
}

static int write_bytes(struct tracee *t, const struct graft *g, struct err *err)
{
	const uint64_t code_end = g->base + g->code;
	long r;
	int rc = call(t, &r, err, "mmap", SYS_mmap, g->base, graft_size(g), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE);

	if (rc == 0) {
		rc = tracee_write(t, raddr(g->base), g->bytes, graft_size(g));
		if (rc < 0)
			return err_errno(err, -rc, "writing the functions");
	}
	if (rc == 0)
		rc = call(t, &r, err, "mprotect", SYS_mprotect, g->base, g->code,
			PROT_READ | PROT_EXEC, 0);
	if (rc == 0 && g->constants)
		rc = call(
			t, &r, err, "mprotect", SYS_mprotect, code_end, g->constants, PROT_READ, 0);
	return rc;
}

/* The jumps, still to be made. */
static int plan_jumps(struct splice *s, const struct graft *g, struct tracee *t, struct err *err)
{
	uint32_t n, n_theirs;
	const struct sea_map_func *ours =
		sea_map_records(g->map, g->object.pair, SEA_T_FUNCS_OLD + g->side, &n);
	const struct sea_map_func *theirs =
		sea_map_records(g->map, g->object.pair, SEA_T_FUNCS_OLD + !g->side, &n_theirs);

	for (uint32_t i = 0; i < n; i++) {
		struct patch p = { .is = { 0xe9 } };
		int32_t rel;
		int rc;

		if (!graft_entry(g, i) || ours[i].peer == SEA_MAP_NONE ||
			(ours[i].flags & SEA_FF_FRAGMENT))
			continue;
		p.at = g->object.bias + theirs[ours[i].peer].addr;
		rel = (int32_t)(graft_entry(g, i) - (p.at + JUMP_SIZE));
		memcpy(p.is + 1, &rel, 4);
		rc = tracee_read(t, raddr(p.at), p.was, sizeof(p.was));
		if (rc < 0)
			return err_errno(err, -rc, "reading the entry at %#" PRIx64, p.at);
		s->patches = xreallocarray(s->patches, s->n_patches + 1, sizeof(*s->patches));
		s->patches[s->n_patches++] = p;
	}
	return 0;
}

/* Made before, for the same object at the same place. */
static struct graft *find_graft(const struct grafts *grafts, const struct object *o, uint64_t base)
{
	for (size_t i = 0; i < grafts->n; i++) {
		struct graft *g = grafts->v[i];

		if (g->object.pair == o->pair && g->object.side == o->side &&
			g->object.bias == o->bias && g->base == base)
			return g;
	}
	return NULL;
}

static int link_graft(struct graft *g, const struct splice_files *files, struct err *err)
{
	cleanup_free char *path = files->path(files->arg, g->object.pair, g->side);
	cleanup_free char *name = realpath(path, NULL);
	int rc = donor_open(path, g->object.pair->sha[g->side], &g->donor, err);

	if (rc == 0)
		rc = graft_link(g, err);
	if (rc == 0)
		g->origin = origin_new(g, name ? name : path);
	donor_close(&g->donor);
	return rc;
}

/* NULL in *@ret: nothing has to be put in. */
static int make_graft(struct grafts *grafts, const struct splice *s, const struct sea_map *map,
	const struct objects *objects, const struct object *o, const struct splice_files *files,
	struct graft **ret, struct err *err)
{
	struct graft g, *known;
	int rc = graft_plan(map, o, &g, err);

	*ret = NULL;
	if (rc < 0)
		return rc;
	if (!g.n) {
		graft_free(&g);
		return 0;
	}
	g.base = place_find(objects, o, graft_size(&g), s->spans, s->n_regions);
	known = find_graft(grafts, o, g.base);
	if (known) {
		graft_free(&g);
		*ret = known;
		return 0;
	}
	if (!g.base)
		rc = err_set(err, ENOMEM,
			"there is no room for the functions near the object at %#" PRIx64,
			o->start);
	if (rc == 0)
		rc = link_graft(&g, files, err);
	if (rc < 0) {
		graft_free(&g);
		return rc;
	}
	if (grafts->n == GRAFTS_MAX) {
		graft_free(grafts->v[0]);
		*grafts->v[0] = g;
		*ret = grafts->v[0];
		return 0;
	}
	*ret = grafts->v[grafts->n++] = xmemdup(&g, sizeof(g));
	return 0;
}

static int put_object(struct splice *s, struct grafts *grafts, const struct sea_map *map,
	const struct objects *objects, const struct object *o, struct tracee *const *ts, int n,
	const struct splice_files *files, struct err *err)
{
	struct graft *g;
	int rc = make_graft(grafts, s, map, objects, o, files, &g, err);

	if (rc < 0 || !g)
		return rc;
	for (int i = 0; i < n && rc == 0; i++)
		rc = write_bytes(ts[i], g, err);
	if (rc == 0)
		rc = plan_jumps(s, g, ts[0], err);
	if (rc < 0)
		return rc;
	s->spans = xreallocarray(s->spans, s->n_regions + 1, sizeof(*s->spans));
	s->spans[s->n_regions] = (struct span){ g->base, g->base + graft_size(g) };
	s->regions = xreallocarray(s->regions, s->n_regions + 1, sizeof(*s->regions));
	s->regions[s->n_regions++] = (struct region){ g->base + g->code, origin_get(g->origin) };
	s->functions += g->n;
	return 0;
}

static int poke_all(const struct splice *s, struct tracee *t, bool in, struct err *err)
{
	for (size_t i = 0; i < s->n_patches; i++) {
		const struct patch *p = &s->patches[i];
		int rc = tracee_poke(t, raddr(p->at), in ? p->is : p->was, JUMP_SIZE);

		if (rc == 0)
			continue;
		/* All of them or none. */
		while (i--) {
			p = &s->patches[i];
			if (tracee_poke(t, raddr(p->at), in ? p->was : p->is, JUMP_SIZE) < 0)
				break;
		}
		return err_errno(err, -rc, "writing an entry");
	}
	return 0;
}

/* Has @o something to be put in? Negative: it forbids it. */
static int needs_graft(const struct sea_map *map, const struct object *o, struct err *err)
{
	if (o->pair->state == SEA_O_ANALYSED || o->pair->state == SEA_O_IDENTICAL)
		return o->pair->state == SEA_O_ANALYSED;
	return err_set(err, ENOTSUP, "the versions could not be compared: %s",
		sea_map_string(map, o->pair->reason));
}

int splice_prepare(struct grafts *grafts, const struct sea_map *map, const struct objects *objects,
	const struct splice_files *files, struct err *err)
{
	struct splice none = { 0 };
	struct graft *g;
	int rc = 0;

	for (size_t i = 0; i < objects->n && rc >= 0; i++) {
		rc = needs_graft(map, &objects->v[i], err);
		if (rc > 0)
			rc = make_graft(
				grafts, &none, map, objects, &objects->v[i], files, &g, err);
	}
	return rc < 0 ? rc : 0;
}

int splice_put(struct grafts *grafts, const struct sea_map *map, const struct objects *objects,
	struct tracee *const *ts, int n, const struct splice_files *files, struct splice **ret,
	struct err *err)
{
	struct splice *s = xzalloc(sizeof(*s));
	int rc = 0, side = -1;

	s->objects = xreallocarray(NULL, objects->n, sizeof(*s->objects));
	for (size_t i = 0; i < objects->n && rc == 0; i++) {
		const struct object *o = &objects->v[i];

		if (o->pair->state != SEA_O_IDENTICAL && side >= 0 && o->side != side)
			rc = err_set(err, ENOTSUP, "%s is the other version's already",
				sea_map_string(map, o->pair->path[o->side]));
		else
			rc = needs_graft(map, o, err);
		if (rc > 0)
			rc = put_object(s, grafts, map, objects, o, ts, n, files, err);
		if (o->pair->state == SEA_O_IDENTICAL)
			continue;
		s->objects[s->n_objects++] = o->start;
		side = o->side;
	}
	if (rc == 0)
		rc = splice_switch(s, ts, n, true, err);
	if (rc < 0) {
		splice_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

int splice_switch(
	const struct splice *splice, struct tracee *const *ts, int n, bool in, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++)
		rc = poke_all(splice, ts[i], in, err);
	return rc;
}

bool splice_covers(const struct splice *splice, const struct objects *objects)
{
	for (size_t i = 0; i < objects->n; i++) {
		size_t k = 0;

		while (k < splice->n_objects && splice->objects[k] != objects->v[i].start)
			k++;
		if (k == splice->n_objects && objects->v[i].pair->state != SEA_O_IDENTICAL)
			return false;
	}
	return true;
}

struct splice *splice_dup(const struct splice *splice)
{
	struct splice *s = xzalloc(sizeof(*s));

	*s = *splice;
	s->patches = xreallocarray(NULL, s->n_patches, sizeof(*s->patches));
	s->regions = xreallocarray(NULL, s->n_regions, sizeof(*s->regions));
	memcpy(s->patches, splice->patches, s->n_patches * sizeof(*s->patches));
	memcpy(s->regions, splice->regions, s->n_regions * sizeof(*s->regions));
	s->spans = xreallocarray(NULL, s->n_regions, sizeof(*s->spans));
	memcpy(s->spans, splice->spans, s->n_regions * sizeof(*s->spans));
	s->objects = xreallocarray(NULL, s->n_objects, sizeof(*s->objects));
	memcpy(s->objects, splice->objects, s->n_objects * sizeof(*s->objects));
	for (size_t i = 0; i < s->n_regions; i++)
		(void)origin_get(s->regions[i].origin);
	return s;
}

void splice_free(struct splice *splice)
{
	if (!splice)
		return;
	for (size_t i = 0; i < splice->n_regions; i++)
		origin_put(splice->regions[i].origin);
	free(splice->objects);
	free(splice->patches);
	free(splice->spans);
	free(splice->regions);
	free(splice);
}

/* The part whose code @addr lies in, or NULL. */
static const struct region *region_at(const struct splice *s, uint64_t addr)
{
	for (size_t i = 0; s && i < s->n_regions; i++) {
		if (addr >= s->spans[i].start && addr < s->regions[i].code_end)
			return &s->regions[i];
	}
	return NULL;
}

bool splice_holds(const struct splice *splice, uint64_t addr)
{
	return region_at(splice, addr) != NULL;
}

bool splice_find(const void *splice, uint64_t pc, struct unwind_place *ret)
{
	const struct region *r = region_at(splice, pc);

	return r && origin_find(r->origin, pc, ret);
}

int splice_count(const struct splice *splice)
{
	return splice->functions;
}
