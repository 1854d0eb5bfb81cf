/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map file. The checksum is set right, so that what comes behind it is reached; what passes the
 * checks is then read as the engine reads it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "sea/map_build.h"
#include "sea/sea.h"
#include "sea/sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct sea_map *map)
{
	struct sea_report_opts opts = { .all = true };
	struct str out = STR_INIT;
	uint64_t peer;

	sea_report_text(map, &opts, &out);
	sea_report_json(map, &out);
	str_free(&out);
	for (uint32_t i = 0; i < sea_map_count(map); i++) {
		const struct sea_map_object *o = sea_map_object(map, i);

		for (int side = 0; side < 2; side++)
			for (uint64_t addr = 0; addr < 0x8000; addr += 61) {
				(void)sea_map_func_of(map, o, side, addr);
				(void)sea_map_data_peer(map, o, side, addr, &peer);
				(void)sea_map_site_of(map, o, side, addr);
			}
	}
}

static void rebuild(const struct sea_map *map)
{
	struct sea_map_builder *b = sea_map_builder_new();
	struct sea_map *again;
	struct err err;
	uint8_t *bytes;
	size_t size;

	sea_map_add_map(b, map);
	if (sea_map_finish(b, &bytes, &size, &err) < 0)
		return;
	if (sea_map_parse(bytes, size, &again, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	sea_map_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sea_map_header h;
	struct sea_map *map;
	struct sha256 sha;
	struct err err;
	uint8_t *copy = xmemdup(data, size);

	if (size >= sizeof(h)) {
		memcpy(&h, copy, sizeof(h));
		h.file_size = size;
		memset(h.checksum, 0, sizeof(h.checksum));
		memcpy(copy, &h, sizeof(h));
		sha256_init(&sha);
		sha256_update(&sha, copy, size);
		sha256_final(&sha, h.checksum);
		memcpy(copy, &h, sizeof(h));
	}
	if (sea_map_parse(copy, size, &map, &err) < 0)
		return 0;
	use(map);
	rebuild(map);
	sea_map_close(map);
	return 0;
}
