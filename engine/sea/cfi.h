/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call-frame information of one ELF object, applied: from the registers of a frame to those of its
 * caller. Knows no process: memory is read by a function of the caller's.
 *
 * The object may be hostile: sections are read by libelf with its checks, an expression has a
 * bounded number of steps, and nothing is mapped, so that a file which shrinks cannot kill us.
 */
#ifndef MX_SEA_CFI_H
#define MX_SEA_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* DWARF's numbers (System V ABI, AMD64 supplement, figure 3.36). */
enum {
	CFI_RBX = 3,
	CFI_RBP = 6,
	CFI_RSP = 7,
	CFI_R12 = 12, /* to 15: a function leaves them as they were, as it does rbx and rbp */
	CFI_RIP = 16, /* the return-address column */
	CFI_REGS,
};

struct cfi_regs {
	uint64_t value[CFI_REGS];
	/* Where the value lies in memory; 0: it is still in the register, or was computed. */
	uint64_t saved_at[CFI_REGS];
	uint32_t known; /* bit N: value[N] is known */
};

/* Reads the 8 bytes at @addr; false: they cannot be read, or time is up. */
typedef bool cfi_read_fn(void *arg, uint64_t addr, uint64_t *ret_word);

struct cfi;

/*
 * Opens the object behind @fd, which stays the caller's and must stay open as long. -ENOEXEC: no
 * ELF object for x86-64. An object without .eh_frame opens: its symbols are still of use.
 */
MUST_CHECK int cfi_open(int fd, struct cfi **ret_cfi, struct err *err);

/* The same for an object in memory (the vDSO); takes over @data (malloc'ed), whatever happens. */
MUST_CHECK int cfi_open_memory(void *data, size_t size, struct cfi **ret_cfi, struct err *err);

/* @cfi may be NULL. */
void cfi_close(struct cfi *cfi);

/* The object's own address of the byte at @offset in the file, of those that are loaded. */
bool cfi_address_of_offset(const struct cfi *cfi, uint64_t offset, uint64_t *ret_addr);

/*
 * Replaces @regs by the caller's. @bias is what the loader added to the object's addresses.
 * @exact_pc: the program counter is the next instruction to run (the innermost frame, or one that a
 * signal interrupted), not the one after a call. *@ret_signal: the frame was a signal handler's
 * trampoline, so the caller's program counter is exact.
 *
 * -ENODATA: no information covers the program counter. -ENOENT: the information says that this is
 * the outermost frame. -EFAULT: memory could not be read. -EINVAL: it makes no sense.
 */
MUST_CHECK int cfi_step(struct cfi *cfi, uint64_t bias, bool exact_pc, struct cfi_regs *regs,
	bool *ret_signal, cfi_read_fn *read, void *arg);

/*
 * The function at the object's address @addr: its name, valid until cfi_close(), and the distance
 * from its start. A symbol without a size counts up to the next one. False: none is known.
 */
bool cfi_symbol(struct cfi *cfi, uint64_t addr, const char **ret_name, uint64_t *ret_offset);

#endif
