/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers, with checks of every offset. This does not go through libelf: the fields that count are
 * few, and all of them come from a file that may lie.
 */
#include "sea/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/xalloc.h"

#define MAX_SEGMENTS 64
#define MAX_LOADED   512 /* sections in memory; linkers make about thirty */

void sea_budget_start(struct sea_budget *b, unsigned limit_ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*b = (struct sea_budget){ 0 };
	if (limit_ms)
		b->end_ns = now.tv_sec * 1000000000ull + now.tv_nsec + limit_ms * 1000000ull;
}

bool sea_budget_spent(struct sea_budget *b)
{
	struct timespec now;

	if (!b || !b->end_ns)
		return false;
	if (!b->spent) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		b->spent = now.tv_sec * 1000000000ull + now.tv_nsec >= b->end_ns;
	}
	return b->spent;
}

uint64_t sea_hash(uint64_t seed, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = seed ^ 0x9e3779b97f4a7c15ull ^ len * 0xff51afd7ed558ccdull;

	while (len) {
		uint64_t word = 0;
		size_t n = len < 8 ? len : 8;

		memcpy(&word, p, n);
		h = (h ^ word) * 0xc4ceb9fe1a85ec53ull;
		h ^= h >> 32;
		p += n;
		len -= n;
	}
	h *= 0xff51afd7ed558ccdull;
	return h ^ h >> 29;
}

static bool in_file(const struct sea_image *im, uint64_t off, uint64_t len)
{
	return off <= im->size && len <= im->size - off;
}

static int read_segments(struct sea_image *im, const Elf64_Ehdr *eh, struct err *err)
{
	uint64_t relro = 0;

	if (!eh->e_phnum)
		return 0; /* a debug file may go without */
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum > MAX_SEGMENTS ||
		!in_file(im, eh->e_phoff, eh->e_phnum * sizeof(Elf64_Phdr)))
		return err_set(err, EINVAL, "program headers lie outside the file");
	im->segs = xreallocarray(NULL, eh->e_phnum, sizeof(*im->segs));
	im->lo = UINT64_MAX;
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, im->data + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_INTERP)
			im->is_program = true;
		if (ph.p_vaddr > INT64_MAX || ph.p_memsz > INT64_MAX - ph.p_vaddr)
			return err_set(err, EINVAL, "segment %u wraps the address space", i);
		if (ph.p_type == PT_GNU_RELRO) {
			im->relro_lo = ph.p_vaddr;
			relro = ph.p_memsz;
		}
		if (ph.p_type == PT_TLS) {
			im->tls_addr = ph.p_vaddr;
			im->tls_filesz = ph.p_filesz;
			im->tls_memsz = ph.p_memsz;
			im->tls_align = ph.p_align;
		}
		if (ph.p_type != PT_LOAD)
			continue;
		if (ph.p_filesz > ph.p_memsz)
			return err_set(err, EINVAL, "segment %u has more bytes than memory", i);
		if (!in_file(im, ph.p_offset, ph.p_filesz))
			return err_set(err, EINVAL, "segment %u is cut off by the end of file", i);
		if (im->n_segs &&
			ph.p_vaddr < im->segs[im->n_segs - 1].addr + im->segs[im->n_segs - 1].memsz)
			return err_set(err, EINVAL, "segment %u overlaps the one before it", i);
		im->segs[im->n_segs++] = (struct sea_segment){ ph.p_vaddr, ph.p_memsz, ph.p_offset,
			ph.p_filesz, ph.p_flags };
		if (ph.p_vaddr < im->lo)
			im->lo = ph.p_vaddr;
		if (ph.p_vaddr + ph.p_memsz > im->hi)
			im->hi = ph.p_vaddr + ph.p_memsz;
	}
	im->relro_hi = im->relro_lo + relro;
	return 0;
}

/* A NUL-terminated string inside [off, off + size) of the file, or NULL. */
static const char *file_string(const struct sea_image *im, uint64_t off, uint64_t size, uint64_t at)
{
	if (!in_file(im, off, size) || at >= size || !memchr(im->data + off + at, 0, size - at))
		return NULL;
	return (const char *)im->data + off + at;
}

/* Linkers may put constants and code into one segment. */
static void note_mixed(struct sea_image *im, const struct sea_section *s)
{
	for (uint32_t i = 0; i < im->n_segs && !(s->flags & SHF_EXECINSTR); i++) {
		struct sea_segment *seg = &im->segs[i];

		seg->mixed |= seg->flags & PF_X && s->addr >= seg->addr &&
			      s->addr - seg->addr < seg->memsz;
	}
}

