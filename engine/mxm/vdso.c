/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/vdso.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"

/* The engine's own is the same image; the kernel made it. */
static uint64_t offset_of(const char *name)
{
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)image;
	const Elf64_Shdr *sections;

	if (!image || !ehdr->e_shoff)
		return 0;
	sections = (const Elf64_Shdr *)(image + ehdr->e_shoff);
	for (int i = 0; i < ehdr->e_shnum; i++) {
		const Elf64_Sym *syms = (const Elf64_Sym *)(image + sections[i].sh_offset);
		const char *strings = (const char *)image;

		if (sections[i].sh_type != SHT_DYNSYM || sections[i].sh_link >= ehdr->e_shnum)
			continue;
		strings += sections[sections[i].sh_link].sh_offset;
		for (uint64_t k = 0; k < sections[i].sh_size / sizeof(*syms); k++) {
			if (strcmp(strings + syms[k].st_name, name) == 0)
				return syms[k].st_value;
		}
	}
	return 0;
}

static uint64_t base_of(pid_t pid)
{
	cleanup_str struct str text = STR_INIT;
	char path[64], *line, *rest;
	unsigned long begin;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	if (io_read_file(path, 4u << 20, &text, NULL) < 0 || !text.len)
		return 0;
	for (line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (strstr(line, " [vdso]") && sscanf(line, "%lx-", &begin) == 1)
			return begin;
	}
	return 0;
}

void vdso_functions(
	pid_t pid, uint64_t *ret_clock_gettime, uint64_t *ret_gettimeofday, uint64_t *ret_time)
{
	uint64_t base = base_of(pid);
	const struct {
		const char *name;
		uint64_t *ret;
	} wanted[] = { { "__vdso_clock_gettime", ret_clock_gettime },
		{ "__vdso_gettimeofday", ret_gettimeofday }, { "__vdso_time", ret_time } };

	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		uint64_t offset = base ? offset_of(wanted[i].name) : 0;

		*wanted[i].ret = offset ? base + offset : 0;
	}
}
