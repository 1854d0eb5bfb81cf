/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ELF object in memory: what its headers, relocations, symbols, call-frame information and
 * instructions say. The file is untrusted: it is read into private memory once, every offset in it
 * is checked before it is followed, and every table that it can make us build is bounded by its
 * size. Addresses are the object's own virtual addresses.
 */
#ifndef MX_SEA_IMAGE_H
#define MX_SEA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "sea/sha256.h"

#define SEA_NONE     UINT32_MAX
#define SEA_ID_MAX   32 /* bytes of a build-id that are kept */
#define SEA_MAX_FILE (256u << 20)

/* Time for one analysis. Loops over untrusted data ask it, and give up once it is spent. */
struct sea_budget {
	uint64_t end_ns; /* CLOCK_MONOTONIC; 0 is no limit */
	bool spent;
};

void sea_budget_start(struct sea_budget *b, unsigned limit_ms);
/* True once the time is over; cheap enough for a loop over functions. */
bool sea_budget_spent(struct sea_budget *b);

struct sea_segment {
	uint64_t addr, memsz, off, filesz;
	uint32_t flags; /* PF_* */
	bool mixed;	/* executable, with sections in it that are no code */
};

struct sea_section {
	const char *name;
	uint64_t addr, off, size, flags;
	uint32_t type, link;
	uint64_t entsize;
};

struct sea_reloc {
	uint64_t addr;
	int64_t addend;
	uint32_t type; /* R_X86_64_* */
	uint32_t sym;  /* index of the dynamic symbol, 0 for none */
};

struct sea_sym {
	const char *name;
	const char *file; /* of a local symbol: the source file before it, or NULL */
	uint64_t addr, size;
	uint8_t type, bind;
	bool defined;
};

enum {
	SEA_F_SYMBOL = 1,    /* a symbol names it */
	SEA_F_FDE = 2,	     /* call-frame information covers it */
	SEA_F_FOUND = 4,     /* found by a reference alone */
	SEA_F_FRAGMENT = 8,  /* the cold part of another function */
	SEA_F_PARTIAL = 16,  /* holds bytes that are no instruction */
	SEA_F_INDIRECT = 32, /* jumps through a register that no known table feeds */
	SEA_F_EXPORTED = 64, /* in .dynsym */
	SEA_F_ADDRESS = 128, /* its address is taken, by code or by a relocated word */
	SEA_F_LSDA = 256,    /* its frame has a language-specific area (C++ exceptions) */
};

struct sea_insn {
	uint32_t off;	/* from the function's start */
	uint32_t exact; /* hash of the bytes, references masked */
	uint32_t shape; /* hash of operation and operands, without constants */
	int32_t disp;	/* of a memory operand that is not a reference */
	int32_t imm;
	uint32_t ref;  /* in sea_image.refs, or SEA_NONE */
	uint16_t base; /* base register of the memory operand (capstone's number), or 0 */
	uint16_t reg;  /* register of the first operand, or 0 */
	uint16_t from; /* register of the second, or 0 */
	uint16_t mem_size;
	uint16_t index; /* index register of the memory operand, or 0 */
	uint16_t id;	/* capstone's instruction number */
	uint8_t len;
	uint8_t kind;	/* enum sea_insn_kind */
	uint8_t writes; /* the first operand is a register that is written */
	uint8_t imm_off;
	uint8_t scale; /* of the index */
};

enum sea_insn_kind {
	SEA_I_PLAIN,
	SEA_I_CALL, /* direct */
	SEA_I_CALL_INDIRECT,
	SEA_I_JUMP,
	SEA_I_BRANCH, /* conditional */
	SEA_I_JUMP_INDIRECT,
	SEA_I_RETURN,
	SEA_I_PADDING, /* nop */
	SEA_I_BAD,
};

enum sea_ref_kind {
	SEA_R_CALL, /* rel32 of a call */
	SEA_R_JUMP, /* rel8/rel32 of a jump that leaves the function */
	SEA_R_LEA,  /* address taken, RIP-relative */
	SEA_R_READ, /* memory operand, RIP-relative */
	SEA_R_WRITE,
	SEA_R_ABS, /* a constant that may be an absolute address (non-PIE) */
	SEA_R_TLS, /* %fs:constant */
};

struct sea_ref {
	uint64_t target; /* of TLS: the offset, sign-extended */
	uint32_t insn;	 /* in sea_image.insns */
	uint32_t func;
	uint16_t access; /* bytes read or written, 0 where not known */
	uint8_t kind;	 /* enum sea_ref_kind */
	uint8_t off;	 /* of the field in the instruction */
	uint8_t width;	 /* 0: where the field is, is not known */
};

