/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sys.h"

#include <asm/unistd_64.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/ops.h"
/* Last: its words are short. errno.h is for sys.def. */
#include <errno.h>

#include "sys/rows.h"

static const struct sys_row table[] = {
#define CALL(nr, name, class, special, flags, ...)                                                 \
	[nr] = ROW_(#name, nr, class, special, flags, SYS_CLOEXEC_NEVER, 0, 0, NULL, __VA_ARGS__),
#define OPENS(nr, name, special, flags, arg, bit, ...)                                             \
	[nr] = ROW_(#name, nr, SHARED, special, (flags) | NEWFD, arg, bit, 0, NULL, __VA_ARGS__),
#define PAIRS(nr, name, flags, arg, bit, ...)                                                      \
	[nr] = ROW_(#name, nr, SHARED, NONE, flags, arg, bit, 0, NULL, __VA_ARGS__),
#define MANY(nr, name, what, ...)                                                                  \
	[nr] = ROW_(#name, nr, UNSUPPORTED, NONE, 0, SYS_CLOEXEC_NEVER, 0, 0, what, __VA_ARGS__),
#define LACKS(nr, name, why, ...)                                                                  \
	[nr] = ROW_(#name, nr, UNSUPPORTED, NONE, 0, SYS_CLOEXEC_NEVER, 0, 0, why, __VA_ARGS__),
#define REFUSES(nr, name, code, why, ...)                                                          \
	[nr] = ROW_(#name, nr, REFUSED, NONE, 0, SYS_CLOEXEC_NEVER, 0, code, why, __VA_ARGS__),
#include "sys/sys.def"
};

/*
 * Calls whose arguments change what they are without naming an operation. An argument that the
 * kernel does not look at holds whatever the register held: it must not be compared.
 */
static const struct sys_row open_plain = ROW_("open", __NR_open, SHARED, OPEN, BLOCKS | NEWFD, 1,
	COE, 0, NULL, PATH(pathname), FLAGS(flags, open));
static const struct sys_row openat_plain = ROW_("openat", __NR_openat, SHARED, OPEN, BLOCKS | NEWFD,
	2, COE, 0, NULL, DIRFD(dirfd), PATH(pathname), FLAGS(flags, open));
static const struct sys_row mq_open_plain = ROW_("mq_open", __NR_mq_open, SHARED, NONE, NEWFD,
	SYS_CLOEXEC_ALWAYS, 0, 0, NULL, STR(name), FLAGS(oflag, open));
static const struct sys_row mmap_anonymous =
	ROW_("mmap", __NR_mmap, MIRRORED, MMAP, ADDRRES, SYS_CLOEXEC_NEVER, 0, 0, NULL, ADDR(addr),
		SIZE(length), FLAGS(prot, prot), FLAGS(flags, mmap), IGN(fd), IGN(offset));
static const struct sys_row prlimit_get =
	ROW_("prlimit64", __NR_prlimit64, SHARED, NONE, 0, SYS_CLOEXEC_NEVER, 0, 0, NULL, PID(pid),
		ENUM(resource, rlimit), PTR(new_limit), OUT_T(old_limit, rlimit));
static const struct sys_row signalfd_change = ROW_("signalfd", __NR_signalfd, SHARED, NONE, 0,
	SYS_CLOEXEC_NEVER, 0, 0, NULL, FD(fd), SIGSET(mask), SIZE(sizemask));
static const struct sys_row signalfd4_change =
	ROW_("signalfd4", __NR_signalfd4, SHARED, NONE, 0, SYS_CLOEXEC_NEVER, 0, 0, NULL, FD(fd),
		SIGSET(mask), SIZE(sizemask), FLAGS(flags, signalfd));
static const struct sys_row landlock_ask =
	ROW_("landlock_create_ruleset", __NR_landlock_create_ruleset, SHARED, NONE, 0,
		SYS_CLOEXEC_NEVER, 0, 0, NULL, PTR(attr), SIZE(size), HEX(flags));

static bool has_mode(uint64_t open_flags)
{
	return (open_flags & O_CREAT) || (open_flags & O_TMPFILE) == O_TMPFILE;
}

const struct sys_row *sys_resolve(uint64_t nr, const uint64_t args[6])
{
	const struct sys_row *row, *op;

	if (nr >= sizeof(table) / sizeof(table[0]))
		return NULL;
	row = &table[nr];
	if (!row->name)
		return NULL;
	switch (nr) {
	case __NR_open:
		return has_mode(args[1]) ? row : &open_plain;
	case __NR_openat:
		return has_mode(args[2]) ? row : &openat_plain;
	case __NR_mq_open:
		return args[1] & O_CREAT ? row : &mq_open_plain;
	case __NR_mmap:
		return args[3] & MAP_ANONYMOUS ? &mmap_anonymous : row;
	case __NR_prlimit64:
		return args[2] ? row : &prlimit_get;
	case __NR_signalfd:
		return (int32_t)args[0] == -1 ? row : &signalfd_change;
	case __NR_signalfd4:
		return (int32_t)args[0] == -1 ? row : &signalfd4_change;
	case __NR_landlock_create_ruleset:
		return args[2] ? &landlock_ask : row;
	}
	op = sys_ops_find(nr, args);
	return op ? op : row;
}

uint32_t sys_max(void)
{
	return sizeof(table) / sizeof(table[0]) - 1;
}

const struct sys_row *sys_row(uint32_t nr)
{
	return nr < sizeof(table) / sizeof(table[0]) && table[nr].name ? &table[nr] : NULL;
}

void sys_each_operation(void (*fn)(const struct sys_row *row, void *arg), void *arg)
{
	struct sys_ops ops;

	for (size_t i = 0; sys_ops_table(i, &ops); i++)
		for (size_t k = 0; k < ops.count; k++)
			fn(&ops.rows[k], arg);
}

const char *sys_class_name(enum sys_class class)
{
	static const char *const names[] = {
		[SYS_UNSUPPORTED] = "unsupported",
		[SYS_LOCAL] = "local",
		[SYS_MIRRORED] = "mirrored",
		[SYS_SHARED] = "shared",
		[SYS_PROCESS] = "process",
		[SYS_REFUSED] = "refused",
	};

	return class < sizeof(names) / sizeof(names[0]) ? names[class] : "?";
}

uint64_t sys_arg_value(const struct sys_row *row, int i, const uint64_t args[6])
{
	switch (row->args[i].kind) {
	case ARG_INT:
	case ARG_FD:
	case ARG_DIRFD:
	case ARG_PID:
	case ARG_TID:
	case ARG_SIG:
		return (int64_t)(int32_t)args[i];
	case ARG_UINT:
	case ARG_OCT:
	case ARG_FLAGS:
	case ARG_ENUM:
		return (uint32_t)args[i];
	}
	return args[i];
}

/* A count of elements; one below zero is refused by the kernel. */
static uint64_t count_of(const struct sys_row *row, int i, const uint64_t args[6])
{
	uint64_t n = sys_arg_value(row, i, args);

	return row->args[i].kind == ARG_INT && (int64_t)n < 0 ? 0 : n;
}

uint64_t sys_arg_bytes(
	const struct sys_row *row, int i, const uint64_t args[6], uint32_t word, int64_t result)
{
	const struct sys_arg *arg = &row->args[i];
	uint64_t size = arg->size ? arg->size : 1, n = 0;

	switch (arg->len) {
	case LEN_FIXED:
		return arg->size;
	case LEN_ARG:
		n = count_of(row, arg->from, args);
		break;
	case LEN_RESULT:
		n = result > 0 ? (uint64_t)result : 0;
		if (arg->from >= 0 && n > count_of(row, arg->from, args))
			n = count_of(row, arg->from, args);
		break;
	case LEN_PTR:
	case LEN_SELF:
		n = word;
		break;
	default:
		return 0;
	}
	if (n > (UINT32_MAX - arg->head) / size)
		return UINT32_MAX;
	return arg->head + n * size;
}

void sys_mask_input(const struct sys_arg *arg, void *buf, size_t len)
{
	size_t element = len;
	uint8_t *bytes = buf;

	if (!arg->words)
		return;
	if (arg->len == LEN_ARG && arg->size > 1)
		element = arg->size;
	for (size_t i = 0; i < len; i++) {
		size_t word = i % element / 4;

		if (word >= 64 || !(arg->words >> word & 1))
			bytes[i] = 0;
	}
}

bool sys_awaits_fds(uint64_t nr)
{
	switch (nr) {
	case __NR_epoll_wait:
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
	case __NR_poll:
	case __NR_ppoll:
	case __NR_select:
	case __NR_pselect6:
		return true;
	}
	return false;
}
