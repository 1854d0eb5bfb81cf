/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/pair.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/kinship.h"
#include "sea/outlook.h"
#include "sea/types.h"

void sea_analysis_free(struct sea_analysis *a)
{
	for (int s = 0; s < 2; s++) {
		for (uint32_t i = 0; a->im[s] && a->func[s] && i < a->im[s]->n_funcs; i++)
			free(a->func[s][i].refusal);
		free(a->func[s]);
		free(a->spans[s].v);
		free(a->ops[s]);
		free(a->copies[s]);
		free(a->slots[s]);
		sea_image_free(a->im[s]);
	}
	for (uint32_t i = 0; i < a->n_ranges; i++)
		free(a->ranges[i].name);
	for (uint32_t i = 0; i < a->n_conflicts; i++)
		free(a->conflicts[i].why);
	for (uint32_t i = 0; i < a->n_types; i++) {
		free(a->types[i].name);
		free(a->types[i].what);
	}
	free(a->ranges);
	free(a->by_new);
	free(a->conflicts);
	free(a->types);
	free(a->sites);
	str_free(&a->notes);
	sea_match_free(&a->m);
	memset(a, 0, sizeof(*a));
}

struct load_job {
	const char *path;
	struct sea_load_opts opts;
	struct sea_budget budget;
	struct sea_image *im;
	struct err err;
	int rc;
};

static void *load(void *arg)
{
	struct load_job *j = arg;

	j->rc = sea_image_load(j->path, &j->opts, &j->im, &j->err);
	return NULL;
}

/* The two files do not depend on each other, so each is read by a thread of its own. */
static int load_both(struct sea_analysis *a, const char *const paths[2],
	const struct sea_opts *opts, const struct sea_budget *budget, struct err *err)
{
	struct load_job j[2];
	pthread_t thread;
	bool apart;

	for (int s = 0; s < 2; s++) {
		memset(&j[s], 0, sizeof(j[s]));
		j[s].path = paths[s];
		j[s].budget = *budget;
		j[s].opts = (struct sea_load_opts){ opts->debug_root[s], opts->no_symbols,
			opts->no_exports, &j[s].budget };
	}
	apart = pthread_create(&thread, NULL, load, &j[1]) == 0;
	load(&j[0]);
	if (apart)
		pthread_join(thread, NULL);
	else
		load(&j[1]);
	for (int s = 0; s < 2; s++)
		if (j[s].rc == 0)
			a->im[s] = j[s].im;
	for (int s = 0; s < 2; s++)
		if (j[s].rc < 0) {
			if (err)
				*err = j[s].err;
			return j[s].rc;
		}
	return 0;
}

int sea_analysis_run(struct sea_analysis *a, const char *old_path, const char *new_path,
	const struct sea_opts *opts, struct sea_budget *budget, struct err *err)
{
	const char *const paths[2] = { old_path, new_path };
	int rc;

	memset(a, 0, sizeof(*a));
	rc = load_both(a, paths, opts, budget, err);
	return rc < 0 ? rc : sea_analysis_compare(a, budget, err);
}

int sea_analysis_compare(struct sea_analysis *a, struct sea_budget *budget, struct err *err)
{
	int rc;

	a->budget = budget;
	rc = sea_match_run(a->im[0], a->im[1], budget, &a->m, err);
	if (rc < 0)
		return rc;
	for (int s = 0; s < 2; s++)
		a->func[s] = xzalloc(a->im[s]->n_funcs * sizeof(*a->func[s]));
	sea_find_spans(a, SEA_OLD);
	sea_find_spans(a, SEA_NEW);
	sea_map_data(a);
	sea_judge(a);
	return sea_budget_spent(budget) ? err_set(err, ETIME, "the analysis took too long") : 0;
}

static void describe(
	struct sea_map_builder *b, struct sea_map_object *o, int side, const struct sea_image *im)
{
	memcpy(o->id[side], im->id, sizeof(o->id[side]));
	memcpy(o->sha[side], im->sha, sizeof(o->sha[side]));
	o->id_len[side] = im->id_len;
	if (im->is_program)
		o->flags |= SEA_OF_PROGRAM;
	if (!im->is_pie)
		o->flags |= SEA_OF_FIXED;
}

