/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/print.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct sys_print sys_print_op = { NULL, 0, NULL };

bool print_fetch(const struct printer *p, uint64_t addr, void *buf, size_t len)
{
	return addr && p->read && p->read(p->ctx, addr, buf, len) == len;
}

void print_addr(struct str *out, uint64_t addr)
{
	if (addr)
		str_printf(out, "0x%" PRIx64, addr);
	else
		str_puts(out, "NULL");
}

void print_quoted(struct str *out, const void *bytes, size_t len, bool cut)
{
	static const char plain[] = "\n\\n\t\\t\r\\r\"\\\"\\\\\\\v\\v\f\\f";
	const uint8_t *b = bytes;

	str_putc(out, '"');
	for (size_t i = 0; i < len; i++) {
		const char *escape = NULL;

		for (size_t k = 0; k + 2 < sizeof(plain); k += 3)
			if (plain[k] == (char)b[i])
				escape = &plain[k + 1];
		if (escape)
			str_append(out, escape, 2);
		else if (b[i] >= ' ' && b[i] < 127)
			str_putc(out, (char)b[i]);
		else if (i + 1 < len && b[i + 1] >= '0' && b[i + 1] <= '9')
			str_printf(out, "\\%03o", b[i]); /* or the next digit would belong to it */
		else
			str_printf(out, "\\%o", b[i]);
	}
	str_puts(out, cut ? "\"..." : "\"");
}

void print_bytes(const struct printer *p, uint64_t addr, uint64_t len)
{
	uint8_t buf[PRINT_BYTES];
	size_t n = len < sizeof(buf) ? len : sizeof(buf);

	if (!addr || !print_fetch(p, addr, buf, n))
		print_addr(p->out, addr);
	else
		print_quoted(p->out, buf, n, len > n);
}

void print_string(const struct printer *p, uint64_t addr, size_t most)
{
	char buf[4096];
	size_t room = most < sizeof(buf) ? most + 1 : sizeof(buf), len = 0;
	const char *end = NULL;

	/* Not over the end of a page that may be the last: a short read must lose no more than it.
	 */
	while (addr && p->read && len < room && !end) {
		size_t n = 256 - (addr + len) % 256;

		n = p->read(p->ctx, addr + len, buf + len, n < room - len ? n : room - len);
		if (!n)
			break;
		end = memchr(buf + len, 0, n);
		len += n;
	}
	if (!len)
		print_addr(p->out, addr);
	else if (end)
		print_quoted(p->out, buf, end - buf, false);
	else
		print_quoted(p->out, buf, len < most ? len : most, true);
}

void sys_print_names(struct str *out, const struct sys_print *print, uint64_t value)
{
	uint64_t rest = value;
	bool any = false;

	for (size_t i = 0; i < print->count; i++) {
		const struct sys_name *name = &print->names[i];

		if (name->mask == ~0ull ? value != 0 : (rest & name->mask) != name->value)
			continue;
		/* The name of "none of these bits" is said once, and not after it was taken. */
		if (!name->value && name->mask != ~0ull && (value & name->mask))
			continue;
		str_printf(out, "%s%s", any ? "|" : "", name->name);
		rest &= ~name->mask;
		any = true;
	}
	if (rest || !any)
		str_printf(out, "%s%s%" PRIx64, any ? "|" : "", rest ? "0x" : "", rest);
}

void sys_print_choice(struct str *out, const struct sys_print *print, uint64_t value)
{
	for (size_t i = 0; i < print->count; i++) {
		if (print->names[i].value != value)
			continue;
		str_puts(out, print->names[i].name);
		return;
	}
	str_printf(out, "%d", (int32_t)value);
}

static void print_operation(const struct printer *p)
{
	const char *open = strchr(p->row->name, '(');
	size_t len = open ? strcspn(open + 1, ")") : 0;

	if (open)
		str_append(p->out, open + 1, len);
}

static void print_value(const struct printer *p, const struct sys_arg *arg, uint64_t value)
{
	struct str *out = p->out;

	switch (arg->kind) {
	case ARG_INT:
	case ARG_FD:
	case ARG_PID:
	case ARG_TID:
		str_printf(out, "%d", (int32_t)value);
		return;
	case ARG_DIRFD:
		if ((int32_t)value == AT_FDCWD)
			str_puts(out, "AT_FDCWD");
		else
			str_printf(out, "%d", (int32_t)value);
		return;
	case ARG_UINT:
		str_printf(out, "%u", (uint32_t)value);
		return;
	case ARG_LONG:
	case ARG_OFF:
		str_printf(out, "%" PRId64, (int64_t)value);
		return;
	case ARG_SIZE:
		str_printf(out, "%" PRIu64, value);
		return;
	case ARG_OCT:
		str_printf(out, (uint32_t)value ? "0%o" : "%o", (uint32_t)value);
		return;
	case ARG_SIG:
		if (!(uint32_t)value)
			str_putc(out, '0');
		else
			str_puts(out, sys_signal_name((int32_t)value));
		return;
	case ARG_IGNORED:
		if ((int32_t)value == -1) { /* mmap's descriptor without a file */
			str_puts(out, "-1");
			return;
		}
		str_printf(out, value ? "0x%" PRIx64 : "%" PRIx64, value);
		return;
	case ARG_HEX:
		str_printf(out, value ? "0x%" PRIx64 : "%" PRIx64, value);
		return;
	}
	print_addr(out, value);
}

