/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of call-frame information, and objects that are none. */
#include <dwarf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "sea/cfi.h"
#include "sea/cfi_expr.h"
#include "tap.h"

/* Memory where the word at A is A + 1; nothing below 4096. */
static bool read_fake(void *arg, uint64_t addr, uint64_t *ret_word)
{
	*ret_word = addr + 1;
	return addr >= 4096;
}

static struct cfi_regs regs = { .known = 1u << CFI_RSP | 1u << CFI_RIP };

static int value(const Dwarf_Op *ops, size_t n, uint64_t *ret)
{
	struct cfi_expr env = { .regs = &regs, .read = read_fake, .cfa = 9000, .has_cfa = true };

	return cfi_expr_value(&env, ops, n, ret);
}

#define OPS(...)                                                                                   \
	((Dwarf_Op[]){ __VA_ARGS__ }), sizeof((Dwarf_Op[]){ __VA_ARGS__ }) / sizeof(Dwarf_Op)

static void check_value(const char *what, uint64_t want, const Dwarf_Op *ops, size_t n)
{
	uint64_t got = 0;

	is_int(value(ops, n, &got), 0, "%s is valid", what);
	is_int(got, want, "%s", what);
}

static void check_failure(const char *what, int code, const Dwarf_Op *ops, size_t n)
{
	uint64_t got = 77;

	is_int(value(ops, n, &got), code, "%s", what);
	is_int(got, 77, "and the result is untouched");
}

#define gives(want, what, ...) check_value(what, want, OPS(__VA_ARGS__))
#define fails(code, what, ...) check_failure(what, code, OPS(__VA_ARGS__))

static void test_values(void)
{
	regs.value[CFI_RSP] = 0x7000;
	regs.value[CFI_RIP] = 0x100c;
	gives(0x7010, "breg", { DW_OP_breg7, 16, 0, 0 });
	/* A procedure-linkage stub's rule: rsp + 8 + ((rip & 15) >= 11) << 3 */
	gives(0x7010, "the rule of a stub", { .atom = DW_OP_breg7, .number = 8 },
		{ .atom = DW_OP_breg16 }, { .atom = DW_OP_lit15 }, { .atom = DW_OP_and },
		{ .atom = DW_OP_lit11 }, { .atom = DW_OP_ge }, { .atom = DW_OP_lit3 },
		{ .atom = DW_OP_shl }, { .atom = DW_OP_plus });
	gives(0x7001, "deref", { .atom = DW_OP_breg7 }, { .atom = DW_OP_deref });
	gives(0x01, "deref of one byte", { .atom = DW_OP_breg7 },
		{ .atom = DW_OP_deref_size, .number = 1 });
	gives(9008, "the frame's address", { .atom = DW_OP_call_frame_cfa },
		{ .atom = DW_OP_plus_uconst, .number = 8 });
	gives(-3, "signed division", { .atom = DW_OP_consts, .number = -7 }, { .atom = DW_OP_lit2 },
		{ .atom = DW_OP_div });
	gives(3, "swap", { .atom = DW_OP_lit2 }, { .atom = DW_OP_lit5 }, { .atom = DW_OP_swap },
		{ .atom = DW_OP_minus });
	/* 1 2 3 rot: 3 1 2; minus: 3 -1; mul: -3 */
	gives(-3, "rot", { .atom = DW_OP_lit1 }, { .atom = DW_OP_lit2 }, { .atom = DW_OP_lit3 },
		{ .atom = DW_OP_rot }, { .atom = DW_OP_minus }, { .atom = DW_OP_mul });
	gives(5, "a branch that is taken", { .atom = DW_OP_lit5, .offset = 0 },
		{ .atom = DW_OP_lit1, .offset = 1 },
		{ .atom = DW_OP_bra, .number = 1, .offset = 2 },
		{ .atom = DW_OP_drop, .offset = 5 }, { .atom = DW_OP_nop, .offset = 6 });
}

static void test_malformed(void)
{
	fails(-EINVAL, "an empty stack", { .atom = DW_OP_plus });
	fails(-EINVAL, "no result", { .atom = DW_OP_nop });
	fails(-EINVAL, "a register that is not known", { .atom = DW_OP_breg3 });
	fails(-EINVAL, "a register that there is not",
		{ .atom = DW_OP_bregx, .number = 1ull << 40 });
	fails(-EINVAL, "division by zero", { .atom = DW_OP_lit1 }, { .atom = DW_OP_lit0 },
		{ .atom = DW_OP_div });
	fails(-EINVAL, "an unknown operation", { .atom = DW_OP_lit1 }, { .atom = DW_OP_lit1 },
		{ .atom = 0xff });
	fails(-EFAULT, "unreadable memory", { .atom = DW_OP_lit1 }, { .atom = DW_OP_deref });
	fails(-EINVAL, "an endless loop", { .atom = DW_OP_lit1, .offset = 0 },
		{ .atom = DW_OP_skip, .number = -4, .offset = 1 });
	fails(-EINVAL, "a loop that stays", { .atom = DW_OP_skip, .number = -3, .offset = 0 });
	fails(-EINVAL, "a jump to nowhere", { .atom = DW_OP_skip, .number = 100, .offset = 0 });
	fails(-EINVAL, "pick below the bottom", { .atom = DW_OP_lit1 },
		{ .atom = DW_OP_pick, .number = 5 });
}

static void test_objects(void)
{
	struct cfi *cfi = NULL;
	struct err err;
	const char *name;
	uint64_t offset;
	char *self = NULL;
	struct stat st;
	int fd, rc;

	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	is_int(cfi_open(fd, &cfi, &err), -ENOEXEC, "a device is refused");
	close(fd);
	is_int(cfi_open_memory(xstrdup("not an object"), 13, &cfi, &err), -ENOEXEC, "so is text");
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	is_int(cfi_open(fd, &cfi, &err), 0, "this program is taken");
	ok(!cfi_symbol(cfi, 1, &name, &offset), "no function is at 1");
	cfi_close(cfi);

	/* Damage: whatever the bytes, only an error. */
	fstat(fd, &st);
	srandom(3);
	for (int round = 0; round < 200; round++) {
		struct cfi_regs r = { .known = (1u << CFI_REGS) - 1 };
		bool signal;

		self = xmalloc(st.st_size);
		if (pread(fd, self, st.st_size, 0) != st.st_size)
			break;
		for (int i = 0; i < 50; i++)
			self[random() % (i % 2 ? st.st_size : 4096)] = random();
		rc = cfi_open_memory(self, st.st_size, &cfi, &err);
		if (rc < 0)
			continue;
		for (int i = 0; i < 50; i++) {
			r.value[CFI_RIP] = random() % st.st_size;
			r.value[CFI_RSP] = 0x7000;
			rc = cfi_step(cfi, 0, i % 2, &r, &signal, read_fake, NULL);
			cfi_symbol(cfi, r.value[CFI_RIP], &name, &offset);
			cfi_address_of_offset(cfi, random(), &offset);
		}
		cfi_close(cfi);
	}
	ok(true, "200 damaged objects were survived");
	close(fd);
}

int main(void)
{
	test_values();
	test_malformed();
	test_objects();
	return tap_done();
}