/* Sections are a help, not needed for running: what is wrong with them only loses them. */
static void read_sections(struct sea_image *im, const Elf64_Ehdr *eh)
{
	Elf64_Shdr names, sh;

	if (!eh->e_shnum || eh->e_shentsize != sizeof(sh) || eh->e_shstrndx >= eh->e_shnum ||
		!in_file(im, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(sh))) {
		if (eh->e_shnum)
			str_puts(&im->notes, "section headers are unusable\n");
		return;
	}
	memcpy(&names, im->data + eh->e_shoff + eh->e_shstrndx * sizeof(names), sizeof(names));
	im->sects = xreallocarray(NULL, eh->e_shnum, sizeof(*im->sects));
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		const char *name;

		memcpy(&sh, im->data + eh->e_shoff + i * sizeof(sh), sizeof(sh));
		name = file_string(im, names.sh_offset, names.sh_size, sh.sh_name);
		/* The index is what sh_link counts in, so a bad section keeps its place. */
		if (!name || (sh.sh_type != SHT_NOBITS && !in_file(im, sh.sh_offset, sh.sh_size)))
			sh = (Elf64_Shdr){ 0 };
		im->sects[im->n_sects++] =
			(struct sea_section){ name ?: "", sh.sh_addr, sh.sh_offset, sh.sh_size,
				sh.sh_flags, sh.sh_type, sh.sh_link, sh.sh_entsize };
	}
	im->loaded = xreallocarray(NULL, MAX_LOADED, sizeof(*im->loaded));
	for (uint32_t i = 0; i < im->n_sects; i++) {
		const struct sea_section *s = &im->sects[i];

		if (!(s->flags & SHF_ALLOC) || !s->size ||
			(s->flags & SHF_TLS && s->type == SHT_NOBITS))
			continue;
		if (im->n_loaded == MAX_LOADED) {
			str_puts(&im->notes, "there are too many sections to be true\n");
			im->n_loaded = im->n_sects = 0;
			return;
		}
		im->loaded[im->n_loaded++] = i;
		note_mixed(im, s);
	}
}

static void read_build_id(struct sea_image *im, const uint8_t *note, uint64_t len)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nh;
		uint64_t name, desc;

		memcpy(&nh, note, sizeof(nh));
		name = ((uint64_t)nh.n_namesz + 3) & ~3ull;
		desc = ((uint64_t)nh.n_descsz + 3) & ~3ull;
		note += sizeof(nh);
		len -= sizeof(nh);
		if (name > len || desc > len - name)
			return;
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == 4 && !memcmp(note, "GNU", 4)) {
			im->id_len = nh.n_descsz < SEA_ID_MAX ? nh.n_descsz : SEA_ID_MAX;
			memcpy(im->id, note + name, im->id_len);
			return;
		}
		note += name + desc;
		len -= name + desc;
	}
}

static void find_build_id(struct sea_image *im, const Elf64_Ehdr *eh)
{
	for (unsigned i = 0; i < eh->e_phnum && im->segs; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, im->data + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_NOTE && in_file(im, ph.p_offset, ph.p_filesz) && !im->id_len)
			read_build_id(im, im->data + ph.p_offset, ph.p_filesz);
	}
	for (uint32_t i = 0; i < im->n_sects && !im->id_len; i++)
		if (im->sects[i].type == SHT_NOTE)
			read_build_id(im, im->data + im->sects[i].off, im->sects[i].size);
}

/* The next word of a line, and its length; 0 behind the last. */
static size_t next_word(const char **at, const char *end)
{
	size_t n = 0;

	while (*at < end && (**at == ' ' || **at == '\t'))
		++*at;
	while (*at + n < end && (*at)[n] > ' ' && (*at)[n] < 127)
		n++;
	return n;
}