static uint64_t shown_bytes(const struct printer *p, const struct sys_arg *arg, uint64_t addr)
{
	uint32_t word = 0;

	if (arg->len == LEN_PTR)
		addr = p->args[arg->from];
	else if (arg->len == LEN_SELF)
		addr += arg->from;
	if ((arg->len == LEN_PTR || arg->len == LEN_SELF) &&
		!print_fetch(p, addr, &word, sizeof(word)))
		return 0;
	return sys_arg_bytes(p->row, arg - p->row->args, p->args, word, p->result ? *p->result : 0);
}

static void print_buffer(const struct printer *p, const struct sys_arg *arg, uint64_t addr)
{
	uint64_t len = shown_bytes(p, arg, addr);
	uint8_t buf[512];

	if (!arg->print || !arg->print->show) {
		print_bytes(p, addr, len);
		return;
	}
	if (len > sizeof(buf) || !print_fetch(p, addr, buf, len))
		print_addr(p->out, addr);
	else
		arg->print->show(p->out, buf, len);
}

/* An out-argument is there when the call has written it. */
static bool was_written(const struct printer *p, const struct sys_arg *arg)
{
	if (!p->result)
		return false;
	if (*p->result < 0)
		return arg->when & ARG_ON_ERROR;
	return !(arg->when & ARG_NOT_ON_RESULT);
}

static void print_known(const struct printer *p, uint64_t addr, size_t len, sys_show_fn *show)
{
	uint8_t buf[256];

	if (len > sizeof(buf) || !print_fetch(p, addr, buf, len))
		print_addr(p->out, addr);
	else
		show(p->out, buf, len);
}

static void print_sigset_pack(const struct printer *p, uint64_t addr)
{
	uint64_t pack[2];

	if (!print_fetch(p, addr, pack, sizeof(pack))) {
		print_addr(p->out, addr);
		return;
	}
	str_puts(p->out, "{sigmask=");
	print_known(p, pack[0], 8, show_sigset);
	str_printf(p->out, ", sigsetsize=%" PRIu64 "}", pack[1]);
}

static void print_words(const struct printer *p, uint64_t addr, unsigned count)
{
	int32_t words[2];

	if (!print_fetch(p, addr, words, count * sizeof(words[0])))
		print_addr(p->out, addr);
	else if (count == 2)
		str_printf(p->out, "[%d, %d]", words[0], words[1]);
	else
		str_printf(p->out, "[%d]", words[0]);
}

static void print_out(const struct printer *p, const struct sys_arg *arg, uint64_t addr)
{
	uint64_t count = arg->from >= 0 && arg->from < 6 ? p->args[arg->from] : 0;
	uint64_t result = p->result && *p->result > 0 ? (uint64_t)*p->result : 0;
	uint32_t len = 0;

	if (!was_written(p, arg)) {
		print_addr(p->out, addr);
		return;
	}
	switch (arg->kind) {
	case ARG_OUT:
		print_buffer(p, arg, addr);
		return;
	case ARG_IOV_OUT:
		print_iovec(p, addr, count, result);
		return;
	case ARG_MSG_OUT:
		print_message(p, addr, true, result);
		return;
	case ARG_MMSG_OUT:
		print_messages(p, addr, result, true);
		return;
	case ARG_SOCKADDR_OUT:
		print_sockaddr(p, addr, print_fetch(p, count, &len, sizeof(len)) ? len : 0);
		return;
	case ARG_FDS_OUT:
		print_words(p, addr, 2);
		return;
	case ARG_EPOLL_EVENTS:
		print_epoll_events(p, addr, result);
		return;
	case ARG_SIGINFO:
		print_known(p, addr, 128, show_siginfo);
		return;
	}
	print_addr(p->out, addr);
}

static void print_fprog(const struct printer *p, uint64_t addr)
{
	struct {
		uint16_t len;
		uint64_t filter;
	} prog;

	if (!print_fetch(p, addr, &prog, sizeof(prog)))
		print_addr(p->out, addr);
	else
		str_printf(p->out, "{len=%u, filter=0x%" PRIx64 "}", prog.len, prog.filter);
}

