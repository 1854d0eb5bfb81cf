/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ELF files in one input: four bytes of length, the old file, the new file. The whole analysis
 * runs on them, with what the child that reads debug information does, and the map that comes out
 * has to pass its own checks. Then frames of the old file are left by its call-frame information.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "sea/cfi.h"
#include "sea/outlook.h"
#include "sea/pair.h"
#include "sea/types.h"

#define MAX_STEPS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libdw reads files, and is slow: where there is nothing for it, it is left out. */
static void compare_types(struct sea_analysis *a)
{
	char paths[2][64];
	const char *const at[2] = { paths[0], paths[1] };
	cleanup_str struct str out = STR_INIT;
	int fds[2];

	for (int s = 0; s < 2; s++)
		if (!memmem(a->im[s]->data, a->im[s]->size, ".debug_info", 11))
			return;
	for (int s = 0; s < 2; s++) {
		fds[s] = memfd_create("types", MFD_CLOEXEC);
		if (fds[s] < 0 || io_write_all(fds[s], a->im[s]->data, a->im[s]->size) < 0)
			abort();
		snprintf(paths[s], sizeof(paths[s]), "/proc/self/fd/%d", fds[s]);
	}
	sea_read_types(at, &out);
	sea_take_types(a, out.data);
	for (int s = 0; s < 2; s++)
		close(fds[s]);
}

/* A stack on which every address can be read. */
static bool read_word(void *arg, uint64_t addr, uint64_t *ret_word)
{
	const uint64_t *pc = arg;

	*ret_word = addr % 64 ? addr + 64 : *pc;
	return addr != 0;
}

static void leave_frames(const struct sea_image *im)
{
	struct cfi *cfi;
	struct err err;

	if (cfi_open_memory(xmemdup(im->data, im->size), im->size, &cfi, &err) < 0)
		return;
	for (uint32_t i = 0; i < im->n_fdes && i < MAX_STEPS; i++) {
		uint64_t pc = im->fdes[i].addr + im->fdes[i].size / 2;
		struct cfi_regs regs = { .known = (1u << CFI_REGS) - 1 };
		const char *name;
		uint64_t offset;
		bool is_signal;

		for (int r = 0; r < CFI_REGS; r++)
			regs.value[r] = 0x7fff0000 + 8u * (unsigned)r;
		regs.value[CFI_RIP] = pc;
		for (int depth = 0; depth < 4; depth++)
			if (cfi_step(cfi, 0, depth == 0, &regs, &is_signal, read_word, &pc) < 0)
				break;
		(void)cfi_symbol(cfi, pc, &name, &offset);
	}
	cfi_close(cfi);
}

static int analyse(struct sea_analysis *a, struct sea_budget *budget)
{
	struct err err;

	if (sea_analysis_compare(a, budget, &err) < 0)
		return -1;
	sea_judge_layout(a);
	compare_types(a);
	sea_map_sites(a);
	sea_plan_injection(a);
	sea_describe_outlook(a, &a->notes);
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
	if (a.im[0])
		leave_frames(a.im[0]);
	sea_analysis_free(&a);
	return 0;
}