static void add_notes(struct str *out, const struct sea_image *im, const char *which)
{
	for (const char *at = str_text(&im->notes); *at;) {
		size_t len = strcspn(at, "\n");

		str_printf(out, "%s version: %.*s\n", which, (int)len, at);
		at += len + (at[len] == '\n');
	}
}

static void finish(struct sea_map_builder *b, struct sea_map_object *o, struct sea_analysis *a,
	const char *const paths[2], const struct sea_opts *opts)
{
	const char *debug[2];
	cleanup_free char *reason = sea_unrelated(a, paths);

	if (a->im[0]->has_symtab && a->im[1]->has_symtab)
		o->flags |= SEA_OF_NAMES;
	for (int s = 0; s < 2; s++)
		debug[s] = a->im[s]->names && a->im[s]->names->path[0] == '/'
				   ? a->im[s]->names->path
				   : paths[s];
	if (reason) {
		o->state = SEA_O_UNRELATED;
		o->reason = sea_map_add_string(b, reason);
		return;
	}
	o->state = SEA_O_ANALYSED;
	sea_judge_layout(a);
	if (!opts->no_types && !opts->no_symbols && sea_judge_types(a, debug))
		o->flags |= SEA_OF_TYPES;
	sea_map_sites(a);
	sea_plan_injection(a);
	if (sea_budget_spent(a->budget)) {
		o->state = SEA_O_REFUSED;
		o->reason = sea_map_add_string(b, "the analysis took too long");
		return;
	}
	add_notes(&a->notes, a->im[0], "old");
	add_notes(&a->notes, a->im[1], "new");
	if (!a->im[0]->is_pie || !a->im[1]->is_pie)
		str_puts(&a->notes, "linked at fixed addresses: functions whose constants may be "
				    "addresses are refused\n");
	sea_describe_outlook(a, &a->notes);
	o->notes = sea_map_add_string(b, str_text(&a->notes));
	sea_map_add_pair(b, a);
}

/* What the headers alone say: enough for equal files, and for files that cannot be analysed. */
static bool settle_early(struct sea_map_builder *b, struct sea_map_object *o,
	const char *const paths[2], struct err *err)
{
	uint8_t sha[2][SHA256_LEN];

	for (int s = 0; s < 2; s++) {
		struct sea_image *im;
		size_t size;
		uint8_t *data;

		if (sea_file_read(paths[s], &data, &size, err) < 0 ||
			sea_image_headers(paths[s], data, size, &im, err) < 0)
			return true;
		describe(b, o, s, im);
		memcpy(sha[s], im->sha, SHA256_LEN);
		sea_image_free(im);
	}
	if (memcmp(sha[0], sha[1], SHA256_LEN))
		return false;
	o->state = SEA_O_IDENTICAL;
	return true;
}

void sea_analyze_pair(struct sea_map_builder *b, const char *old_path, const char *new_path,
	const char *name, const struct sea_opts *opts)
{
	const char *const paths[2] = { old_path, new_path };
	struct sea_map_object *o = sea_map_add_object(b);
	struct sea_budget budget;
	struct sea_analysis a;
	struct err err = { 0 };

	o->state = SEA_O_REFUSED;
	for (int s = 0; s < 2; s++)
		o->path[s] = sea_map_add_string(b, name ? name : paths[s]);
	if (settle_early(b, o, paths, &err)) {
		if (o->state == SEA_O_REFUSED)
			o->reason = sea_map_add_string(b, err.text);
		return;
	}
	sea_budget_start(&budget, opts->limit_ms ? opts->limit_ms : SEA_DEFAULT_LIMIT_MS);
	if (sea_analysis_run(&a, old_path, new_path, opts, &budget, &err) < 0)
		o->reason = sea_map_add_string(b, err.text);
	else
		finish(b, o, &a, paths, opts);
	sea_analysis_free(&a);
}
