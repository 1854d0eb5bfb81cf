/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "rem/core_notes.h"
#include "rem/maps.h"

#define PAGE 4096ul
/* A reservation of address space (sanitizers, Go) is not worth looking through. */
#define MAP_MAX (64ull << 30)
/* /proc/PID/pagemap, see Documentation/admin-guide/mm/pagemap.rst */
#define PM_FILE	   (1ull << 61) /* page of a file or of shared memory */
#define PM_SWAPPED (1ull << 62)
#define PM_PRESENT (1ull << 63)
#define PM_BATCH   512
#define RUN_PAGES  64

/* How much of a map goes into the file. */
enum part { PART_NONE, PART_HEADER, PART_TOUCHED };

struct dump {
	const struct core_request *req;
	struct maps maps;
	int fd;
	int pagemap; /* -1: cannot be opened; then every page counts as touched */
	enum part *part;
	Elf64_Phdr *ph;	 /* one a map, after the notes' own */
	uint64_t at;	 /* where the next map's bytes go */
	uint64_t budget; /* bytes that may still be written */
	uint64_t written;
	char *buf; /* RUN_PAGES pages */
};

/* The pagemap entries of @n pages from @addr; what cannot be told counts as touched. */
static void look_up(const struct dump *d, uint64_t addr, uint64_t *entry, size_t n)
{
	ssize_t got = -1;

	if (d->pagemap >= 0)
		got = pread(d->pagemap, entry, n * 8, addr / PAGE * 8);
	for (size_t i = got < 0 ? 0 : got / 8; i < n; i++)
		entry[i] = PM_PRESENT;
}

/* Whether the process has written to its private copy of a file's map. */
static bool is_modified(const struct dump *d, const struct map *m)
{
	uint64_t entry[PM_BATCH];

	for (uint64_t addr = m->start; addr < m->end; addr += PM_BATCH * PAGE) {
		uint64_t left = (m->end - addr) / PAGE;
		size_t n = left < PM_BATCH ? left : PM_BATCH;

		look_up(d, addr, entry, n);
		for (size_t i = 0; i < n; i++)
			if (entry[i] & (PM_PRESENT | PM_SWAPPED) && !(entry[i] & PM_FILE))
				return true;
	}
	return false;
}

/* The kernel's own choice (core(5), coredump_filter 0x33): private memory, and ELF headers. */
static enum part choose(const struct dump *d, const struct map *m)
{
	char magic[SELFMAG];
	bool is_file = m->ino != 0 && !str_ends(m->path, " (deleted)");

	if (m->end - m->start > MAP_MAX || strcmp(m->path, "[vsyscall]") == 0 ||
		str_starts(m->path, "[vvar"))
		return PART_NONE;
	if (!m->read && !m->write && !m->exec && !is_file)
		return PART_NONE; /* a guard or a reservation */
	if (is_file && m->shared)
		return PART_NONE;
	if (!is_file || is_modified(d, m))
		return PART_TOUCHED;
	if (m->offset == 0 &&
		tracee_read(d->req->tracee, raddr(m->start), magic, sizeof(magic)) == 0 &&
		memcmp(magic, ELFMAG, SELFMAG) == 0)
		return PART_HEADER;
	return PART_NONE;
}

