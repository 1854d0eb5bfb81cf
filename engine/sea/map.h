/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map file: what the analyser knows of two versions of a program, for whoever repairs a
 * running one. docs/map-format.md describes it for readers in other languages.
 *
 * All numbers are little-endian, all tables are arrays of fixed-size records at offsets that are
 * multiples of 8, so that a mapped file can be used as it is. sea_map_open() and sea_map_parse()
 * check every bound, index and order before they hand a map out: a reader of an opened map needs
 * no checks of its own. Addresses are those of the ELF files; a running object adds its load
 * address. Strings are offsets into one table; 0 is the empty string.
 */
#ifndef MX_SEA_MAP_H
#define MX_SEA_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SEA_MAP_MAGIC	"MXSEAMAP"
#define SEA_MAP_VERSION 1
/* Raised with every change of what the analysis finds: maps in a cache are of no use then. */
#define SEA_ANALYSIS_VERSION 10
#define SEA_MAP_MAX	     (1u << 30)
#define SEA_MAP_NONE	     UINT32_MAX

struct sea_map_table {
	uint64_t off;	/* from the start of the file */
	uint32_t count; /* records */
	uint32_t size;	/* of one record */
};

struct sea_map_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size;
	uint64_t file_size;
	uint8_t checksum[32]; /* SHA-256 of the file with this field zero */
	struct sea_map_table objects;
	struct sea_map_table strings; /* records of one byte */
};

enum sea_object_state {
	SEA_O_IDENTICAL = 1, /* the same bytes: every address is its own peer */
	SEA_O_ANALYSED,
	SEA_O_REFUSED,	 /* could not be analysed; `reason` says why */
	SEA_O_UNRELATED, /* not two versions of one program; `reason` says why */
	SEA_O_ONLY_OLD,
	SEA_O_ONLY_NEW,
};

/* Tables of one pair of objects. */
enum sea_map_tables {
	SEA_T_FUNCS_OLD, /* sea_map_func, by address */
	SEA_T_FUNCS_NEW,
	SEA_T_DATA,	   /* sea_map_data, by old address, not overlapping */
	SEA_T_DATA_BY_NEW, /* the same records, by new address */
	SEA_T_SITES,	   /* sea_map_site, by old address */
	SEA_T_SITES_BY_NEW,
	SEA_T_OPERANDS_OLD, /* sea_map_operand; a function names its run of them */
	SEA_T_OPERANDS_NEW,
	SEA_T_COPIES_OLD, /* sea_map_copy, by address */
	SEA_T_COPIES_NEW,
	SEA_T_SLOTS_OLD, /* sea_map_slot, by address */
	SEA_T_SLOTS_NEW,
	SEA_T_CONFLICTS, /* sea_map_conflict */
	SEA_T_TYPES,	 /* sea_map_type */
	SEA_T_COUNT,
};

enum {
	SEA_OF_PROGRAM = 1, /* has an interpreter, or is linked at fixed addresses */
	SEA_OF_FIXED = 2,   /* not position-independent */
	SEA_OF_NAMES = 4,   /* both sides had symbols of local functions */
	SEA_OF_TYPES = 8,   /* both sides had debug information, and it was compared */
};

struct sea_map_object {
	uint32_t path[2]; /* strings: as given, or relative to the roots */
	uint32_t state;	  /* enum sea_object_state */
	uint32_t flags;
	uint32_t reason; /* string */
	uint32_t notes;	 /* string: lines for people */
	uint32_t id_len[2];
	uint8_t id[2][32];  /* build-ids */
	uint8_t sha[2][32]; /* SHA-256 of the files */
	struct sea_map_table table[SEA_T_COUNT];
};

enum sea_verdict {
	SEA_V_IDENTICAL = 1, /* the same code that refers to the same things */
	SEA_V_CONSTANTS,     /* the same instructions, other constants or literals */
	SEA_V_CHANGED,
	SEA_V_ALONE, /* no partner is known */
};

enum {
	SEA_FF_FRAGMENT = 1,  /* the cold part of `parent` */
	SEA_FF_AMBIGUOUS = 2, /* alone because no partner stood out, not because there is none */
	SEA_FF_PATCHABLE = 4, /* a five-byte jump fits at the entry, and nothing jumps into it */
	SEA_FF_ADDRESS = 8,   /* its address is stored somewhere */
	SEA_FF_EXPORTED = 16,
	SEA_FF_REFUSED = 32,	/* must not be injected; `refusal` says why */
	SEA_FF_EXCEPTIONS = 64, /* has a language-specific area (C++) */
};

struct sea_map_func {
	uint64_t addr;
	uint32_t size;
	uint32_t name;	 /* string, may be empty */
	uint32_t peer;	 /* index in the other side's table, or SEA_MAP_NONE */
	uint32_t parent; /* of a fragment: index in this table, or SEA_MAP_NONE */
	uint32_t flags;
	uint32_t refusal;	      /* string */
	uint32_t operand, n_operands; /* in this side's operands; for functions to inject */
	uint8_t verdict;	      /* enum sea_verdict */
	uint8_t evidence;   /* how the pair was found: enum sea_evidence, see sea_evidence_text() */
	uint8_t confidence; /* 0..100 */
	uint8_t similarity; /* 0..100 */
	uint32_t room;	    /* bytes from the entry to the next function: what a patch may use */
};