/* A script is not a program of its own: what runs it is, and has two versions to compare. */
static int set_not_elf(const char *path, const uint8_t *data, size_t size, struct err *err)
{
	const char *at = (const char *)data + 2, *end = (const char *)data + size;
	size_t n;

	if (size < 2 || memcmp(data, "#!", 2) != 0)
		return err_set(err, ENOEXEC, "%s: not an ELF object", path);
	n = next_word(&at, end);
	/* env(1) runs the first word that is no option and sets nothing. */
	if (n > 4 && memcmp(at + n - 4, "/env", 4) == 0)
		do {
			at += n;
			n = next_word(&at, end);
		} while (n && (*at == '-' || memchr(at, '=', n)));
	return err_set(err, ENOEXEC,
		"%s: not an ELF object, but a script that %.*s runs: analyse the two versions of "
		"that, or the two image roots",
		path, n ? (int)(n < PATH_MAX ? n : PATH_MAX) : 9, n ? at : "something");
}

int sea_image_headers(
	const char *path, uint8_t *data, size_t size, struct sea_image **ret, struct err *err)
{
	struct sea_image *im = xzalloc(sizeof(*im));
	struct sha256 sha;
	Elf64_Ehdr eh;
	int rc = 0;

	im->path = xstrdup(path);
	im->data = data;
	im->size = size;
	if (size < sizeof(eh) || memcmp(data, ELFMAG, SELFMAG)) {
		rc = set_not_elf(path, data, size, err);
		goto fail;
	}
	memcpy(&eh, data, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
		eh.e_machine != EM_X86_64) {
		rc = err_set(err, ENOEXEC, "%s: not for x86-64 (class %u, machine %u)", path,
			eh.e_ident[EI_CLASS], eh.e_machine);
		goto fail;
	}
	if (eh.e_type != ET_DYN && eh.e_type != ET_EXEC) {
		rc = err_set(err, ENOEXEC, "%s: neither a program nor a library (type %u)", path,
			eh.e_type);
		goto fail;
	}
	im->is_pie = eh.e_type == ET_DYN;
	im->is_program = eh.e_type == ET_EXEC;
	im->entry = eh.e_entry;
	rc = read_segments(im, &eh, err);
	if (rc < 0) {
		rc = err_context(err, "%s", path);
		goto fail;
	}
	read_sections(im, &eh);
	find_build_id(im, &eh);
	sha256_init(&sha);
	sha256_update(&sha, data, size);
	sha256_final(&sha, im->sha);
	*ret = im;
	return 0;
fail:
	sea_image_free(im);
	return rc;
}

static bool is_linkage(const char *name)
{
	return str_starts(name, ".got") || strcmp(name, ".plt") == 0;
}

const struct sea_segment *sea_segment_of(const struct sea_image *im, uint64_t addr)
{
	for (uint32_t i = 0; i < im->n_segs; i++)
		if (addr >= im->segs[i].addr && addr - im->segs[i].addr < im->segs[i].memsz)
			return &im->segs[i];
	return NULL;
}

uint64_t sea_bytes_after(const struct sea_image *im, uint64_t addr)
{
	const struct sea_segment *s = sea_segment_of(im, addr);

	if (!s || addr - s->addr >= s->filesz)
		return 0;
	return s->filesz - (addr - s->addr);
}

const uint8_t *sea_bytes(const struct sea_image *im, uint64_t addr, size_t len)
{
	const struct sea_segment *s = sea_segment_of(im, addr);

	if (!s || addr - s->addr > s->filesz || len > s->filesz - (addr - s->addr))
		return NULL;
	return im->data + s->off + (addr - s->addr);
}

const struct sea_section *sea_section_of(const struct sea_image *im, uint64_t addr)
{
	for (uint32_t i = 0; i < im->n_loaded; i++) {
		const struct sea_section *s = &im->sects[im->loaded[i]];

		if (addr >= s->addr && addr - s->addr < s->size)
			return s;
	}
	return NULL;
}

const struct sea_section *sea_section_named(const struct sea_image *im, const char *name)
{
	for (uint32_t i = 0; i < im->n_sects; i++)
		if (im->sects[i].type && strcmp(im->sects[i].name, name) == 0)
			return &im->sects[i];
	return NULL;
}

enum sea_place sea_place_of(const struct sea_image *im, uint64_t addr)
{
	const struct sea_segment *s = sea_segment_of(im, addr);
	const struct sea_section *sect;

	if (!s)
		return SEA_P_NONE;
	if (s->flags & PF_X && !s->mixed)
		return SEA_P_CODE;
	if (!(s->flags & (PF_X | PF_W)))
		return SEA_P_RODATA;
	sect = sea_section_of(im, addr);
	if (s->mixed && (!sect || sect->flags & SHF_EXECINSTR))
		return SEA_P_CODE;
	if (s->mixed && !(sect->flags & SHF_WRITE))
		return SEA_P_RODATA;
	if (sect && is_linkage(sect->name))
		return SEA_P_GOT;
	if (addr >= im->relro_lo && addr < im->relro_hi)
		return SEA_P_RELRO;
	if (addr - s->addr >= s->filesz)
		return SEA_P_BSS;
	return SEA_P_DATA;
}