static bool is_zero(const char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Writes the pages of @buf that are not all zeros; a hole of the file reads the same. */
static int put_buffer(struct dump *d, const char *buf, size_t pages, uint64_t at, struct err *err)
{
	size_t i = 0;

	while (i < pages) {
		size_t begin, len;

		while (i < pages && is_zero(buf + i * PAGE))
			i++;
		begin = i;
		while (i < pages && !is_zero(buf + i * PAGE) && d->budget >= PAGE) {
			d->budget -= PAGE;
			i++;
		}
		len = (i - begin) * PAGE;
		if (pwrite(d->fd, buf + begin * PAGE, len, at + begin * PAGE) != (ssize_t)len)
			return err_errno(err, errno, "write core file");
		d->written += len;
		if (d->budget < PAGE)
			break;
	}
	return 0;
}

static int put_run(struct dump *d, uint64_t addr, size_t pages, uint64_t at, struct err *err)
{
	int rc = tracee_read(d->req->tracee, raddr(addr), d->buf, pages * PAGE);

	if (rc == -ESRCH)
		return err_set(err, ESRCH, "the process is gone");
	if (rc == 0)
		return put_buffer(d, d->buf, pages, at, err);
	/* Some page is not readable (beyond the end of its file, a device): it stays a hole. */
	for (size_t i = 0; i < pages; i++) {
		if (tracee_read(d->req->tracee, raddr(addr + i * PAGE), d->buf, PAGE) < 0)
			continue;
		rc = put_buffer(d, d->buf, 1, at + i * PAGE, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* How many pages from entry @i on belong in the file: 0, or a run that fits into the buffer. */
static size_t run_length(const struct map *m, const uint64_t *entry, size_t i, size_t n)
{
	size_t len = 0;

	/* A page of a file or of the vDSO that was not looked at yet is not empty. */
	while (i + len < n && len < RUN_PAGES &&
		(m->ino != 0 || strcmp(m->path, "[vdso]") == 0 ||
			entry[i + len] & (PM_PRESENT | PM_SWAPPED)))
		len++;
	return len;
}

static int put_map(struct dump *d, size_t index, struct err *err)
{
	const struct map *m = &d->maps.map[index];
	uint64_t size = d->part[index] == PART_HEADER ? PAGE : m->end - m->start, done = 0;
	uint64_t entry[PM_BATCH];

	while (done < size && d->budget >= PAGE) {
		uint64_t left = (size - done) / PAGE;
		size_t n = left < PM_BATCH ? left : PM_BATCH, i = 0;

		look_up(d, m->start + done, entry, n);
		while (i < n && d->budget >= PAGE) {
			size_t len = run_length(m, entry, i, n);
			uint64_t off = done + i * PAGE;
			int rc = len ? put_run(d, m->start + off, len, d->at + off, err) : 0;

			if (rc < 0)
				return rc;
			i += len ? len : 1;
		}
		done += i * PAGE;
	}
	/* Where the room ends the map ends too: bytes that are missing must not look like zeros. */
	d->ph[index].p_offset = d->at;
	d->ph[index].p_filesz = done;
	d->at += done;
	return 0;
}

/* Stacks come first, then the written parts of objects, from where debuggers find everything. */
static int rank(const struct dump *d, const struct map *m)
{
	for (int i = 0; i < d->req->nthreads; i++) {
		uint64_t sp = d->req->threads[i].regs.rsp;

		if (sp >= m->start && sp < m->end)
			return 0;
	}
	return (m->ino != 0 && !m->shared) || strcmp(m->path, "[vdso]") == 0 ? 1 : 2;
}

static int put_memory(struct dump *d, struct err *err)
{
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < d->maps.count; i++) {
			int rc;

			if (d->part[i] == PART_NONE || rank(d, &d->maps.map[i]) != pass)
				continue;
			rc = put_map(d, i, err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static void describe_maps(struct dump *d)
{
	for (size_t i = 0; i < d->maps.count; i++) {
		const struct map *m = &d->maps.map[i];

		d->part[i] = choose(d, m);
		d->ph[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
			.p_flags =
				(m->read ? PF_R : 0) | (m->write ? PF_W : 0) | (m->exec ? PF_X : 0),
			.p_vaddr = m->start,
			.p_memsz = m->end - m->start,
			.p_align = PAGE };
	}
}

/* ELF header, program headers and notes: written last, when the offsets are known. */
static int put_headers(struct dump *d, const struct str *notes, uint64_t notes_at, struct err *err)
{
	size_t n = d->maps.count + 1;
	cleanup_str struct str head = STR_INIT;
	Elf64_Ehdr eh = { .e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phoff = sizeof(Elf64_Ehdr) };
	Elf64_Shdr extended = { .sh_info = n };
	Elf64_Phdr note = { .p_type = PT_NOTE,
		.p_flags = PF_R,
		.p_offset = notes_at,
		.p_filesz = notes->len,
		.p_align = 4 };

	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	eh.e_ident[EI_VERSION] = EV_CURRENT;
	eh.e_phnum = n < PN_XNUM ? n : PN_XNUM;
	if (n >= PN_XNUM) {
		/* elf(5): the count is then in the first section header. */
		eh.e_shoff = sizeof(eh) + n * sizeof(Elf64_Phdr);
		eh.e_shentsize = sizeof(extended);
		eh.e_shnum = 1;
	}
	str_append(&head, &eh, sizeof(eh));
	str_append(&head, &note, sizeof(note));
	str_append(&head, d->ph, d->maps.count * sizeof(*d->ph));
	str_append(&head, &extended, sizeof(extended));
	if (pwrite(d->fd, head.data, head.len, 0) != (ssize_t)head.len ||
		pwrite(d->fd, notes->data, notes->len, notes_at) != (ssize_t)notes->len ||
		ftruncate(d->fd, d->at) < 0)
		return err_errno(err, errno, "write core file");
	return 0;
}

static int dump_process(struct dump *d, struct err *err)
{
	cleanup_str struct str notes = STR_INIT;
	uint64_t notes_at;
	int rc;

	rc = core_notes(d->req, &d->maps, &notes, err);
	if (rc < 0)
		return rc;
	d->part = xreallocarray(NULL, d->maps.count, sizeof(*d->part));
	d->ph = xreallocarray(NULL, d->maps.count, sizeof(*d->ph));
	describe_maps(d);
	notes_at =
		sizeof(Elf64_Ehdr) + (d->maps.count + 1) * sizeof(Elf64_Phdr) + sizeof(Elf64_Shdr);
	d->at = (notes_at + notes.len + PAGE - 1) & ~(PAGE - 1);
	rc = put_memory(d, err);
	if (rc < 0)
		return rc;
	return put_headers(d, &notes, notes_at, err);
}

int core_write(
	const char *path, const struct core_request *req, uint64_t *ret_bytes, struct err *err)
{
	cleanup_free char *tmp = xasprintf("%s.XXXXXX", path);
	cleanup_free char *pagemap = xasprintf("/proc/%d/pagemap", req->tracee->tid);
	struct dump d = { .req = req,
		.budget = req->max_bytes ? req->max_bytes : UINT64_MAX,
		.buf = xmalloc(RUN_PAGES * PAGE) };
	int rc;

	rc = maps_read(req->tracee->tid, &d.maps, err);
	if (rc < 0)
		return rc;
	d.pagemap = open(pagemap, O_RDONLY | O_CLOEXEC);
	d.fd = mkostemp(tmp, O_CLOEXEC);
	if (d.fd < 0) {
		rc = err_errno(err, errno, "core file %s", tmp);
	} else {
		rc = dump_process(&d, err);
		if (rc == 0 && rename(tmp, path) < 0)
			rc = err_errno(err, errno, "rename %s to %s", tmp, path);
		if (rc < 0)
			unlink(tmp);
		close(d.fd);
	}
	if (d.pagemap >= 0)
		close(d.pagemap);
	free(d.buf);
	free(d.part);
	free(d.ph);
	maps_free(&d.maps);
	if (rc == 0)
		*ret_bytes = d.written;
	return rc;
}
