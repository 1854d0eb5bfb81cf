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

static void check_value(const char *what, uint64_t want, const uint8_t *bytes, size_t n)
{
	struct cfi_expr env = { .regs = &regs, .read = read_fake };
	struct cursor expr = { bytes, bytes + n, false };
	uint64_t got = 0;

	is_int(cfi_expr_value(&env, expr, &got), 0, "%s is valid", what);
	is_int(got, want, "%s", what);
}

static void check_failure(const char *what, int code, const uint8_t *bytes, size_t n)
{
	struct cfi_expr env = { .regs = &regs, .read = read_fake };
	struct cursor expr = { bytes, bytes + n, false };
	uint64_t got = 77;

	is_int(cfi_expr_value(&env, expr, &got), code, "%s", what);
	is_int(got, 77, "and the result is untouched");
}

#define BYTES(...)	       ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })
#define gives(want, what, ...) check_value(what, want, BYTES(__VA_ARGS__))
#define fails(code, what, ...) check_failure(what, code, BYTES(__VA_ARGS__))

static void test_values(void)
{
	regs.value[CFI_RSP] = 0x7000;
	regs.value[CFI_RIP] = 0x100c;
	gives(0x7010, "breg", DW_OP_breg7, 16);
	/* A procedure-linkage stub's rule: rsp + 8 + ((rip & 15) >= 11) << 3 */
	gives(0x7010, "the rule of a stub", DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and,
		DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus);
	gives(0x7001, "deref", DW_OP_breg7, 0, DW_OP_deref);
	gives(0x01, "deref of one byte", DW_OP_breg7, 0, DW_OP_deref_size, 1);
	gives(12, "an addition", DW_OP_lit4, DW_OP_plus_uconst, 8);
	gives(-3, "signed division", DW_OP_consts, 0x79, DW_OP_lit2, DW_OP_div);
	gives(3, "swap", DW_OP_lit2, DW_OP_lit5, DW_OP_swap, DW_OP_minus);
	/* 1 2 3 rot: 3 1 2; minus: 3 -1; mul: -3 */
	gives(-3, "rot", DW_OP_lit1, DW_OP_lit2, DW_OP_lit3, DW_OP_rot, DW_OP_minus, DW_OP_mul);
	gives(5, "a branch that is taken", DW_OP_lit5, DW_OP_lit1, DW_OP_bra, 1, 0, DW_OP_drop,
		DW_OP_nop);
	gives(-2, "a number of one byte with a sign", DW_OP_const1s, 0xfe);
	gives(0xfffe, "of two without", DW_OP_const2u, 0xfe, 0xff);
	gives(-2, "of four with one", DW_OP_const4s, 0xfe, 0xff, 0xff, 0xff);
	gives(1ull << 56, "of eight", DW_OP_const8u, 0, 0, 0, 0, 0, 0, 0, 1);
	gives(0x407000, "an address", DW_OP_addr, 0, 0x70, 0x40, 0, 0, 0, 0, 0);
	gives(0x6ff8, "a register by number", DW_OP_bregx, 7, 0x78);
}

static void test_malformed(void)
{
	fails(-EINVAL, "an empty stack", DW_OP_plus);
	fails(-EINVAL, "no result", DW_OP_nop);
	fails(-EINVAL, "a register that is not known", DW_OP_breg3, 0);
	fails(-EINVAL, "a register that there is not", DW_OP_bregx, 0x80, 0x80, 0x80, 0x80, 0x80, 1,
		0);
	fails(-EINVAL, "division by zero", DW_OP_lit1, DW_OP_lit0, DW_OP_div);
	fails(-EINVAL, "an unknown operation", DW_OP_lit1, DW_OP_lit1, 0xff);
	fails(-EFAULT, "unreadable memory", DW_OP_lit1, DW_OP_deref);
	fails(-EINVAL, "an endless loop", DW_OP_lit1, DW_OP_skip, 0xfc, 0xff);
	fails(-EINVAL, "a loop that stays", DW_OP_skip, 0xfd, 0xff);
	fails(-EINVAL, "a jump to nowhere", DW_OP_skip, 100, 0);
	fails(-EINVAL, "a jump back out of the expression", DW_OP_skip, 0xfc, 0xff);
	fails(-EINVAL, "pick below the bottom", DW_OP_lit1, DW_OP_pick, 5);
	fails(-EINVAL, "an operation that is cut off", DW_OP_lit1, DW_OP_const4u, 0, 0);
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
