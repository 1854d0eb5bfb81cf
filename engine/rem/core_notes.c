/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/core_notes.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/procfs.h>

#include "base/io.h"
#include "base/xalloc.h"

#define PAGE	 4096ul
#define AUXV_MAX 65536
#define STAT_MAX 4096

static void put_note(struct str *out, uint32_t type, const void *data, size_t len)
{
	static const char name[8] = "CORE"; /* with the NUL and the padding */
	Elf64_Nhdr head = { .n_namesz = 5, .n_descsz = len, .n_type = type };

	str_append(out, &head, sizeof(head));
	str_append(out, name, sizeof(name));
	str_append(out, data, len);
	str_append(out, "\0\0\0", -len & 3);
}

struct identity {
	int ppid, pgrp, sid;
	char state;
	char name[16];
};

/* /proc/PID/stat; the name is in parentheses and may hold any character, these too. */
static int read_identity(pid_t pid, struct identity *ret, struct err *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/stat", pid);
	cleanup_str struct str text = STR_INIT;
	char *open, *close;
	size_t len;
	int rc = io_read_file(path, STAT_MAX, &text, err);

	if (rc == -ENOENT)
		return err_set(err, ESRCH, "process %d is gone", pid);
	if (rc < 0)
		return rc;
	open = strchr(str_text(&text), '(');
	close = strrchr(str_text(&text), ')');
	if (!open || !close || close < open ||
		sscanf(close + 1, " %c %d %d %d", &ret->state, &ret->ppid, &ret->pgrp, &ret->sid) !=
			4)
		return err_set(err, EINVAL, "unexpected %s", path);
	len = close - open - 1;
	if (len > sizeof(ret->name) - 1)
		len = sizeof(ret->name) - 1;
	memset(ret->name, 0, sizeof(ret->name));
	memcpy(ret->name, open + 1, len);
	return 0;
}

static void put_status(struct str *out, const struct core_request *req, const struct identity *id,
	const struct core_thread *thread)
{
	struct elf_prstatus status = { 0 };

	_Static_assert(sizeof(status.pr_reg) == sizeof(thread->regs), "the kernel's layout");
	/* As the kernel does, each thread names the signal that ended the process. */
	status.pr_info.si_signo = req->sig;
	status.pr_cursig = req->sig;
	status.pr_sighold = thread->blocked;
	status.pr_pid = thread->tid;
	status.pr_ppid = id->ppid;
	status.pr_pgrp = id->pgrp;
	status.pr_sid = id->sid;
	status.pr_fpvalid = thread->fpregs != NULL;
	memcpy(&status.pr_reg, &thread->regs, sizeof(thread->regs));
	put_note(out, NT_PRSTATUS, &status, sizeof(status));
}

static void put_thread(struct str *out, const struct core_thread *thread)
{
	if (thread->fpregs)
		put_note(out, NT_FPREGSET, thread->fpregs, sizeof(*thread->fpregs));
}

static void put_program(struct str *out, pid_t pid, const struct identity *id)
{
	cleanup_free char *path = xasprintf("/proc/%d/cmdline", pid);
	cleanup_str struct str args = STR_INIT;
	struct elf_prpsinfo info = { .pr_sname = id->state,
		.pr_pid = pid,
		.pr_ppid = id->ppid,
		.pr_pgrp = id->pgrp,
		.pr_sid = id->sid };
	const char *letter = strchr("RSDTZW", id->state);
	size_t len;

	info.pr_state = letter ? letter - "RSDTZW" : 0;
	info.pr_zomb = id->state == 'Z';
	memcpy(info.pr_fname, id->name, sizeof(info.pr_fname));
	/* Arguments that cannot be read are no reason to have no core file. */
	if (io_read_file(path, 1 << 20, &args, NULL) == 0) {
		len = args.len < sizeof(info.pr_psargs) - 1 ? args.len : sizeof(info.pr_psargs) - 1;
		for (size_t i = 0; i < len; i++)
			info.pr_psargs[i] = args.data[i] ? args.data[i] : ' ';
	}
	put_note(out, NT_PRPSINFO, &info, sizeof(info));
}

static int put_auxv(struct str *out, pid_t pid, struct err *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/auxv", pid);
	cleanup_str struct str auxv = STR_INIT;
	int rc = io_read_file(path, AUXV_MAX, &auxv, err);

	if (rc < 0)
		return rc;
	put_note(out, NT_AUXV, str_text(&auxv), auxv.len);
	return 0;
}

/* Which file is mapped where: the kernel's NT_FILE, in units of pages. */
static void put_files(struct str *out, const struct maps *maps)
{
	cleanup_str struct str table = STR_INIT, names = STR_INIT, note = STR_INIT;
	uint64_t head[2] = { 0, PAGE };

	for (size_t i = 0; i < maps->count; i++) {
		const struct map *m = &maps->map[i];
		uint64_t row[3] = { m->start, m->end, m->offset / PAGE };

		if (m->path[0] != '/')
			continue;
		head[0]++;
		str_append(&table, row, sizeof(row));
		str_append(&names, m->path, strlen(m->path) + 1);
	}
	if (!head[0])
		return;
	str_append(&note, head, sizeof(head));
	str_append(&note, table.data, table.len);
	str_append(&note, names.data, names.len);
	put_note(out, NT_FILE, note.data, note.len);
}

int core_notes(
	const struct core_request *req, const struct maps *maps, struct str *out, struct err *err)
{
	pid_t pid = req->tracee->tgid;
	struct identity id;
	int rc = read_identity(pid, &id, err);

	if (rc < 0)
		return rc;
	put_status(out, req, &id, &req->threads[0]);
	put_program(out, pid, &id);
	if (req->info)
		put_note(out, NT_SIGINFO, req->info, sizeof(*req->info));
	rc = put_auxv(out, pid, err);
	if (rc < 0)
		return rc;
	put_files(out, maps);
	put_thread(out, &req->threads[0]);
	for (int i = 1; i < req->nthreads; i++) {
		put_status(out, req, &id, &req->threads[i]);
		put_thread(out, &req->threads[i]);
	}
	return 0;
}
