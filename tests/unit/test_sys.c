/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls: complete, consistent, and resolved to the right row. */
#include <asm/unistd_64.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/sys.h"
#include "tap.h"

/* The numbers and names of the kernel's own header, as the compiler sees them. */
static void test_header(void)
{
	FILE *f = popen("echo '#include <asm/unistd_64.h>' | cc -E -dM - | "
			"sed -n 's/^#define __NR_\\([a-z_0-9]*\\) \\([0-9]*\\)$/\\1 \\2/p'",
		"r");
	char name[64];
	unsigned nr, count = 0, wrong = 0;

	while (f && fscanf(f, "%63s %u", name, &nr) == 2) {
		const struct sys_row *row = sys_row(nr);

		count++;
		if (row && strcmp(row->name, name) == 0 && row->nr == nr)
			continue;
		wrong++;
		printf("# %u is %s, the table has %s\n", nr, name, row ? row->name : "nothing");
	}
	if (f)
		pclose(f);
	ok(count > 350, "the header has %u calls", count);
	is_int(wrong, 0, "each has a row of its name and number");
}

static const char *arg_fault(const struct sys_row *row, int i)
{
	const struct sys_arg *arg = &row->args[i];
	bool in_args = arg->from >= 0 && arg->from < row->nargs && arg->from != i;

	if (arg->kind == ARG_NONE || arg->kind > ARG_IFCONF)
		return "kind";
	if (!arg->name || !*arg->name)
		return "name";
	if ((arg->kind == ARG_FLAGS || arg->kind == ARG_ENUM) && !arg->print)
		return "no names";
	if (arg->words && arg->kind != ARG_IN && arg->kind != ARG_INOUT)
		return "words";
	if (arg->when && arg->kind != ARG_OUT && arg->kind != ARG_INOUT)
		return "when";
	switch (arg->len) {
	case LEN_NONE:
		return arg->kind == ARG_IN || arg->kind == ARG_OUT || arg->kind == ARG_INOUT
			       ? "no length"
			       : NULL;
	case LEN_FIXED:
		return arg->size ? NULL : "size 0";
	case LEN_ARG:
		return !in_args ? "from" : arg->size || arg->kind == ARG_FDSET ? NULL : "size 0";
	case LEN_PTR:
		if (!in_args)
			return "from";
		switch (row->args[arg->from].kind) {
		case ARG_SOCKLEN:
		case ARG_INOUT:
			return NULL;
		}
		return "a length behind what is no length";
	case LEN_RESULT:
		return arg->from == -1 || in_args ? (arg->size ? NULL : "size 0") : "from";
	case LEN_SELF:
		return arg->from >= 0 && arg->size ? NULL : "from";
	}
	return "len";
}

static const char *row_fault(const struct sys_row *row)
{
	if (row->nargs > 6)
		return "nargs";
	if ((row->class == SYS_REFUSED) != (row->refusal > 0))
		return "refusal";
	if ((row->class == SYS_REFUSED || row->class == SYS_UNSUPPORTED) != (row->reason != NULL))
		return "reason";
	if (row->flags & SYS_FREE && row->class != SYS_LOCAL)
		return "free, not local";
	if (row->flags & SYS_SAME_RESULT && row->class != SYS_MIRRORED)
		return "same result, not mirrored";
	if (row->flags & SYS_NEWFD && row->class != SYS_SHARED && row->class != SYS_MIRRORED)
		return "new descriptor";
	if (row->cloexec_arg >= row->nargs || row->cloexec_arg < SYS_CLOEXEC_HOW)
		return "cloexec_arg";
	if ((row->cloexec_arg >= 0 || row->cloexec_arg == SYS_CLOEXEC_HOW) != (row->cloexec != 0))
		return "cloexec";
	/* A local call is not looked at: nothing may be copied for it. */
	for (int i = 0; i < row->nargs; i++) {
		const char *fault = arg_fault(row, i);

		if (fault)
			return fault;
		if (row->class == SYS_LOCAL && row->args[i].len != LEN_NONE)
			return "a buffer of a local call";
	}
	return NULL;
}

struct faults {
	unsigned rows, bad;
};

static void check_row(const struct sys_row *row, void *arg)
{
	struct faults *faults = arg;
	const char *fault = row_fault(row);

	faults->rows++;
	if (!fault)
		return;
	faults->bad++;
	printf("# %s: %s\n", row->name, fault);
}

