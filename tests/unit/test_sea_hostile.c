/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that lie. A small sound object is made here, byte by byte; then its headers, its
 * call-frame information and its length are spoiled in turn. Each has to end in a result or a
 * clear error, in no time; the sanitizer build of this test sees what else could go wrong.
 */
#include <elf.h>
#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "base/xalloc.h"
#include "sea/cfi.h"
#include "sea/image.h"
#include "tap.h"

#define BASE  0x1000 /* where the file is loaded */
#define CODE  0x200
#define FRAME 0x300
#define SIZE  0x400

static const uint8_t code[] = {
	0x53, 0xe8, 0x0a, 0x00, 0x00, 0x00, 0x89, 0xc3, 0x5b, 0xc3, /* push, call +10, ..., ret */
	0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xb8, 0x07, 0x00, 0x00, 0x00, 0xc3, /* mov $7, ret */
};

static void put(uint8_t *at, uint64_t v, unsigned n)
{
	memcpy(at, &v, n);
}

/* One CIE and two FDEs, then the end mark. */
static void put_frames(uint8_t *f)
{
	static const uint8_t cie[] = { 0x14, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1,
		0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0 };

	memcpy(f, cie, sizeof(cie));
	for (int i = 0; i < 2; i++) {
		uint8_t *d = f + 24 + 20 * i;

		put(d, 16, 4);
		put(d + 4, 28 + 20 * i, 4); /* back to the CIE */
		put(d + 8, CODE + 16 * i - (FRAME + 24 + 20 * i + 8), 4);
		put(d + 12, i ? 6 : 10, 4);
	}
}

static uint8_t *make_object(void)
{
	uint8_t *o = xzalloc(SIZE + 1);
	Elf64_Ehdr eh = { .e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = 1,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2 };
	Elf64_Phdr ph[2] = {
		{ .p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_vaddr = BASE,
			.p_filesz = SIZE,
			.p_memsz = SIZE },
		{ .p_type = PT_GNU_EH_FRAME,
			.p_offset = 0x2f0,
			.p_vaddr = BASE + 0x2f0,
			.p_filesz = 8 },
	};
	static const uint8_t hdr[] = { 1, 0x1b, 0xff, 0xff, 0x0c, 0, 0, 0 };

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	eh.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(o, &eh, sizeof(eh));
	memcpy(o + sizeof(eh), ph, sizeof(ph));
	memcpy(o + CODE, code, sizeof(code));
	memcpy(o + 0x2f0, hdr, sizeof(hdr));
	put_frames(o + FRAME);
	return o;
}

static int parse(uint8_t *data, size_t size, struct sea_image **ret, struct err *err)
{
	struct sea_budget budget;
	struct sea_load_opts opts = { .budget = &budget };

	sea_budget_start(&budget, 5000);
	return sea_image_parse("object", data, size, &opts, ret, err);
}

static void test_sound(void)
{
	struct sea_image *im = NULL;
	struct sea_frame_row *rows;
	struct err err = { 0 };
	uint32_t n;

	if (!ok(parse(make_object(), SIZE, &im, &err) == 0, "the sound object is read %s",
		    err.text))
		return;
	ok(im->n_fdes == 2 && im->n_funcs == 2, "two frames are two functions");
	ok(im->funcs[0].addr == BASE + CODE && im->funcs[0].size == 10, "the first one's extent");
	ok(im->n_insns == 7 && im->n_refs == 1, "seven instructions, one reference (%u, %u)",
		im->n_insns, im->n_refs);
	ok(im->refs[0].target == im->funcs[1].addr && im->refs[0].kind == SEA_R_CALL,
		"the call leads to the second");
	ok(sea_frame_rows(im, &im->fdes[0], &rows, &n) == 0 && n == 1 && rows[0].cfa_reg == 7 &&
			rows[0].cfa_off == 8,
		"the frame's rule");
	free(rows);
	ok(!sea_bytes(im, BASE + SIZE - 4, 5) && sea_bytes(im, BASE + SIZE - 4, 4),
		"bytes end with the file");
	ok(!sea_bytes(im, UINT64_MAX - 2, 8) && !sea_bytes(im, BASE, SIZE_MAX), "no wrapping");
	sea_image_free(im);
}

