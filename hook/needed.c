/* SPDX-License-Identifier: Apache-2.0 */
/* DT_NEEDED of an ELF file that is not trusted. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/xalloc.h"
#include "hook/programs.h"

#define DYNAMIC_MAX (1u << 20)
#define PHDRS_MAX   128

void needed_free(struct needed *needed)
{
	for (size_t i = 0; i < needed->n; i++)
		free(needed->name[i]);
	needed->n = 0;
}

/* The place in the file of the byte that is loaded at @addr, or 0. */
static uint64_t file_offset(const Elf64_Phdr *ph, size_t n, uint64_t addr)
{
	for (size_t i = 0; i < n; i++) {
		if (ph[i].p_type == PT_LOAD && addr >= ph[i].p_vaddr &&
			addr - ph[i].p_vaddr < ph[i].p_filesz)
			return ph[i].p_offset + (addr - ph[i].p_vaddr);
	}
	return 0;
}

static int add_name(int fd, const char *path, uint64_t at, struct needed *needed, struct err *err)
{
	char name[NEEDED_NAME_MAX];
	ssize_t n = at ? pread(fd, name, sizeof(name) - 1, (off_t)at) : 0;

	if (n <= 0 || !memchr(name, '\0', n))
		return err_set(err, ENOEXEC, "%s: damaged ELF file: a library's name", path);
	/* A path is loaded as it is, wherever it leads: not a file of the usual folders. */
	if (name[0] && !strchr(name, '/') && needed->n < NEEDED_MAX)
		needed->name[needed->n++] = xstrdup(name);
	return 0;
}

static int read_dynamic(int fd, const char *path, const Elf64_Phdr *ph, size_t n,
	const Elf64_Phdr *dynamic, struct needed *needed, struct err *err)
{
	size_t count = dynamic->p_filesz / sizeof(Elf64_Dyn);
	cleanup_free Elf64_Dyn *dyn = NULL;
	uint64_t strings = 0;
	int rc;

	if (dynamic->p_filesz > DYNAMIC_MAX)
		return err_set(err, ENOEXEC, "%s: damaged ELF file: dynamic section", path);
	dyn = xreallocarray(NULL, count, sizeof(*dyn));
	rc = elf_read(fd, path, dyn, count * sizeof(*dyn), dynamic->p_offset, err);
	for (size_t i = 0; rc == 0 && i < count && dyn[i].d_tag != DT_NULL; i++) {
		if (dyn[i].d_tag == DT_STRTAB)
			strings = file_offset(ph, n, dyn[i].d_un.d_ptr);
	}
	for (size_t i = 0; rc == 0 && i < count && dyn[i].d_tag != DT_NULL; i++) {
		if (dyn[i].d_tag == DT_NEEDED)
			rc = add_name(
				fd, path, strings ? strings + dyn[i].d_un.d_val : 0, needed, err);
	}
	return rc;
}

int elf_needed(int fd, const char *path, struct needed *ret_needed, struct err *err)
{
	struct needed needed = { 0 };
	Elf64_Phdr ph[PHDRS_MAX];
	cleanup_free char *interp = NULL;
	Elf64_Ehdr eh;
	int rc = elf_check(fd, path, &interp, err);

	if (rc == 0)
		rc = elf_read(fd, path, &eh, sizeof(eh), 0, err);
	if (rc == 0 && eh.e_phnum > PHDRS_MAX)
		rc = err_set(err, ENOEXEC, "%s: damaged ELF file: program headers", path);
	if (rc == 0)
		rc = elf_read(fd, path, ph, eh.e_phnum * sizeof(*ph), eh.e_phoff, err);
	for (size_t i = 0; rc == 0 && i < eh.e_phnum; i++) {
		if (ph[i].p_type == PT_DYNAMIC)
			rc = read_dynamic(fd, path, ph, eh.e_phnum, &ph[i], &needed, err);
	}
	if (rc < 0) {
		needed_free(&needed);
		return rc;
	}
	*ret_needed = needed;
	return 0;
}