/* Length of the well-formed UTF-8 sequence at @p, of at most @room bytes; 0 for none. */
static size_t utf8_length(const uint8_t *p, size_t room)
{
	size_t n = *p < 0x80		     ? 1
		   : *p >= 0xc2 && *p < 0xe0 ? 2
		   : *p >= 0xe0 && *p < 0xf0 ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4
					     : 0;

	if (!n || n > room)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Tables of small numbers look like texts of a few letters, but texts are packed without gaps. */
static bool may_be_numbers(const uint8_t *p, uint64_t addr, size_t n, uint64_t room)
{
	static const uint8_t zero[4];

	if (n == 0 || n > 2 || room < 4)
		return false;
	if (addr % 4 == 0 && memcmp(p + n, zero, 4 - n) == 0)
		return true;
	return n == 1 && addr % 2 == 0 && (p[2] < 7 || p[2] > 126) && p[2] && !p[3];
}

size_t sea_string_at(const struct sea_image *im, uint64_t addr)
{
	uint64_t room = sea_bytes_after(im, addr);
	const uint8_t *p = sea_bytes(im, addr, 1);
	size_t n = 0;

	if (!p || sea_place_of(im, addr) != SEA_P_RODATA)
		return 0;
	if (room > 4096)
		room = 4096;
	while (n < room && p[n]) {
		uint8_t c = p[n];
		size_t step = utf8_length(p + n, room - n);

		if (!step || c == 127 || (c < 32 && !strchr("\n\t\r\b\f\v\a\033", c)))
			return 0;
		n += step;
	}
	return n < room && !may_be_numbers(p, addr, n, room) ? n : 0;
}

void sea_image_free(struct sea_image *im)
{
	if (!im)
		return;
	sea_image_free(im->names);
	free(im->path);
	free(im->data);
	free(im->spare);
	free(im->segs);
	free(im->sects);
	free(im->loaded);
	free(im->relocs);
	free(im->dynsyms);
	free(im->syms);
	free(im->fdes);
	free(im->funcs);
	free(im->insns);
	free(im->refs);
	free(im->ref_targets);
	str_free(&im->notes);
	free(im);
}

int sea_image_parse(const char *path, uint8_t *data, size_t size, const struct sea_load_opts *opts,
	struct sea_image **ret, struct err *err)
{
	struct sea_image *im;
	int rc = sea_image_headers(path, data, size, &im, err);

	if (rc < 0)
		return rc;
	if (!im->n_segs)
		rc = err_set(err, EINVAL, "has no loaded segments (a debug file?)");
	if (rc == 0)
		rc = sea_read_dynamic(im, err);
	if (rc == 0)
		rc = sea_read_symbols(im, opts, err);
	if (rc == 0)
		rc = sea_read_frames(im, opts->budget, err);
	if (rc == 0)
		rc = sea_find_functions(im, opts, err);
	if (rc == 0)
		rc = sea_disassemble(im, opts->budget, err);
	if (rc < 0) {
		sea_image_free(im);
		return err_context(err, "%s", path);
	}
	*ret = im;
	return 0;
}

int sea_file_read(const char *path, uint8_t **ret, size_t *ret_size, struct err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_str struct str text = STR_INIT;
	struct stat st;

	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ENOEXEC, "%s: not a regular file", path);
	if (st.st_size > SEA_MAX_FILE)
		return err_set(err, EFBIG, "%s: larger than %u MiB", path, SEA_MAX_FILE >> 20);
	str_reserve(&text, st.st_size);
	if (io_read_fd(fd, SEA_MAX_FILE, &text, err) < 0)
		return err_context(err, "%s", path);
	*ret = (uint8_t *)take_ptr(text.data);
	*ret_size = text.len;
	return 0;
}

int sea_image_load(
	const char *path, const struct sea_load_opts *opts, struct sea_image **ret, struct err *err)
{
	uint8_t *data;
	size_t size;
	int rc = sea_file_read(path, &data, &size, err);

	return rc < 0 ? rc : sea_image_parse(path, data, size, opts, ret, err);
}