struct sea_func {
	uint64_t addr, size;
	const char *name; /* or NULL */
	const char *file; /* source file of a local symbol, or NULL */
	uint32_t flags;
	uint32_t fde; /* in sea_image.fdes, or SEA_NONE */
	uint32_t insn, n_insn;
	uint32_t ref, n_ref;
	uint32_t parent;  /* of a fragment, or SEA_NONE */
	uint64_t exact;	  /* hash of the instructions, references masked */
	uint64_t context; /* the same with imports and literals */
};

/* The bytes of .eh_frame. */
struct sea_frames {
	const uint8_t *bytes; /* NULL: there are none */
	uint64_t addr;
	size_t len;
};

struct sea_fde {
	uint64_t addr, size;
	uint32_t cie_at, prog_at, prog_len; /* in the bytes of .eh_frame */
	bool has_lsda;
};

struct sea_image {
	char *path;
	uint8_t *data;
	size_t size;
	uint8_t sha[SHA256_LEN];
	uint8_t id[SEA_ID_MAX];
	uint32_t id_len;
	bool is_pie;	 /* ET_DYN: every address is relative to the load address */
	bool is_program; /* has an interpreter or is ET_EXEC */
	uint64_t entry;
	uint64_t lo, hi; /* the loaded range */
	const char *soname;

	struct sea_segment *segs;
	uint32_t n_segs;
	uint64_t relro_lo, relro_hi;
	uint64_t tls_addr, tls_filesz, tls_memsz, tls_align;
	struct sea_section *sects;
	uint32_t n_sects;
	uint32_t *loaded; /* the sections that are in memory at run time: indexes */
	uint32_t n_loaded;
	struct sea_reloc *relocs; /* sorted by address */
	uint32_t n_relocs;
	struct sea_sym *dynsyms; /* by symbol index */
	uint32_t n_dynsyms;
	struct sea_sym *syms; /* .symtab, debug file, .gnu_debugdata */
	uint32_t n_syms;
	bool has_symtab; /* local functions have names */
	struct sea_frames frames;
	struct sea_fde *fdes; /* sorted by address */
	uint32_t n_fdes;
	struct sea_func *funcs; /* sorted by address, not overlapping */
	uint32_t n_funcs;
	struct sea_insn *insns;
	uint32_t n_insns;
	struct sea_ref *refs;
	uint32_t n_refs;
	uint64_t *ref_targets; /* every target outside code, sorted, once each */
	uint32_t n_ref_targets;

	struct sea_image *names; /* another object that lent its symbols (kept for the strings) */
	uint8_t *spare;		 /* its bytes, where they were unpacked */
	struct str notes;	 /* for people: what was not usable, one line each */
};

/* What may be used besides the file itself. */
struct sea_load_opts {
	const char *debug_root; /* where <root>/.build-id/xx/yyy.debug lie, or NULL for none */
	bool no_symbols;	/* act as if the file were stripped */
	bool no_exports;	/* and as if exported functions had no names */
	struct sea_budget *budget;
};

/* The bytes of a regular file, malloc'ed, followed by a NUL. -ENOEXEC: not a regular file. */
MUST_CHECK int sea_file_read(const char *path, uint8_t **ret, size_t *ret_size, struct err *err);

/*
 * Reads the object at @path and everything that this header describes. -ENOEXEC: not an ELF object
 * for x86-64; -EINVAL: damaged; -EFBIG, -ETIME: over a limit.
 */
MUST_CHECK int sea_image_load(const char *path, const struct sea_load_opts *opts,
	struct sea_image **ret, struct err *err);
/* The same from memory; takes over @data (malloc'ed) whatever happens. */
MUST_CHECK int sea_image_parse(const char *path, uint8_t *data, size_t size,
	const struct sea_load_opts *opts, struct sea_image **ret, struct err *err);
void sea_image_free(struct sea_image *im);

/* Headers, relocations and symbols only: for pairing files, and for debug files. */
MUST_CHECK int sea_image_headers(
	const char *path, uint8_t *data, size_t size, struct sea_image **ret, struct err *err);