enum {
	SEA_D_WRITABLE = 1,
	SEA_D_NAMED = 2,   /* by symbols */
	SEA_D_SEEN = 4,	   /* by operands of matched instructions */
	SEA_D_INITIAL = 8, /* the initial contents differ */
	SEA_D_BSS = 16,
};

struct sea_map_data {
	uint64_t old_addr, new_addr, size;
	uint32_t flags;
	uint32_t name; /* string */
};

enum {
	SEA_S_SAFE = 1, /* its function is identical in both versions */
	SEA_S_FRAME =
		2, /* the frames at the two addresses are alike: the address may be rewritten */
};

struct sea_map_site {
	uint64_t old_ret, new_ret; /* return addresses; never 0 */
	uint32_t old_func, new_func;
	uint32_t flags;
	uint32_t callee; /* string: import or function, may be empty */
};

enum sea_operand_class {
	SEA_C_SELF =
		1,  /* inside the function itself, or its fragment or parent: goes to the copy */
	SEA_C_FUNC, /* a call or jump to an unchanged function: to `peer` */
	SEA_C_INJECTED, /* a call or jump to a function that is injected too: to its copy */
	SEA_C_ADDRESS,	/* the address of a function: `peer`; 0: it has no entry there, its copy */
	SEA_C_IMPORT,	/* a call or jump to an import: `peer` is the stub; 0: `slot` is its word */
	SEA_C_SLOT,	/* a word of the global offset table: `peer` */
	SEA_C_DATA,	/* writable data: `peer` */
	SEA_C_LITERAL,	/* read-only data that the other version has too: `peer` */
	SEA_C_COPY,	/* data that only this version has: to the copy */
	SEA_C_TLS,	/* thread-local at the same offset: stays */
	SEA_C_UNKNOWN,	/* not resolved: the function is refused */
};

struct sea_map_operand {
	uint64_t target; /* in this version; of TLS the offset */
	uint64_t peer;	 /* in the other version, or 0 */
	uint64_t slot;	 /* of an import: the other version's word for it, or 0 */
	uint32_t off;	 /* of the field, from the function's entry */
	uint32_t next;	 /* of the next instruction: what a relative field counts from */
	uint8_t klass;	 /* enum sea_operand_class */
	uint8_t width;	 /* of the field in bytes */
	uint8_t relative;
	uint8_t pad[5];
};

enum {
	SEA_CF_WRITABLE = 1,
	SEA_CF_ZERO = 2,  /* no bytes in the file */
	SEA_CF_TABLE = 4, /* a jump table */
};

struct sea_map_copy {
	uint64_t addr, size;
	uint32_t align;
	uint32_t flags;
};

struct sea_map_slot {
	uint64_t addr;	 /* of the word, in a copy */
	uint64_t target; /* in this version; 0 for an import */
	uint64_t peer;	 /* in the other version, or 0 */
	uint8_t klass;	 /* enum sea_operand_class */
	uint8_t width;	 /* 8: an address; 4: a distance from `base` */
	uint8_t pad[6];
	uint64_t base;
};

struct sea_map_conflict {
	uint64_t lo[2], hi[2];
	uint32_t reason; /* string */
	uint32_t pad;
};

struct sea_map_type {
	uint64_t size[2];
	uint32_t name, what; /* strings */
};

/* An open map. Read-only; pointers into it live as long as it does. */
struct sea_map {
	const uint8_t *base;
	size_t size;
	bool mapped; /* by mmap, else from malloc */
};

/* Opens and checks the file at @path. -EINVAL: damaged; -ENOTSUP: another version. */
MUST_CHECK int sea_map_open(const char *path, struct sea_map **ret, struct err *err);
/* The same for bytes in memory, 8-aligned; takes over @data (malloc'ed) whatever happens. */
MUST_CHECK int sea_map_parse(uint8_t *data, size_t size, struct sea_map **ret, struct err *err);
void sea_map_close(struct sea_map *map);

uint32_t sea_map_count(const struct sea_map *map);
const struct sea_map_object *sea_map_object(const struct sea_map *map, uint32_t i);
const char *sea_map_string(const struct sea_map *map, uint32_t off);
/* The records of one table of one object; *@ret_n is their number. */
const void *sea_map_records(const struct sea_map *map, const struct sea_map_object *o,
	enum sea_map_tables table, uint32_t *ret_n);

/* The pair whose old (@side 0) or new (1) file has this build-id or, with @len 32, this SHA-256. */
const struct sea_map_object *sea_map_find(
	const struct sea_map *map, int side, const uint8_t *id, size_t len);

/* The function of @side that holds @addr, or NULL. */
const struct sea_map_func *sea_map_func_of(
	const struct sea_map *map, const struct sea_map_object *o, int side, uint64_t addr);
/* Where the data byte at @addr of @side is in the other version. */
bool sea_map_data_peer(const struct sea_map *map, const struct sea_map_object *o, int side,
	uint64_t addr, uint64_t *ret);
/* The call site that returns to @addr of @side, or NULL. */
const struct sea_map_site *sea_map_site_of(
	const struct sea_map *map, const struct sea_map_object *o, int side, uint64_t addr);

const char *sea_evidence_text(unsigned evidence);
const char *sea_verdict_text(unsigned verdict);
const char *sea_state_text(unsigned state);
const char *sea_class_text(unsigned klass);

#endif
