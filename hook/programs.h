/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and checking the program that a version will start, inside its own root. */
#ifndef MX_HOOK_PROGRAMS_H
#define MX_HOOK_PROGRAMS_H

#include <stdint.h>

#include "base/err.h"
#include "oci/plan.h"

#define PROGRAM_PATH_MAX 4096

struct program {
	char *path; /* in the version's root; of the interpreter where a script was named */
	int fd;	    /* open for reading */
};

void program_free(struct program *p);
#define cleanup_program __attribute__((cleanup(program_free)))

/*
 * Looks @name up as execvp(3) would in @root with the plan's PATH and working directory, follows
 * "#!" lines, and checks that what is found is an ELF program for this machine whose interpreter
 * is there, too. The errors have the words that container engines look for: "executable file
 * `x` not found in $PATH" and "permission denied".
 */
MUST_CHECK int program_find(int root, const struct plan *plan, const char *name,
	struct program *ret_program, struct err *err);

/* ELF checks of an open file. *@ret_interp is NULL for a static program; the caller frees it. */
MUST_CHECK int elf_check(int fd, const char *path, char **ret_interp, struct err *err);

/* Opens a regular file below @root for reading. */
MUST_CHECK int library_open(int root, const char *path, int *ret_fd, struct err *err);

/* Reads exactly @len bytes at @at; a file that ends before is a damaged one (-ENOEXEC). */
MUST_CHECK int elf_read(
	int fd, const char *path, void *data, size_t len, uint64_t at, struct err *err);

#define NEEDED_MAX	128
#define NEEDED_NAME_MAX 256

struct needed {
	char *name[NEEDED_MAX];
	size_t n;
};

/* The libraries that an object names (DT_NEEDED), at most NEEDED_MAX of them. */
MUST_CHECK int elf_needed(int fd, const char *path, struct needed *ret_needed, struct err *err);
void needed_free(struct needed *needed);

#endif