/* The bytes at an address that the file initialises: at least @len of them, or NULL. */
const uint8_t *sea_bytes(const struct sea_image *im, uint64_t addr, size_t len);
/* How many initialised bytes follow @addr in its segment (0: none). */
uint64_t sea_bytes_after(const struct sea_image *im, uint64_t addr);
/* The segment that holds @addr, or NULL. */
const struct sea_segment *sea_segment_of(const struct sea_image *im, uint64_t addr);
/* The section that holds @addr when loaded, or NULL. */
const struct sea_section *sea_section_of(const struct sea_image *im, uint64_t addr);
const struct sea_section *sea_section_named(const struct sea_image *im, const char *name);

enum sea_place {
	SEA_P_NONE, /* outside the object */
	SEA_P_CODE,
	SEA_P_RODATA, /* never written, no relocations */
	SEA_P_RELRO,  /* written by the loader only */
	SEA_P_GOT,
	SEA_P_DATA,
	SEA_P_BSS,
};
enum sea_place sea_place_of(const struct sea_image *im, uint64_t addr);

/* The relocation of the word at @addr, or NULL. */
const struct sea_reloc *sea_reloc_at(const struct sea_image *im, uint64_t addr);
/* Index of the first relocation at or after @addr. */
uint32_t sea_reloc_first(const struct sea_image *im, uint64_t addr);
/* The address that a relocated word will hold, where that is inside the object; else false. */
bool sea_reloc_target(const struct sea_image *im, const struct sea_reloc *r, uint64_t *ret);
/*
 * The same for the word at @addr, which is known to hold an address: in a program at fixed
 * addresses no relocation tells of it.
 */
bool sea_word_target(const struct sea_image *im, uint64_t addr, uint64_t *ret);
/* The name of what a relocation takes from another object, or NULL. */
const char *sea_reloc_import(const struct sea_image *im, const struct sea_reloc *r);
/* The symbol that the procedure-linkage stub at @addr jumps to, or NULL; its word to @ret_slot. */
const char *sea_stub_import(const struct sea_image *im, uint64_t addr, uint64_t *ret_slot);
/* Where the stub at @addr leads to an indirect function: the function that chooses. */
bool sea_stub_resolver(const struct sea_image *im, uint64_t addr, uint64_t *ret);

/* Index of the function that holds @addr, or that starts there; SEA_NONE for none. */
uint32_t sea_func_of(const struct sea_image *im, uint64_t addr);
uint32_t sea_func_at(const struct sea_image *im, uint64_t addr);
/* The instruction of @f at or around offset @off, or SEA_NONE. */
uint32_t sea_insn_at(const struct sea_image *im, const struct sea_func *f, uint32_t off);
/* Where the direct jump @insn leads, as an offset in its function @f; SEA_NONE: it is none, or
 * leaves. */
uint32_t sea_jump_inside(const struct sea_image *im, const struct sea_func *f, uint32_t insn);
/* The first target of any reference after @addr, or the end of its segment. */
uint64_t sea_next_target(const struct sea_image *im, uint64_t addr);
/* A printable string of at least one character, terminated, at @addr; its length, or 0. */
size_t sea_string_at(const struct sea_image *im, uint64_t addr);

/* Steps of sea_image_parse(), in this order. */
MUST_CHECK int sea_read_dynamic(struct sea_image *im, struct err *err);
MUST_CHECK int sea_read_symbols(
	struct sea_image *im, const struct sea_load_opts *opts, struct err *err);
MUST_CHECK int sea_read_frames(struct sea_image *im, struct sea_budget *b, struct err *err);
MUST_CHECK int sea_find_functions(
	struct sea_image *im, const struct sea_load_opts *opts, struct err *err);
MUST_CHECK int sea_disassemble(struct sea_image *im, struct sea_budget *b, struct err *err);

/* Appends symbols of the table in section @table to @im, with strings from @from's data. */
MUST_CHECK int sea_add_symtab(struct sea_image *im, const struct sea_image *from,
	const struct sea_section *table, struct err *err);

/* One rule of call-frame information, in force from @addr on. */
struct sea_frame_row {
	uint64_t addr;
	uint16_t cfa_reg; /* DWARF number; 0xffff: an expression */
	int64_t cfa_off;
	uint64_t saved; /* hash of which registers are saved where */
};

/* Rows of the frame @fde, sorted; malloc'ed. A program that cannot be followed gives -EINVAL. */
MUST_CHECK int sea_frame_rows(const struct sea_image *im, const struct sea_fde *fde,
	struct sea_frame_row **ret_rows, uint32_t *ret_n);

/* 64-bit hash of bytes, chained by @seed. Not for secrets. */
uint64_t sea_hash(uint64_t seed, const void *data, size_t len);

#endif