static void test_rows(void)
{
	struct faults faults = { 0 };
	unsigned supported = 0;

	for (uint32_t nr = 0; nr <= sys_max(); nr++) {
		const struct sys_row *row = sys_row(nr);

		if (!row)
			continue;
		check_row(row, &faults);
		supported += row->class != SYS_UNSUPPORTED && row->class != SYS_REFUSED;
		if (row->nr != nr)
			faults.bad++;
	}
	is_int(faults.bad, 0, "%u calls: arguments and flags make sense", faults.rows);
	ok(supported > 310, "%u calls are supported as a whole", supported);
	faults = (struct faults){ 0 };
	sys_each_operation(check_row, &faults);
	ok(faults.rows > 400, "there are %u operations", faults.rows);
	is_int(faults.bad, 0, "their arguments and flags make sense");
	ok(!sys_row(335) && !sys_row(423) && !sys_row(sys_max() + 1), "holes have no row");
}

static const struct sys_row *resolve(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t args[6] = { a, b, c, d, 0, 0 };

	return sys_resolve(nr, args);
}

static void is_row(const struct sys_row *row, const char *name, enum sys_class class)
{
	is_str(row ? row->name : "(none)", name, "%s", name);
	if (row)
		is_str(sys_class_name(row->class), sys_class_name(class), "%s: class", name);
}

