/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ELF files in one input: four bytes of length, the old file, the new file. The whole analysis
 * runs on them, and the map that comes out has to pass its own checks.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int analyse(struct sea_analysis *a, struct sea_budget *budget)
{
	struct err err;

	if (sea_analysis_compare(a, budget, &err) < 0)
		return -1;
	sea_judge_layout(a);
	sea_map_sites(a);
	sea_plan_injection(a);
	return 0;
}

static void check_map(const struct sea_analysis *a)
{
	struct sea_map_builder *b = sea_map_builder_new();
	struct sea_map *map;
	struct err err;
	uint8_t *bytes;
	size_t size;

	sea_map_add_object(b)->state = SEA_O_ANALYSED;
	sea_map_add_pair(b, a);
	if (sea_map_finish(b, &bytes, &size, &err) < 0)
		return;
	/* What the analysis made is never damaged, whatever it was made from. */
	if (sea_map_parse(bytes, size, &map, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	sea_map_close(map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sea_analysis a = { 0 };
	struct sea_budget budget;
	struct sea_load_opts opts = { .budget = &budget };
	struct err err;
	uint32_t first;

	if (size < 4)
		return 0;
	memcpy(&first, data, 4);
	data += 4;
	size -= 4;
	if (first > size)
		first = size;
	sea_budget_start(&budget, 5000);
	if (sea_image_parse("old", xmemdup(data, first), first, &opts, &a.im[0], &err) == 0 &&
		sea_image_parse("new", xmemdup(data + first, size - first), size - first, &opts,
			&a.im[1], &err) == 0 &&
		analyse(&a, &budget) == 0)
		check_map(&a);
	sea_analysis_free(&a);
	return 0;
}
