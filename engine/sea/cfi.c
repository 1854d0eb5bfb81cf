/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/cfi.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "sea/cfi_expr.h"
#include "sea/frames.h"

/* A symbol table beyond this is not searched: a name is not worth the time. */
#define MAX_SYMBOLS (2u << 20)

/* An object whose frames are not known by then has none: whoever asks may hold a program up. */
#define MAX_READ_MS 1000

struct cfi {
	Elf *elf;
	struct sea_frames frames;
	struct sea_fde *fdes; /* sorted by address */
	uint32_t n_fdes;
	bool are_read; /* the frames: when they are first asked for */
	void *data;    /* of an object in memory */
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
	free(cfi->fdes);
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

/* The bytes of the section .eh_frame, which stay libelf's. */
static bool frames_of_section(Elf *elf, struct sea_frames *ret)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return false;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr head;
		const char *name;
		Elf_Data *data;

		if (!gelf_getshdr(section, &head) || !(head.sh_flags & SHF_ALLOC))
			continue;
		name = elf_strptr(elf, names, head.sh_name);
		if (!name || strcmp(name, ".eh_frame") != 0)
			continue;
		data = elf_rawdata(section, NULL);
		if (!data || !data->d_buf)
			return false;
		*ret = (struct sea_frames){ data->d_buf, head.sh_addr, data->d_size };
		return true;
	}
	return false;
}

/* The rest of the segment that holds @addr, from there on. */
static bool bytes_at(Elf *elf, uint64_t addr, struct sea_frames *ret)
{
	size_t n;

	if (elf_getphdrnum(elf, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		Elf_Data *data;
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, i, &ph) || ph.p_type != PT_LOAD || addr < ph.p_vaddr ||
			addr - ph.p_vaddr >= ph.p_filesz)
			continue;
		data = elf_getdata_rawchunk(elf, ph.p_offset + (addr - ph.p_vaddr),
			ph.p_filesz - (addr - ph.p_vaddr), ELF_T_BYTE);
		if (!data || !data->d_buf)
			return false;
		*ret = (struct sea_frames){ data->d_buf, addr, data->d_size };
		return true;
	}
	return false;
}

/* The same where no section is named: from the program headers. */
static bool frames_of_segment(Elf *elf, struct sea_frames *ret)
{
	size_t n;

	if (elf_getphdrnum(elf, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct sea_frames head;
		GElf_Phdr ph;
		uint64_t at;

		if (gelf_getphdr(elf, i, &ph) && ph.p_type == PT_GNU_EH_FRAME &&
			bytes_at(elf, ph.p_vaddr, &head) &&
			sea_frames_begin(head.bytes, head.len, head.addr, &at))
			return bytes_at(elf, at, ret);
	}
	return false;
}

static void read_frames(struct cfi *cfi)
{
	struct sea_budget budget;

	cfi->are_read = true;
	if (!frames_of_section(cfi->elf, &cfi->frames) &&
		!frames_of_segment(cfi->elf, &cfi->frames))
		return;
	sea_budget_start(&budget, MAX_READ_MS);
	if (sea_frames_list(&cfi->frames, &budget, &cfi->fdes, &cfi->n_fdes, NULL) < 0)
		cfi->n_fdes = 0;
}

static const struct sea_fde *fde_of(struct cfi *cfi, uint64_t pc)
{
	uint32_t lo = 0, hi;

	if (!cfi->are_read)
		read_frames(cfi);
	hi = cfi->n_fdes;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (cfi->fdes[mid].addr <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && pc - cfi->fdes[lo - 1].addr < cfi->fdes[lo - 1].size ? &cfi->fdes[lo - 1]
									  : NULL;
}

/* Whether a function leaves register @reg as it was, where its frame says nothing (the ABI). */
static bool is_preserved(int reg)
{
	return reg == CFI_RBX || reg == CFI_RBP || (reg >= CFI_R12 && reg < CFI_RIP);
}

/* A register whose value the frame has left in register @from. */
static void keep(const struct cfi_regs *regs, uint64_t from, struct cfi_regs *caller, int reg)
{
	if (from >= CFI_REGS || !(regs->known & 1u << from))
		return;
	caller->value[reg] = regs->value[from];
	caller->saved_at[reg] = regs->saved_at[from];
	caller->known |= 1u << reg;
}

/* The caller's value of register @reg. Returns 0, or -errno; a value that is lost is no error. */
static int restore(
	const struct sea_rule *rule, int reg, const struct cfi_expr *env, struct cfi_regs *caller)
{
	uint64_t at = 0, value;
	int rc = 0;

	switch (rule->kind) {
	case SEA_RULE_NONE:
		if (is_preserved(reg))
			keep(env->regs, reg, caller, reg);
		return 0;
	case SEA_RULE_SAME:
		keep(env->regs, reg, caller, reg);
		return 0;
	case SEA_RULE_REGISTER:
		keep(env->regs, rule->off, caller, reg);
		return 0;
	case SEA_RULE_UNDEFINED:
		return 0;
	case SEA_RULE_VALUE:
		value = env->cfa + rule->off;
		break;
	case SEA_RULE_SAVED:
		at = env->cfa + rule->off;
		rc = env->read(env->arg, at, &value) ? 0 : -EFAULT;
		break;
	case SEA_RULE_VALUE_EXPR:
		rc = cfi_expr_value(env, rule->expr, &value);
		break;
	case SEA_RULE_SAVED_EXPR:
		rc = cfi_expr_location(env, rule->expr, &value, &at);
		break;
	}
	/* A register that cannot be had is only lost; without the return address we cannot go on.
	 */
	if (rc < 0)
		return reg == CFI_RIP ? rc : 0;
	caller->value[reg] = value;
	caller->saved_at[reg] = at;
	caller->known |= 1u << reg;
	return 0;
}

static int find_cfa(const struct sea_frame_rules *rules, struct cfi_expr *env)
{
	int rc;

	if (rules->cfa_reg == CFI_REGS) {
		rc = cfi_expr_value(env, rules->cfa_expr, &env->cfa);
		if (rc < 0)
			return rc;
	} else if (env->regs->known & 1u << rules->cfa_reg) {
		env->cfa = env->regs->value[rules->cfa_reg] + rules->cfa_off;
	} else {
		return -EINVAL;
	}
	env->has_cfa = true;
	return 0;
}

static int step_frame(
	const struct sea_frame_rules *rules, struct cfi_regs *regs, cfi_read_fn *read, void *arg)
{
	struct cfi_expr env = { .regs = regs, .read = read, .arg = arg };
	struct cfi_regs caller = { 0 };
	int rc = find_cfa(rules, &env);

	for (int reg = 0; rc == 0 && reg < CFI_REGS; reg++)
		rc = restore(&rules->reg[reg], reg, &env, &caller);
	if (rc < 0)
		return rc;
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
	uint64_t pc = regs->value[CFI_RIP] - bias - !exact_pc;
	const struct sea_fde *fde = fde_of(cfi, pc);
	struct sea_frame_rules rules;
	int rc;

	if (!fde)
		return -ENODATA;
	if (!sea_frames_rules_at(&cfi->frames, fde, pc, &rules))
		return -EINVAL;
	rc = step_frame(&rules, regs, read, arg);
	if (rc == 0)
		*ret_signal = rules.is_signal;
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