static void test_resolve(void)
{
	const uint64_t garbage = 0xdeadbeef00000000;
	const struct sys_row *row;

	is_row(resolve(__NR_ioctl, 0, TCGETS, 0, 0), "ioctl(TCGETS)", SYS_SHARED);
	is_row(resolve(__NR_ioctl, 0, garbage | TCGETS, 0, 0), "ioctl(TCGETS)", SYS_SHARED);
	is_row(resolve(__NR_ioctl, 0, FIOCLEX, 0, 0), "ioctl(FIOCLEX)", SYS_MIRRORED);
	is_row(resolve(__NR_ioctl, 0, 0xabcdef, 0, 0), "ioctl", SYS_UNSUPPORTED);
	is_row(resolve(__NR_ioctl, 0, 0x80ff4506, 0, 0), "ioctl(EVIOCGNAME)", SYS_SHARED);
	is_row(resolve(__NR_fcntl, 0, F_DUPFD_CLOEXEC, 0, 0), "fcntl(F_DUPFD_CLOEXEC)",
		SYS_MIRRORED);
	is_row(resolve(__NR_fcntl, 0, F_SETFL, 0, 0), "fcntl(F_SETFL)", SYS_SHARED);
	is_row(resolve(__NR_fcntl, 0, 999, 0, 0), "fcntl", SYS_UNSUPPORTED);
	is_row(resolve(__NR_futex, 0, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME,
		       0, 0),
		"futex(FUTEX_WAIT_BITSET)", SYS_SHARED);
	is_row(resolve(__NR_prctl, PR_SET_NAME, 0, 0, 0), "prctl(PR_SET_NAME)", SYS_MIRRORED);
	is_row(resolve(__NR_prctl, PR_SET_SECCOMP, 0, 0, 0), "prctl(PR_SET_SECCOMP)", SYS_REFUSED);
	is_row(resolve(__NR_arch_prctl, 0x1002, 0, 0, 0), "arch_prctl(ARCH_SET_FS)", SYS_LOCAL);
	is_row(resolve(__NR_setsockopt, 3, SOL_SOCKET, SO_ATTACH_FILTER, 0),
		"setsockopt(SO_ATTACH_FILTER)", SYS_SHARED);
	is_row(resolve(__NR_setsockopt, 3, SOL_SOCKET, SO_REUSEADDR, 0), "setsockopt", SYS_SHARED);
	is_row(resolve(__NR_setsockopt, 3, 6, SO_ATTACH_FILTER, 0), "setsockopt", SYS_SHARED);
	is_row(resolve(__NR_getsockopt, 3, SOL_SOCKET, 77, 0), "getsockopt(SO_PEERPIDFD)",
		SYS_UNSUPPORTED);
	is_row(resolve(__NR_quotactl, 0x800007ull << 8 | 1, 0, 0, 0), "quotactl(Q_GETQUOTA)",
		SYS_SHARED);
	is_row(resolve(__NR_prlimit64, 0, 7, 0, 4096), "prlimit64", SYS_SHARED);
	is_row(resolve(__NR_prlimit64, 0, 7, 4096, 0), "prlimit64", SYS_MIRRORED);
	ok(!resolve(10000, 0, 0, 0, 0) && !resolve(UINT64_MAX, 0, 0, 0, 0) &&
			!resolve(400, 0, 0, 0, 0),
		"numbers without a call have no row");

	row = resolve(__NR_openat, AT_FDCWD, 0, O_RDONLY, garbage);
	is_int(row->nargs, 3, "a mode that is not looked at is no argument");
	row = resolve(__NR_openat, AT_FDCWD, 0, O_RDWR | O_TMPFILE, 0600);
	is_int(row->nargs, 4, "O_TMPFILE has a mode");
	is_int(resolve(__NR_openat, AT_FDCWD, 0, O_DIRECTORY, 0)->nargs, 3, "O_DIRECTORY has none");
	row = resolve(__NR_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
	is_int(row->args[4].kind, ARG_IGNORED,
		"mmap without a file does not look at the descriptor");
	row = resolve(__NR_signalfd4, 0xffffffff, 0, 0, 0);
	ok(row->flags & SYS_NEWFD, "signalfd4(-1) makes a descriptor");
	row = resolve(__NR_signalfd4, 5, 0, 0, 0);
	ok(!(row->flags & SYS_NEWFD), "signalfd4(5) makes none");
	row = resolve(__NR_landlock_create_ruleset, 0, 0, 1, 0);
	ok(!(row->flags & SYS_NEWFD),
		"landlock_create_ruleset makes none when asked for its version");
}

static void test_network_sizes(void)
{
	is_int(resolve(__NR_ioctl, 0, SIOCGIFADDR, 0, 0)->args[2].size, sizeof(struct ifreq),
		"ifreq");
	is_int(resolve(__NR_ioctl, 0, SIOCSIFADDR, 0, 0)->args[2].size, sizeof(struct ifreq),
		"ifreq");
	is_int(resolve(__NR_ioctl, 0, SIOCGARP, 0, 0)->args[2].size, sizeof(struct arpreq),
		"arpreq");
	is_int(sys_row(__NR_sendmsg)->args[1].size, sizeof(struct msghdr), "msghdr");
	is_int(sys_row(__NR_sendmmsg)->args[1].size, sizeof(struct mmsghdr), "mmsghdr");
}

static void test_bytes(void)
{
	const uint64_t many[6] = { 1, 0, (uint64_t)-1, 0xffffffffull, 0xabcd00000007ull, 3 };
	const struct sys_row *row = sys_row(__NR_read);

	is_int(sys_arg_bytes(row, 1, ((uint64_t[6]){ 0, 0, 10 }), 0, 7), 7, "read: the result");
	is_int(sys_arg_bytes(row, 1, ((uint64_t[6]){ 0, 0, 5 }), 0, 7), 5,
		"never more than asked for");
	is_int(sys_arg_bytes(row, 1, many, 0, -5), 0, "nothing after an error");
	is_int(sys_arg_bytes(sys_row(__NR_write), 1, many, 0, 0), UINT32_MAX,
		"too much is UINT32_MAX");
	is_int(sys_arg_bytes(sys_row(__NR_setsockopt), 3, many, 0, 0), 7, "a 32-bit length");
	is_int(sys_arg_bytes(sys_row(__NR_setsockopt), 3, ((uint64_t[6]){ [4] = -1u }), 0, 0), 0,
		"a length below zero");
	is_int(sys_arg_bytes(sys_row(__NR_msgsnd), 1, ((uint64_t[6]){ 0, 0, 5 }), 0, 0), 13,
		"msgsnd: the type comes before the text");
	is_int(sys_arg_bytes(sys_row(__NR_semop), 1, ((uint64_t[6]){ 0, 0, 2 }), 0, 0), 12,
		"2 sembufs");
	is_int(sys_arg_bytes(sys_row(__NR_name_to_handle_at), 2, many, 8, 0), 16, "a file handle");
	is_int(sys_arg_bytes(sys_row(__NR_getsockname), 1, many, 16, 0), 16,
		"a length behind a pointer");
}

static void test_mask(void)
{
	const struct sys_arg *lock = &resolve(__NR_fcntl, 0, F_SETLK, 0, 0)->args[2];
	const struct sys_arg *pairs = &sys_row(__NR_futex_waitv)->args[0];
	struct flock a, b;
	uint8_t two[48];

	memset(&a, 0xaa, sizeof(a));
	memset(&b, 0x55, sizeof(b));
	a.l_type = b.l_type = F_WRLCK;
	a.l_whence = b.l_whence = SEEK_SET;
	a.l_start = b.l_start = 5;
	a.l_len = b.l_len = 7;
	sys_mask_input(lock, &a, sizeof(a));
	sys_mask_input(lock, &b, sizeof(b));
	ok(memcmp(&a, &b, sizeof(a)) == 0, "padding and l_pid of a lock are not compared");
	ok(a.l_start == 5 && a.l_len == 7 && a.l_type == F_WRLCK, "the rest of it is");
	b.l_len = 8;
	sys_mask_input(lock, &b, sizeof(b));
	ok(memcmp(&a, &b, sizeof(a)) != 0, "another length is seen");

	memset(two, 0xff, sizeof(two));
	sys_mask_input(pairs, two, sizeof(two));
	ok(two[0] && two[7] && !two[8] && !two[15] && two[16] && !two[20], "in the first element");
	ok(two[24] && two[31] && !two[32] && !two[39] && two[40] && !two[44],
		"in the second as well");
}

int main(void)
{
	test_header();
	test_rows();
	test_resolve();
	test_network_sizes();
	test_bytes();
	test_mask();
	return tap_done();
}
