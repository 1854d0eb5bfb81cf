/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and checking the program that a version will start, inside its own root. */
#ifndef MX_HOOK_PROGRAMS_H
#define MX_HOOK_PROGRAMS_H

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

#endif
