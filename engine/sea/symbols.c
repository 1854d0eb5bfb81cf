/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols: the file's own, those of its debug file, and the compressed ones of .gnu_debugdata. */
#include "sea/image.h"

#include <elf.h>
#include <errno.h>
#include <lzma.h>
#include <string.h>

#include "base/io.h"
#include "base/xalloc.h"

#define MAX_SYMS      (8u << 20)
#define MAX_UNPACKED  (64u << 20)
#define UNPACK_MEMORY (64u << 20)

int sea_add_symtab(struct sea_image *im, const struct sea_image *from,
	const struct sea_section *table, struct err *err)
{
	const struct sea_section *strings;
	const char *names, *file = NULL;
	uint64_t n = table->size / sizeof(Elf64_Sym);

	if (table->link >= from->n_sects)
		return 0;
	strings = &from->sects[table->link];
	names = (const char *)from->data + strings->off;
	if (strings->type != SHT_STRTAB || !strings->size || names[strings->size - 1])
		return 0;
	if (n > MAX_SYMS - im->n_syms)
		return err_set(err, EFBIG, "more than %u symbols", MAX_SYMS);
	im->syms = xreallocarray(im->syms, im->n_syms + n, sizeof(*im->syms));
	for (uint64_t i = 0; i < n; i++) {
		Elf64_Sym s;
		const char *name;

		memcpy(&s, from->data + table->off + i * sizeof(s), sizeof(s));
		name = s.st_name < strings->size ? names + s.st_name : "";
		if (ELF64_ST_TYPE(s.st_info) == STT_FILE) {
			file = *name ? name : NULL;
			continue;
		}
		if (s.st_shndx == SHN_UNDEF || s.st_shndx == SHN_ABS || !*name)
			continue;
		im->syms[im->n_syms++] = (struct sea_sym){
			.name = name,
			.file = ELF64_ST_BIND(s.st_info) == STB_LOCAL ? file : NULL,
			.addr = s.st_value,
			.size = s.st_size,
			.type = ELF64_ST_TYPE(s.st_info),
			.bind = ELF64_ST_BIND(s.st_info),
			.defined = true,
		};
		if (ELF64_ST_TYPE(s.st_info) == STT_FUNC && ELF64_ST_BIND(s.st_info) == STB_LOCAL)
			im->has_symtab = true;
	}
	return 0;
}

static const struct sea_section *symtab_of(const struct sea_image *im)
{
	for (uint32_t i = 0; i < im->n_sects; i++)
		if (im->sects[i].type == SHT_SYMTAB)
			return &im->sects[i];
	return NULL;
}

/* Takes the symbols of @data, an ELF file that describes the same addresses as @im. */
static void lend(struct sea_image *im, const char *path, uint8_t *data, size_t size, bool same_id)
{
	const struct sea_section *table;
	struct sea_image *other;
	struct err why;

	if (sea_image_headers(path, data, size, &other, &why) < 0) {
		str_printf(&im->notes, "%s is not usable: %s\n", path, why.text);
		return;
	}
	table = symtab_of(other);
	if (same_id && (other->id_len != im->id_len || memcmp(other->id, im->id, im->id_len)))
		str_printf(&im->notes, "%s belongs to another build\n", path);
	else if (table && sea_add_symtab(im, other, table, &why) < 0)
		str_printf(&im->notes, "%s: %s\n", path, why.text);
	else if (table && !im->names) {
		im->names = other;
		return;
	}
	sea_image_free(other);
}

static void unpack_debugdata(struct sea_image *im, const struct sea_section *s)
{
	size_t room = (size_t)s->size * 16 + 65536, in = 0, out = 0;
	uint64_t limit = UNPACK_MEMORY;
	uint8_t *plain;
	lzma_ret rc;

	if (room > MAX_UNPACKED)
		room = MAX_UNPACKED;
	plain = xmalloc(room);
	rc = lzma_stream_buffer_decode(
		&limit, 0, NULL, im->data + s->off, &in, s->size, plain, &out, room);
	if (rc == LZMA_BUF_ERROR && room < MAX_UNPACKED) {
		plain = xrealloc(plain, MAX_UNPACKED);
		in = out = 0;
		rc = lzma_stream_buffer_decode(&limit, 0, NULL, im->data + s->off, &in, s->size,
			plain, &out, MAX_UNPACKED);
	}
	if (rc != LZMA_OK) {
		str_printf(&im->notes, ".gnu_debugdata cannot be unpacked (lzma error %d)\n", rc);
		free(plain);
		return;
	}
	lend(im, ".gnu_debugdata", plain, out, false);
}

static void read_debug_file(struct sea_image *im, const char *root)
{
	cleanup_free char *path = NULL;
	cleanup_str struct str text = STR_INIT;
	cleanup_str struct str name = STR_INIT;
	struct err why;
	size_t size;

	if (im->id_len < 2)
		return;
	for (uint32_t i = 1; i < im->id_len; i++)
		str_printf(&name, "%02x", im->id[i]);
	path = xasprintf("%s/.build-id/%02x/%s.debug", root, im->id[0], str_text(&name));
	if (io_read_file(path, SEA_MAX_FILE, &text, &why) < 0) {
		if (why.code != ENOENT)
			str_printf(&im->notes, "%s\n", why.text);
		return;
	}
	size = text.len;
	lend(im, path, (uint8_t *)take_ptr(text.data), size, true);
}

int sea_read_symbols(struct sea_image *im, const struct sea_load_opts *opts, struct err *err)
{
	const struct sea_section *table = symtab_of(im);
	const struct sea_section *packed = sea_section_named(im, ".gnu_debugdata");
	int rc = 0;

	if (opts->no_symbols)
		return 0;
	if (table)
		rc = sea_add_symtab(im, im, table, err);
	if (rc == 0 && !im->has_symtab && opts->debug_root)
		read_debug_file(im, opts->debug_root);
	if (rc == 0 && !im->has_symtab && !im->names && packed && packed->type != SHT_NOBITS)
		unpack_debugdata(im, packed);
	return rc;
}
