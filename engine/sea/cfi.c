/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/cfi.h"

#include <elfutils/libdw.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "sea/cfi_expr.h"

/* A symbol table beyond this is not searched: a name is not worth the time. */
#define MAX_SYMBOLS (2u << 20)

struct cfi {
	Elf *elf;
	Dwarf_CFI *frames; /* NULL: none */
	void *data;	   /* of an object in memory */
};

static int open_elf(Elf *elf, void *data, struct cfi **ret_cfi, struct err *err)
{
	GElf_Ehdr head;
	struct cfi *cfi;

	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &head) ||
		head.e_machine != EM_X86_64 || head.e_ident[EI_CLASS] != ELFCLASS64) {
		elf_end(elf);
		free(data);
		return err_set(err, ENOEXEC, "not an ELF object for x86-64");
	}
	cfi = xzalloc(sizeof(*cfi));
	cfi->elf = elf;
	cfi->data = data;
	cfi->frames = dwarf_getcfi_elf(elf);
	*ret_cfi = cfi;
	return 0;
}

int cfi_open(int fd, struct cfi **ret_cfi, struct err *err)
{
	struct stat st;

	/* A FIFO or a device at a mapped file's path must not be read from. */
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "fstat");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ENOEXEC, "not a regular file");
	elf_version(EV_CURRENT);
	return open_elf(elf_begin(fd, ELF_C_READ, NULL), NULL, ret_cfi, err);
}

int cfi_open_memory(void *data, size_t size, struct cfi **ret_cfi, struct err *err)
{
	elf_version(EV_CURRENT);
	return open_elf(elf_memory(data, size), data, ret_cfi, err);
}

void cfi_close(struct cfi *cfi)
{
	if (!cfi)
		return;
	if (cfi->frames)
		dwarf_cfi_end(cfi->frames);
	elf_end(cfi->elf);
	free(cfi->data);
	free(cfi);
}

bool cfi_address_of_offset(const struct cfi *cfi, uint64_t offset, uint64_t *ret_addr)
{
	size_t n;

	if (elf_getphdrnum(cfi->elf, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;
		uint64_t slack;

		if (!gelf_getphdr(cfi->elf, i, &ph) || ph.p_type != PT_LOAD)
			continue;
		/* Segments are mapped from the beginning of their first page. */
		slack = ph.p_offset & 4095;
		if (offset < ph.p_offset - slack ||
			offset - (ph.p_offset - slack) >= ph.p_filesz + slack)
			continue;
		*ret_addr = ph.p_vaddr - slack + (offset - (ph.p_offset - slack));
		return true;
	}
	return false;
}

/* The caller's value of register @reg. Returns 0, or -errno; a value that is lost is no error. */
static int restore(Dwarf_Frame *frame, int reg, const struct cfi_expr *env, struct cfi_regs *caller)
{
	Dwarf_Op room[3], *ops;
	size_t n;
	int rc;

	if (dwarf_frame_register(frame, reg, room, &ops, &n) < 0)
		return -EINVAL;
	caller->saved_at[reg] = 0;
	if (n == 0 && ops == room)
		return 0; /* undefined */
	if (n == 0) {
		caller->value[reg] = env->regs->value[reg];
		caller->saved_at[reg] = env->regs->saved_at[reg];
		caller->known |= env->regs->known & 1u << reg;
		return 0;
	}
	rc = cfi_expr_location(env, ops, n, &caller->value[reg], &caller->saved_at[reg]);
	/* A register that cannot be had is only lost; without the return address we cannot go on.
	 */
	if (rc < 0)
		return reg == CFI_RIP ? rc : 0;
	caller->known |= 1u << reg;
	return 0;
}

static int step_frame(Dwarf_Frame *frame, struct cfi_regs *regs, cfi_read_fn *read, void *arg)
{
	struct cfi_expr env = { .regs = regs, .read = read, .arg = arg };
	struct cfi_regs caller = { 0 };
	Dwarf_Op *ops;
	size_t n;
	int rc;

	if (dwarf_frame_cfa(frame, &ops, &n) < 0 || n == 0)
		return -EINVAL;
	rc = cfi_expr_value(&env, ops, n, &env.cfa);
	if (rc < 0)
		return rc;
	env.has_cfa = true;
	for (int reg = 0; reg < CFI_REGS; reg++) {
		rc = restore(frame, reg, &env, &caller);
		if (rc < 0)
			return rc;
	}
	/* The stack pointer is the CFA by definition, unless a rule says otherwise (signal frames).
	 */
	if (caller.value[CFI_RSP] == regs->value[CFI_RSP] || !(caller.known & 1u << CFI_RSP)) {
		caller.value[CFI_RSP] = env.cfa;
		caller.saved_at[CFI_RSP] = 0;
		caller.known |= 1u << CFI_RSP;
	}
	if (!(caller.known & 1u << CFI_RIP))
		return -ENOENT;
	*regs = caller;
	return 0;
}

int cfi_step(struct cfi *cfi, uint64_t bias, bool exact_pc, struct cfi_regs *regs, bool *ret_signal,
	cfi_read_fn *read, void *arg)
{
	uint64_t pc = regs->value[CFI_RIP] - bias;
	Dwarf_Frame *frame;
	bool signal = false;
	int rc;

	if (!cfi->frames || dwarf_cfi_addrframe(cfi->frames, exact_pc ? pc : pc - 1, &frame) < 0)
		return -ENODATA;
	if (dwarf_frame_info(frame, NULL, NULL, &signal) != CFI_RIP)
		rc = -EINVAL;
	else
		rc = step_frame(frame, regs, read, arg);
	free(frame);
	if (rc == 0)
		*ret_signal = signal;
	return rc;
}

struct nearest {
	uint64_t addr; /* looked for */
	uint64_t start;
	const char *name;
};

static void search_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *head, struct nearest *best)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t n;

	if (!data || head->sh_entsize != sizeof(Elf64_Sym))
		return;
	n = head->sh_size / head->sh_entsize;
	for (size_t i = 1; i < n && i < MAX_SYMBOLS; i++) {
		GElf_Sym sym;
		const char *name;

		if (!gelf_getsym(data, i, &sym))
			return;
		if (sym.st_shndx == SHN_UNDEF || sym.st_value > best->addr ||
			(GELF_ST_TYPE(sym.st_info) != STT_FUNC &&
				GELF_ST_TYPE(sym.st_info) != STT_GNU_IFUNC) ||
			(sym.st_size && best->addr - sym.st_value >= sym.st_size) ||
			(best->name && sym.st_value <= best->start))
			continue;
		name = elf_strptr(elf, head->sh_link, sym.st_name);
		if (!name || !*name)
			continue;
		best->start = sym.st_value;
		best->name = name;
	}
}

bool cfi_symbol(struct cfi *cfi, uint64_t addr, const char **ret_name, uint64_t *ret_offset)
{
	struct nearest best = { .addr = addr };
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(cfi->elf, section))) {
		GElf_Shdr head;

		if (gelf_getshdr(section, &head) &&
			(head.sh_type == SHT_SYMTAB || head.sh_type == SHT_DYNSYM))
			search_table(cfi->elf, section, &head, &best);
	}
	if (!best.name)
		return false;
	*ret_name = best.name;
	*ret_offset = addr - best.start;
	return true;
}
