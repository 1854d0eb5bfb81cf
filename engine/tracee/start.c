/* SPDX-License-Identifier: Apache-2.0 */
/* A new program's first moments: the auxiliary vector and the breakpoint at its entry. */
#include "tracee/tracee.h"

#include <elf.h>
#include <errno.h>

#include "base/str.h"

#define AUXV_MAX 64

/* The stack at exec: argc, argv[], NULL, envp[], NULL, auxv[] (System V ABI, x86-64, 3.4.1). */
static int find_auxv(struct tracee *t, uint64_t *ret_at)
{
	struct user_regs_struct *regs = tracee_regs(t);
	uint64_t at, word;
	int rc, nulls = 0;

	if (!regs)
		return -ESRCH;
	rc = tracee_read(t, raddr(regs->rsp), &word, sizeof(word));
	if (rc < 0)
		return rc;
	at = regs->rsp + 8 + word * 8;
	while (nulls < 2) {
		uint64_t words[64];
		size_t n = tracee_read_some(t, raddr(at), words, sizeof(words)) / 8;

		if (!n)
			return -EFAULT;
		for (size_t i = 0; i < n && nulls < 2; i++, at += 8)
			nulls += words[i] == 0;
	}
	*ret_at = at;
	return 0;
}

int tracee_prepare_start(
	struct tracee *t, const uint8_t random[16], struct start *ret_start, struct err *err)
{
	Elf64_auxv_t aux[AUXV_MAX];
	struct start start = { 0 };
	uint64_t at;
	size_t n;
	int rc = find_auxv(t, &at);

	if (rc < 0)
		return err_errno(err, -rc, "cannot read the new program's stack");
	n = tracee_read_some(t, raddr(at), aux, sizeof(aux)) / sizeof(aux[0]);
	for (size_t i = 0; i < n && aux[i].a_type != AT_NULL && rc == 0; i++) {
		struct raddr entry = raddr(at + i * sizeof(aux[0]));

		switch (aux[i].a_type) {
		case AT_ENTRY:
			start.entry = aux[i].a_un.a_val;
			break;
		case AT_RANDOM:
			rc = tracee_write(t, raddr(aux[i].a_un.a_val), random, 16);
			break;
		case AT_SYSINFO_EHDR:
			aux[i].a_type = AT_IGNORE;
			rc = tracee_write(t, entry, &aux[i], sizeof(aux[i]));
			break;
		}
	}
	if (rc < 0)
		return err_errno(err, -rc, "cannot change the new program's auxiliary vector");
	if (!start.entry)
		return err_set(err, ENOEXEC, "the new program has no entry address");
	*ret_start = start;
	return 0;
}

int tracee_plant(struct tracee *t, struct raddr at, uint8_t *ret_saved)
{
	const uint8_t int3 = 0xcc;
	int rc = tracee_read(t, at, ret_saved, 1);

	return rc < 0 ? rc : tracee_poke(t, at, &int3, 1);
}

int tracee_uproot(struct tracee *t, struct raddr at, uint8_t saved)
{
	return tracee_poke(t, at, &saved, 1);
}
