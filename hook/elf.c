/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "hook/programs.h"

#define PHDRS_MAX 128

int elf_read(int fd, const char *path, void *data, size_t len, uint64_t at, struct err *err)
{
	char *to = data;

	if (at > INT64_MAX)
		return err_set(err, ENOEXEC, "%s: damaged ELF file", path);
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "%s: read", path);
		if (n == 0)
			return err_set(
				err, ENOEXEC, "%s: damaged ELF file: it ends too early", path);
		to += n;
		at += n;
		len -= n;
	}
	return 0;
}

static int check_header(const Elf64_Ehdr *eh, const char *path, struct err *err)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return err_set(err, ENOEXEC, "%s: is no ELF program", path);
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
		eh->e_machine != EM_X86_64)
		return err_set(err, ENOEXEC, "%s: is no program for x86-64", path);
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return err_set(err, ENOEXEC, "%s: is an ELF file, but no program", path);
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum == 0 || eh->e_phnum > PHDRS_MAX)
		return err_set(err, ENOEXEC, "%s: damaged ELF file: program headers", path);
	return 0;
}

static int read_interp(
	int fd, const char *path, const Elf64_Phdr *ph, char **ret_interp, struct err *err)
{
	char text[PROGRAM_PATH_MAX];
	int rc;

	if (ph->p_filesz < 2 || ph->p_filesz > sizeof(text))
		return err_set(err, ENOEXEC, "%s: damaged ELF file: interpreter", path);
	rc = elf_read(fd, path, text, ph->p_filesz, ph->p_offset, err);
	if (rc < 0)
		return rc;
	if (text[ph->p_filesz - 1] != '\0' || text[0] != '/')
		return err_set(err, ENOEXEC, "%s: damaged ELF file: interpreter", path);
	*ret_interp = xstrdup(text);
	return 0;
}

int elf_check(int fd, const char *path, char **ret_interp, struct err *err)
{
	cleanup_free Elf64_Phdr *ph = NULL;
	cleanup_free char *interp = NULL;
	bool loads = false;
	Elf64_Ehdr eh;
	int rc = elf_read(fd, path, &eh, sizeof(eh), 0, NULL);

	if (rc == -ENOEXEC)
		return err_set(err, ENOEXEC, "%s: is no ELF program", path);
	if (rc < 0)
		return err_errno(err, -rc, "%s: read", path);
	rc = check_header(&eh, path, err);
	if (rc < 0)
		return rc;
	ph = xreallocarray(NULL, eh.e_phnum, sizeof(*ph));
	rc = elf_read(fd, path, ph, eh.e_phnum * sizeof(*ph), eh.e_phoff, err);
	for (size_t i = 0; rc == 0 && i < eh.e_phnum; i++) {
		loads = loads || ph[i].p_type == PT_LOAD;
		if (ph[i].p_type == PT_INTERP && !interp)
			rc = read_interp(fd, path, &ph[i], &interp, err);
	}
	if (rc == 0 && !loads)
		rc = err_set(err, ENOEXEC, "%s: damaged ELF file: nothing to load", path);
	if (rc == 0)
		*ret_interp = take_ptr(interp);
	return rc;
}