static void expect(const char *what, void (*spoil)(uint8_t *o), int want, const char *text)
{
	struct sea_image *im = NULL;
	struct err err = { 0 };
	uint8_t *o = make_object();
	int rc;

	spoil(o);
	rc = parse(o, SIZE, &im, &err);
	if (!ok(rc == want && (!text || strstr(err.text, text)), "%s", what))
		printf("#  got %d: %s\n", rc, err.text);
	if (rc == 0)
		sea_image_free(im);
}

static Elf64_Phdr *phdr(uint8_t *o, int i)
{
	return (Elf64_Phdr *)(o + sizeof(Elf64_Ehdr)) + i;
}

static void beyond_file(uint8_t *o)
{
	phdr(o, 0)->p_filesz = phdr(o, 0)->p_memsz = SIZE + 1;
}

static void more_than_memory(uint8_t *o)
{
	phdr(o, 0)->p_memsz = SIZE - 1;
}

static void wraps(uint8_t *o)
{
	phdr(o, 0)->p_vaddr = INT64_MAX - 10;
}

static void overlaps(uint8_t *o)
{
	*phdr(o, 1) = *phdr(o, 0);
	phdr(o, 1)->p_vaddr += 16;
}

static void many_headers(uint8_t *o)
{
	((Elf64_Ehdr *)o)->e_phnum = 0xffff;
}

static void far_headers(uint8_t *o)
{
	((Elf64_Ehdr *)o)->e_phoff = UINT64_MAX - 8;
}

static void huge_memory(uint8_t *o)
{
	phdr(o, 0)->p_memsz = 1ull << 60;
}

static void lying_sections(uint8_t *o)
{
	((Elf64_Ehdr *)o)->e_shnum = 40000;
	((Elf64_Ehdr *)o)->e_shoff = SIZE - 64;
	((Elf64_Ehdr *)o)->e_shentsize = sizeof(Elf64_Shdr);
}

static void no_frames(uint8_t *o)
{
	memset(o + 0x2f0, 0, 8);
}

static void other_machine(uint8_t *o)
{
	((Elf64_Ehdr *)o)->e_machine = EM_AARCH64;
}

static void relocatable(uint8_t *o)
{
	((Elf64_Ehdr *)o)->e_type = ET_REL;
}

static void test_lies(void)
{
	expect("a segment beyond the file", beyond_file, -EINVAL, "cut off");
	expect("more bytes than memory", more_than_memory, -EINVAL, "more bytes than memory");
	expect("a segment that wraps", wraps, -EINVAL, "wraps");
	expect("segments that overlap", overlaps, -EINVAL, "overlaps");
	expect("65535 program headers", many_headers, -EINVAL, "outside the file");
	expect("program headers at the end of the address space", far_headers, -EINVAL, "outside");
	expect("an exabyte of zeros costs nothing", huge_memory, 0, NULL);
	expect("section headers that lie are done without", lying_sections, 0, NULL);
	expect("no frames and no symbols", no_frames, -EINVAL, "no function is known");
	expect("another machine", other_machine, -ENOEXEC, "not for x86-64");
	expect("an object file", relocatable, -ENOEXEC, "neither a program");
}

/* What a spoiled object gives does not matter; that it ends, and soon, does. */
static unsigned try_all(bool frames)
{
	static const uint64_t values[] = { 0, 1, 0x7f, 0xff, 0x7fffffff, 0xffffffff,
		0x7fffffffffffffff, 0xffffffffffffffff, 0x1010, SIZE };
	static const unsigned widths[] = { 1, 2, 4, 8 };
	unsigned from = frames ? 0x2f0 : 0, to = frames ? FRAME + 80 : 64 + 2 * 56, n = 0;

	for (unsigned at = from; at < to; at++)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++)
			for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
				uint8_t *o = make_object();
				struct sea_image *im;
				struct err err;

				put(o + at, values[v], widths[w]);
				n++;
				if (parse(o, SIZE, &im, &err) < 0)
					continue;
				for (uint32_t i = 0; i < im->n_fdes; i++) {
					struct sea_frame_row *rows;
					uint32_t n_rows;

					if (sea_frame_rows(im, &im->fdes[i], &rows, &n_rows) == 0)
						free(rows);
				}
				sea_image_free(im);
			}
	return n;
}