static void print_pointer(const struct printer *p, const struct sys_arg *arg, uint64_t addr)
{
	uint64_t count = arg->from >= 0 && arg->from < 6 ? p->args[arg->from] : 0;

	switch (arg->kind) {
	case ARG_PATH:
		print_string(p, addr, 4095);
		return;
	case ARG_STR:
		print_string(p, addr, PRINT_BYTES);
		return;
	case ARG_STRV:
		print_strings(p, addr);
		return;
	case ARG_IN:
	case ARG_INOUT:
		print_buffer(p, arg, addr);
		return;
	case ARG_IOV_IN:
		print_iovec(p, addr, count, UINT64_MAX);
		return;
	case ARG_MSG_IN:
		print_message(p, addr, false, UINT64_MAX);
		return;
	case ARG_MMSG_IN:
		print_messages(p, addr, count, false);
		return;
	case ARG_SOCKADDR_IN:
		print_sockaddr(p, addr, (uint32_t)count);
		return;
	case ARG_SOCKLEN:
		print_words(p, addr, 1);
		return;
	case ARG_POLLFDS:
		print_polls(p, addr, (uint32_t)count);
		return;
	case ARG_FDSET:
		print_fdset(p, addr, count);
		return;
	case ARG_EPOLL_EVENT:
		print_epoll_events(p, addr, 1);
		return;
	case ARG_SIGSET:
		print_known(p, addr, 8, show_sigset);
		return;
	case ARG_SIGSET_PACK:
		print_sigset_pack(p, addr);
		return;
	case ARG_SIGEVENT:
		print_known(p, addr, 64, show_sigevent);
		return;
	case ARG_SIGACTION:
		print_known(p, addr, 32, show_sigaction);
		return;
	case ARG_FPROG:
		print_fprog(p, addr);
		return;
	case ARG_PTR:
		if (arg->print && arg->print->show)
			print_known(p, addr, 64, arg->print->show);
		else
			print_addr(p->out, addr);
		return;
	}
	print_out(p, arg, addr);
}

static void print_arg(const struct printer *p, const struct sys_arg *arg, uint64_t value)
{
	if (arg->print == &sys_print_op) {
		print_operation(p);
		return;
	}
	switch (arg->kind) {
	case ARG_FLAGS:
		sys_print_names(p->out, arg->print, (uint32_t)value);
		return;
	case ARG_ENUM:
		sys_print_choice(p->out, arg->print, (uint32_t)value);
		return;
	case ARG_NONE:
	case ARG_INT:
	case ARG_UINT:
	case ARG_LONG:
	case ARG_SIZE:
	case ARG_OFF:
	case ARG_HEX:
	case ARG_OCT:
	case ARG_FD:
	case ARG_DIRFD:
	case ARG_PID:
	case ARG_TID:
	case ARG_SIG:
	case ARG_IGNORED:
	case ARG_ADDR:
	case ARG_FUTEX:
		print_value(p, arg, value);
		return;
	}
	print_pointer(p, arg, value);
}

static void print_result(const struct printer *p)
{
	int64_t result = *p->result;

	if (result < 0 && result >= -4095) {
		int err = (int)-result;

		/* Above 511 are the kernel's own, which no program sees. */
		str_printf(p->out, " = %s %s", err < 512 ? "-1" : "?", sys_errno_name(err));
		if (err < 512)
			str_printf(
				p->out, " (%s)", strerrordesc_np(err) ? strerrordesc_np(err) : "?");
	} else if (p->row && (p->row->flags & SYS_ADDR_RESULT)) {
		str_printf(p->out, " = 0x%" PRIx64, (uint64_t)result);
	} else {
		str_printf(p->out, " = %" PRId64, result);
	}
}

void sys_print_call(struct str *out, const struct sys_row *row, uint64_t nr, const uint64_t args[6],
	const int64_t *result, sys_read_fn *read, void *ctx)
{
	struct printer p = { out, row, args, result, read, ctx };
	int count = row ? row->nargs : 6;

	if (row)
		str_append(out, row->name, strcspn(row->name, "("));
	else
		str_printf(out, "syscall_%" PRIu64, nr);
	str_putc(out, '(');
	for (int i = 0; i < count; i++) {
		if (i)
			str_puts(out, ", ");
		if (row)
			print_arg(&p, &row->args[i], args[i]);
		else
			str_printf(out, args[i] ? "0x%" PRIx64 : "%" PRIx64, args[i]);
	}
	str_putc(out, ')');
	if (result)
		print_result(&p);
}
