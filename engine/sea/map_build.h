/* SPDX-License-Identifier: Apache-2.0 */
/* Building a map in memory; map.h says what is in it. */
#ifndef MX_SEA_MAP_BUILD_H
#define MX_SEA_MAP_BUILD_H

#include "sea/map.h"

struct sea_map_builder;

struct sea_map_builder *sea_map_builder_new(void);
void sea_map_builder_free(struct sea_map_builder *b);
/* The offset of @text in the string table; equal texts share one. */
uint32_t sea_map_add_string(struct sea_map_builder *b, const char *text);
uint32_t sea_map_builder_count(const struct sea_map_builder *b);
struct sea_map_object *sea_map_builder_object(struct sea_map_builder *b, uint32_t i);
/*
 * Begins an object; the tables that follow are its own. The pointer
 * is good until the next object.
 */
struct sea_map_object *sea_map_add_object(struct sea_map_builder *b);
void sea_map_add_table(struct sea_map_builder *b, enum sea_map_tables table, const void *records,
	uint32_t count, uint32_t size);
/* Takes over every object of an open map. */
void sea_map_add_map(struct sea_map_builder *b, const struct sea_map *from);
/* Ends the building: the file's bytes, malloc'ed. Frees @b. -EFBIG where it would not fit. */
MUST_CHECK int sea_map_finish(
	struct sea_map_builder *b, uint8_t **ret, size_t *ret_size, struct err *err);

#endif