static void test_everywhere(void)
{
	struct timespec a, b;
	unsigned n, cut = 0;

	clock_gettime(CLOCK_MONOTONIC, &a);
	n = try_all(false) + try_all(true);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ok(b.tv_sec - a.tv_sec < 30, "%u spoiled objects end in %ld s", n,
		(long)(b.tv_sec - a.tv_sec));
	for (size_t size = 0; size < SIZE; size++) {
		struct sea_image *im;
		struct err err = { 0 };

		/* The bytes behind the cut are gone, not only not counted. */
		uint8_t *all = make_object(), *o = xmemdup(all, size);

		free(all);
		if (parse(o, size, &im, &err) == 0)
			sea_image_free(im);
		else if (*err.text)
			cut++;
	}
	ok(cut == SIZE, "each of %u cuts is an error with a text (%u)", SIZE, cut);
}

static void huge_in_cie(uint8_t *o)
{
	static const uint8_t program[] = { 0x07, 0xfe, 0xff, 0xff, 0x3f, 0, 0 };

	memcpy(o + FRAME + 17, program, sizeof(program));
}

static void huge_in_fde(uint8_t *o)
{
	static const uint8_t program[] = { 0x07, 0xfe, 0xff, 0xff, 0x3f, 0, 0, 0, 0, 0, 0 };

	put(o + FRAME + 24, 20, 4);
	memcpy(o + FRAME + 24 + 17, program, sizeof(program));
}

static void huge_return_register(uint8_t *o)
{
	static const uint8_t cie[] = { 3, 'z', 'R', 0, 1, 0x78, 0xfe, 0xff, 0xff, 0x3f, 1, 0x1b,
		0x0c, 7, 8, 0 };

	memcpy(o + FRAME + 8, cie, sizeof(cie));
}

static void no_frame_address(uint8_t *o)
{
	memset(o + FRAME + 17, 0, 7);
}

static bool read_zero(void *arg, uint64_t addr, uint64_t *ret_word)
{
	(void)arg;
	(void)addr;
	*ret_word = 0;
	return true;
}

static void leave_frame(const char *what, void (*spoil)(uint8_t *o), int want)
{
	struct cfi_regs regs = { .known = (1u << CFI_REGS) - 1, .value[CFI_RIP] = BASE + CODE };
	struct rusage before, after;
	struct cfi *cfi = NULL;
	struct err err = { 0 };
	uint8_t *o = make_object();
	bool is_signal;
	int rc;

	spoil(o);
	getrusage(RUSAGE_SELF, &before);
	rc = cfi_open_memory(o, SIZE, &cfi, &err);
	if (rc == 0)
		rc = cfi_step(cfi, 0, true, &regs, &is_signal, read_zero, NULL);
	getrusage(RUSAGE_SELF, &after);
	is_int(rc, want, "%s", what);
	ok(after.ru_maxrss - before.ru_maxrss < 32 << 10, "costs no memory (%ld KiB)",
		after.ru_maxrss - before.ru_maxrss);
	cfi_close(cfi);
}

/* A reader that makes room for every register up to the one that is named takes gigabytes. */
static void test_huge_registers(void)
{
	leave_frame("register 134217726 in a frame's program is passed over", huge_in_fde, 0);
	leave_frame("alone in the common one it leaves no frame address", huge_in_cie, -EINVAL);
	leave_frame("as the return address it is refused", huge_return_register, -EINVAL);
	leave_frame("a program that says nothing", no_frame_address, -EINVAL);
}

int main(void)
{
	test_sound();
	test_lies();
	test_huge_registers();
	test_everywhere();
	return tap_done();
}
