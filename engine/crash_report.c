/* SPDX-License-Identifier: Apache-2.0 */
#include "crash_report.h"

#include "base/xalloc.h"
#include "rem/core.h"
#include "rem/unwind.h"

#define FRAMES_MAX 64

static void put_registers(struct event_out *ev, struct tracee *t)
{
	const struct user_regs_struct *r = tracee_regs(t);

	if (!r)
		return;
	event_object_begin(ev, "registers");
	event_hex(ev, "rip", r->rip);
	event_hex(ev, "rsp", r->rsp);
	event_hex(ev, "rbp", r->rbp);
	event_hex(ev, "rax", r->rax);
	event_hex(ev, "rbx", r->rbx);
	event_hex(ev, "rcx", r->rcx);
	event_hex(ev, "rdx", r->rdx);
	event_hex(ev, "rsi", r->rsi);
	event_hex(ev, "rdi", r->rdi);
	event_hex(ev, "r8", r->r8);
	event_hex(ev, "r9", r->r9);
	event_hex(ev, "r10", r->r10);
	event_hex(ev, "r11", r->r11);
	event_hex(ev, "r12", r->r12);
	event_hex(ev, "r13", r->r13);
	event_hex(ev, "r14", r->r14);
	event_hex(ev, "r15", r->r15);
	event_object_end(ev);
}

static void put_backtrace(
	struct event_out *ev, const struct mxm_crash *crash, struct recovery *recovery)
{
	struct tracee *t = crash->tracee;
	cleanup_free struct unwind_frame *frames = xreallocarray(NULL, FRAMES_MAX, sizeof(*frames));
	struct err err;
	int n = recovery ? recovery_backtrace(recovery, crash->version, t, frames, FRAMES_MAX, &err)
			 : unwind_backtrace(t, frames, FRAMES_MAX, &err);

	event_list_begin(ev, "backtrace");
	for (int i = 0; i < n; i++) {
		cleanup_str struct str line = STR_INIT;

		unwind_print_frame(&line, &frames[i]);
		event_list_add(ev, str_text(&line));
	}
	event_list_end(ev);
}

static void put_core(
	struct event_out *ev, const struct mxm_crash *crash, const char *name, const char *dir)
{
	cleanup_free char *path =
		xasprintf("%s/core.%s.%d.%lu", dir, name, crash->known, crash->seq);
	struct core_thread thread = { .tid = crash->tracee->tid };
	const struct user_regs_struct *regs = tracee_regs(crash->tracee);
	struct core_request req = { .tracee = crash->tracee,
		.threads = &thread,
		.nthreads = 1,
		.sig = crash->sig,
		.info = &crash->info };
	struct err err;
	uint64_t bytes;

	if (!regs)
		return;
	thread.regs = *regs;
	if (core_write(path, &req, &bytes, &err) < 0)
		event_str(ev, "core_error", err.text);
	else
		event_str(ev, "core", path);
}

bool crash_has_report(const struct mxm_crash *crash)
{
	return crash->tracee && crash->sig != SIGKILL;
}

void crash_report(struct event_out *ev, const struct mxm_crash *crash, const char *name,
	const char *core_dir, struct recovery *recovery)
{
	if (!crash_has_report(crash))
		return;
	put_registers(ev, crash->tracee);
	put_backtrace(ev, crash, recovery);
	if (core_dir)
		put_core(ev, crash, name, core_dir);
}
