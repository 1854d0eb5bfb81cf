/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a tracee, by the first way that the machine allows: process_vm_readv(2), which some
 * container profiles forbid and which a change of user id ends; /proc/PID/mem, opened while the
 * address space was new, which survives both; PTRACE_PEEKDATA, word by word.
 */
#include "tracee/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "base/str.h"
#include "base/xalloc.h"

#define PAGE 4096ul

struct mm *mm_open(pid_t pid)
{
	struct mm *mm = xzalloc(sizeof(*mm));
	char path[64];

	mm->refs = 1;
	mm->no_gateway = true;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mm->fd = open(path, O_RDWR | O_CLOEXEC);
	mm->no_fd = mm->fd < 0;
	return mm;
}

struct mm *mm_get(struct mm *mm)
{
	mm->refs++;
	return mm;
}

void mm_put(struct mm *mm)
{
	if (!mm || --mm->refs)
		return;
	if (mm->fd >= 0)
		close(mm->fd);
	free(mm);
}

static ssize_t peek(struct tracee *t, uint64_t at, char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t word_at = (at + done) & ~7ul;
		size_t skip = at + done - word_at;
		size_t n = 8 - skip < len - done ? 8 - skip : len - done;
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, t->tid, word_at, 0);
		if (errno == ESRCH)
			return -ESRCH;
		if (errno)
			return done ? (ssize_t)done : -EFAULT;
		memcpy(buf + done, (char *)&word + skip, n);
		done += n;
	}
	return done;
}

static ssize_t poke(struct tracee *t, uint64_t at, const char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t word_at = (at + done) & ~7ul;
		size_t skip = at + done - word_at;
		size_t n = 8 - skip < len - done ? 8 - skip : len - done;
		long word = 0;

		errno = 0;
		if (n < 8)
			word = ptrace(PTRACE_PEEKDATA, t->tid, word_at, 0);
		if (!errno) {
			memcpy((char *)&word + skip, buf + done, n);
			ptrace(PTRACE_POKEDATA, t->tid, word_at, word);
		}
		if (errno)
			return errno == ESRCH ? -ESRCH : done ? (ssize_t)done : -EFAULT;
		done += n;
	}
	return done;
}

/* One attempt by the best way; may be short at a page that is not there. */
static ssize_t transfer(struct tracee *t, uint64_t at, void *buf, size_t len, bool to_tracee)
{
	struct mm *mm = t->mm;
	ssize_t n;

	if (!mm->no_vm) {
		struct iovec local = { buf, len }, remote = { (void *)at, len };

		n = to_tracee ? process_vm_writev(t->tid, &local, 1, &remote, 1, 0)
			      : process_vm_readv(t->tid, &local, 1, &remote, 1, 0);
		if (n >= 0)
			return n;
		if (errno == ESRCH || errno == EFAULT)
			return -errno;
		mm->no_vm = true;
	}
	if (!mm->no_fd) {
		n = to_tracee ? pwrite(mm->fd, buf, len, at) : pread(mm->fd, buf, len, at);
		if (n > 0)
			return n;
		/* The space of an ended process reads as 0 bytes. */
		if (n == 0)
			return -ESRCH;
		if (errno == EIO || errno == EFAULT)
			return -EFAULT;
		mm->no_fd = true;
	}
	return to_tracee ? poke(t, at, buf, len) : peek(t, at, buf, len);
}

static int transfer_all(struct tracee *t, uint64_t at, char *buf, size_t len, bool to_tracee)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = transfer(t, at + done, buf + done, len - done, to_tracee);

		if (n < 0)
			return n;
		if (n == 0)
			return -EFAULT;
		done += n;
	}
	return 0;
}

int tracee_read(struct tracee *t, struct raddr at, void *buf, size_t len)
{
	return transfer_all(t, at.addr, buf, len, false);
}

int tracee_write(struct tracee *t, struct raddr at, const void *buf, size_t len)
{
	return transfer_all(t, at.addr, (char *)buf, len, true);
}

size_t tracee_read_some(struct tracee *t, struct raddr at, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t page_left = PAGE - ((at.addr + done) & (PAGE - 1));
		size_t n = page_left < len - done ? page_left : len - done;

		if (tracee_read(t, raddr(at.addr + done), (char *)buf + done, n) < 0)
			break;
		done += n;
	}
	return done;
}

int tracee_read_str(struct tracee *t, struct raddr at, size_t max, struct str *out)
{
	size_t start = out->len;

	for (;;) {
		size_t done = out->len - start;
		size_t n = PAGE - ((at.addr + done) & (PAGE - 1));
		char *end, *buf;
		int rc;

		if (n > 256)
			n = 256;
		buf = str_reserve(out, n);
		rc = tracee_read(t, raddr(at.addr + done), buf, n);
		if (rc < 0)
			return rc;
		end = memchr(buf, '\0', n);
		out->len += end ? (size_t)(end - buf) : n;
		out->data[out->len] = '\0';
		if (end)
			return 0;
		if (out->len - start > max)
			return -ENAMETOOLONG;
	}
}

int tracee_poke(struct tracee *t, struct raddr at, const void *buf, size_t len)
{
	ssize_t n = poke(t, at.addr, buf, len);

	return n < 0 ? (int)n : (size_t)n == len ? 0 : -EFAULT;
}
