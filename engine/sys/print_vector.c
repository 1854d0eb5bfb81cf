/* SPDX-License-Identifier: Apache-2.0 */
/* Printing of arrays and of structs that point to more memory. */
#include "sys/print.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

void print_strings(const struct printer *p, uint64_t addr)
{
	uint64_t at;

	if (!print_fetch(p, addr, &at, sizeof(at))) {
		print_addr(p->out, addr);
		return;
	}
	str_putc(p->out, '[');
	for (int i = 0; at; i++) {
		if (i)
			str_puts(p->out, ", ");
		if (i == PRINT_ITEMS) {
			str_puts(p->out, "...");
			break;
		}
		print_string(p, at, PRINT_BYTES);
		addr += sizeof(at);
		if (!print_fetch(p, addr, &at, sizeof(at)))
			break;
	}
	str_putc(p->out, ']');
}

/* Of @bytes in all, the rest of the buffers was not filled. */
void print_iovec(const struct printer *p, uint64_t addr, uint64_t count, uint64_t bytes)
{
	struct iovec iov;

	if (!count || !print_fetch(p, addr, &iov, sizeof(iov))) {
		if (addr && !count)
			str_puts(p->out, "[]");
		else
			print_addr(p->out, addr);
		return;
	}
	str_putc(p->out, '[');
	for (uint64_t i = 0; i < count; i++) {
		uint64_t len;

		if (i)
			str_puts(p->out, ", ");
		if (i == PRINT_ITEMS ||
			!print_fetch(p, addr + i * sizeof(iov), &iov, sizeof(iov))) {
			str_puts(p->out, "...");
			break;
		}
		len = iov.iov_len < bytes ? iov.iov_len : bytes;
		str_puts(p->out, "{iov_base=");
		print_bytes(p, (uintptr_t)iov.iov_base, len);
		str_printf(p->out, ", iov_len=%zu}", iov.iov_len);
		bytes -= len;
	}
	str_putc(p->out, ']');
}

static void print_header(const struct printer *p, const struct msghdr *m, uint64_t bytes)
{
	str_puts(p->out, "{msg_name=");
	print_sockaddr(p, (uintptr_t)m->msg_name, m->msg_namelen);
	str_printf(p->out, ", msg_namelen=%u, msg_iov=", m->msg_namelen);
	print_iovec(p, (uintptr_t)m->msg_iov, m->msg_iovlen, bytes);
	str_printf(p->out, ", msg_iovlen=%zu", m->msg_iovlen);
	if (m->msg_controllen) {
		str_puts(p->out, ", msg_control=");
		print_bytes(p, (uintptr_t)m->msg_control, m->msg_controllen);
	}
	str_printf(p->out, ", msg_controllen=%zu, msg_flags=", m->msg_controllen);
	sys_print_names(p->out, &sys_names_msg, (uint32_t)m->msg_flags);
	str_putc(p->out, '}');
}

void print_message(const struct printer *p, uint64_t addr, bool out, uint64_t bytes)
{
	struct msghdr m;

	if (!print_fetch(p, addr, &m, sizeof(m)))
		print_addr(p->out, addr);
	else
		print_header(p, &m, bytes);
}

void print_messages(const struct printer *p, uint64_t addr, uint64_t count, bool out)
{
	struct mmsghdr m;

	if (!addr || !print_fetch(p, addr, &m, count ? sizeof(m) : 0)) {
		print_addr(p->out, addr);
		return;
	}
	str_putc(p->out, '[');
	for (uint64_t i = 0; i < count; i++) {
		if (i)
			str_puts(p->out, ", ");
		if (i == PRINT_ITEMS || !print_fetch(p, addr + i * sizeof(m), &m, sizeof(m))) {
			str_puts(p->out, "...");
			break;
		}
		str_puts(p->out, "{msg_hdr=");
		print_header(p, &m.msg_hdr, out ? m.msg_len : UINT64_MAX);
		if (out || (p->result && *p->result >= 0))
			str_printf(p->out, ", msg_len=%u", m.msg_len);
		str_putc(p->out, '}');
	}
	str_putc(p->out, ']');
}

void print_sockaddr(const struct printer *p, uint64_t addr, uint64_t len)
{
	uint8_t buf[sizeof(struct sockaddr_storage)];

	if (len > sizeof(buf))
		len = sizeof(buf);
	if (!len || !print_fetch(p, addr, buf, len))
		print_addr(p->out, addr);
	else
		show_sockaddr(p->out, buf, len);
}

void print_polls(const struct printer *p, uint64_t addr, uint64_t count)
{
	struct pollfd fd;

	if (!addr || (count && !print_fetch(p, addr, &fd, sizeof(fd)))) {
		print_addr(p->out, addr);
		return;
	}
	str_putc(p->out, '[');
	for (uint64_t i = 0; i < count; i++) {
		if (i)
			str_puts(p->out, ", ");
		if (i == PRINT_ITEMS || !print_fetch(p, addr + i * sizeof(fd), &fd, sizeof(fd))) {
			str_puts(p->out, "...");
			break;
		}
		str_printf(p->out, "{fd=%d, events=", fd.fd);
		sys_print_names(p->out, &sys_names_poll, (uint16_t)fd.events);
		if (p->result && *p->result > 0 && fd.revents) {
			str_puts(p->out, ", revents=");
			sys_print_names(p->out, &sys_names_poll, (uint16_t)fd.revents);
		}
		str_putc(p->out, '}');
	}
	str_putc(p->out, ']');
}

void print_fdset(const struct printer *p, uint64_t addr, uint64_t bits)
{
	uint64_t words[16] = { 0 }; /* 1024 descriptors, what an fd_set has */
	bool any = false;

	if ((int32_t)bits < 0)
		bits = 0;
	if (bits > sizeof(words) * 8)
		bits = sizeof(words) * 8;
	if (!addr || !print_fetch(p, addr, words, (bits + 63) / 64 * 8)) {
		print_addr(p->out, addr);
		return;
	}
	str_putc(p->out, '[');
	for (uint64_t i = 0; i < bits; i++) {
		if (!(words[i / 64] >> i % 64 & 1))
			continue;
		str_printf(p->out, "%s%" PRIu64, any ? " " : "", i);
		any = true;
	}
	str_putc(p->out, ']');
}

void print_epoll_events(const struct printer *p, uint64_t addr, uint64_t count)
{
	const bool array = p->row->nargs > 4 || p->row->args[1].kind == ARG_EPOLL_EVENTS;
	uint32_t ev[3]; /* packed on x86-64: events, data */

	if (!addr || (count && !print_fetch(p, addr, ev, sizeof(ev)))) {
		print_addr(p->out, addr);
		return;
	}
	if (array)
		str_putc(p->out, '[');
	for (uint64_t i = 0; i < count; i++) {
		if (i)
			str_puts(p->out, ", ");
		if (i == PRINT_ITEMS || !print_fetch(p, addr + i * sizeof(ev), ev, sizeof(ev))) {
			str_puts(p->out, "...");
			break;
		}
		str_puts(p->out, "{events=");
		sys_print_names(p->out, &sys_names_epoll_events, ev[0]);
		str_printf(p->out, ", data=0x%" PRIx64 "}", (uint64_t)ev[2] << 32 | ev[1]);
	}
	if (array)
		str_putc(p->out, ']');
}
