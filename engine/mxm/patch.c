/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/patch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "agent/wire.h"
#include "base/io.h"
#include "base/xalloc.h"
#include "mxm/group.h"

/* Calls at a site before it is patched, and sites that are counted. */
#define HOT	  2
#define SITES_MAX 512
#define AREAS_MAX 32
#define STUB_SIZE 48
#define STUB_JUMP 16 /* bytes that lead to the agent */

/* How far a short and a near branch are looked for. */
#define NEAR 4096

struct site {
	uint64_t at; /* of the syscall instruction */
	unsigned count;
	uint64_t from; /* where the jump to the stub stands */
	uint64_t stub; /* 0: not patched */
	uint64_t call; /* of the stub's own syscall instruction */
	bool never;
};

struct area {
	uint64_t base;
	unsigned used;
};

struct patches {
	struct site sites[SITES_MAX];
	int nsites;
	struct area areas[AREAS_MAX];
	int nareas;
};

struct patches *patches_new(void)
{
	return xzalloc(sizeof(struct patches));
}

void patches_free(struct patches *patches)
{
	free(patches);
}

struct patches *patches_copy(const struct patches *patches)
{
	struct patches *copy = patches_new();

	*copy = *patches;
	return copy;
}

uint64_t patches_site(const struct patches *p, uint64_t rip)
{
	for (int i = 0; i < p->nsites; i++) {
		const struct site *site = &p->sites[i];

		if (site->stub && rip >= site->stub && rip <= site->call)
			return site->from;
	}
	return rip;
}

uint64_t patches_return(const struct patches *p, uint64_t rip)
{
	for (int i = 0; i < p->nsites; i++) {
		const struct site *site = &p->sites[i];

		if (site->stub && site->from == site->at && rip == site->at + 2)
			return site->call + 2;
	}
	return rip;
}

static struct site *site_of(struct patches *p, uint64_t at)
{
	for (int i = 0; i < p->nsites; i++) {
		if (p->sites[i].at == at)
			return &p->sites[i];
	}
	if (p->nsites == SITES_MAX)
		return NULL;
	p->sites[p->nsites] = (struct site){ .at = at };
	return &p->sites[p->nsites++];
}

uint64_t patches_origin(const struct patches *p, uint64_t rip)
{
	for (int i = 0; p && i < p->nsites; i++) {
		if (p->sites[i].stub && rip >= p->sites[i].stub &&
			rip < p->sites[i].stub + STUB_SIZE)
			return p->sites[i].at + 2;
	}
	return rip;
}

/* Is what lies around @at in a private mapping of a file, executable and not writable? */
static bool is_file_code(const struct task *task, uint64_t at)
{
	cleanup_str struct str text = STR_INIT;
	char path[64], mode[5], *line, *rest;

	snprintf(path, sizeof(path), "/proc/%d/maps", task->tracee.tid);
	if (io_read_file(path, 4u << 20, &text, NULL) < 0 || !text.len)
		return false;
	for (line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		unsigned long begin, end, inode = 0;

		if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &begin, &end, mode, &inode) < 3)
			continue;
		if (at - 6 >= begin && at + 8 <= end)
			return inode && strcmp(mode, "r-xp") == 0;
	}
	return false;
}

/* Where a branch that begins at @code + @i would go; false: no branch can begin there. */
static bool branch_at(const uint8_t *code, size_t len, size_t i, uint64_t base, uint64_t *ret_to)
{
	uint8_t op = code[i];
	int32_t far;

	if (((op & 0xf0) == 0x70 || op == 0xeb || (op & 0xfc) == 0xe0) && i + 2 <= len) {
		*ret_to = base + i + 2 + (int8_t)code[i + 1];
		return true;
	}
	if ((op == 0xe8 || op == 0xe9) && i + 5 <= len) {
		memcpy(&far, code + i + 1, 4);
		*ret_to = base + i + 5 + far;
		return true;
	}
	if (op == 0x0f && i + 6 <= len && (code[i + 1] & 0xf0) == 0x80) {
		memcpy(&far, code + i + 2, 4);
		*ret_to = base + i + 6 + far;
		return true;
	}
	return false;
}

/* May something jump to @to? Every byte is taken for the beginning of a branch. */
static bool is_target(struct task *task, uint64_t to)
{
	uint8_t code[2 * NEAR];
	uint64_t base = (to - NEAR) & ~4095ul, target;
	size_t len = tracee_read_some(&task->tracee, raddr(base), code, sizeof(code));

	if (base + len <= to)
		return true;
	for (size_t i = 0; i < len; i++) {
		if (branch_at(code, len, i, base, &target) && target == to)
			return true;
	}
	return false;
}

/* Does another thread of this memory stand in a call that was made here? */
static bool is_in_use(const struct task *task, uint64_t rip)
{
	list_for_each (at, &task->tuple->group->tuples) {
		const struct task *other =
			&container_of(at, struct tuple, link)->tasks[task->version];

		if (other != task && other->state != TASK_ABSENT && other->call_rip == rip &&
			other->tracee.mm == task->tracee.mm)
			return true;
	}
	return false;
}

/* Room for a stub near @at; 0: none. */
static uint64_t stub_room(struct patches *p, struct task *task, uint64_t at)
{
	uint64_t base = at < 0x10000000 ? AGENT_STUBS_LOW : (at - 0x50000000ul) & ~0xfffful;
	struct area *area;
	long r;

	for (int i = 0; i < p->nareas; i++) {
		int64_t off = (int64_t)(p->areas[i].base - at);

		if (off < 0x7ff00000l && off > -0x7ff00000l &&
			p->areas[i].used + STUB_SIZE <= AGENT_STUBS_MAX) {
			p->areas[i].used += STUB_SIZE;
			return p->areas[i].base + p->areas[i].used - STUB_SIZE;
		}
	}
	if (p->nareas == AREAS_MAX)
		return 0;
	if (tracee_remote(&task->tracee, task->at_entry_stop, &r, SYS_mmap, base, AGENT_STUBS_MAX,
		    PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		    (uint64_t)-1, 0) < 0)
		return 0;
	task->at_entry_stop = false;
	if (r != (long)base)
		return 0;
	area = &p->areas[p->nareas++];
	*area = (struct area){ base, STUB_SIZE };
	return base;
}

struct patch {
	uint64_t from;		/* where the jump is put */
	unsigned len;		/* bytes that it replaces */
	unsigned before, after; /* of the instructions that move to the stub */
	uint8_t bytes[16];	/* what is there now, from `from` on */
};

/* What can move away so that five bytes come free. */
static bool plan(struct task *task, uint64_t at, struct patch *ret)
{
	uint8_t b[16]; /* from at - 6 */
	const uint8_t *after = b + 8;
	uint32_t nr;

	if (tracee_read(&task->tracee, raddr(at - 6), b, sizeof(b)) < 0 || b[6] != 0x0f ||
		b[7] != 0x05)
		return false;
	memcpy(&nr, b + 2, 4);
	if (b[1] == 0xb8 && (b[0] & 0xf0) != 0x40 && nr == task->call.issued) {
		*ret = (struct patch){ .from = at - 5, .len = 5, .before = 5 };
		memcpy(ret->bytes, b + 1, 5);
		return true;
	}
	if (memcmp(after, "\x48\x3d", 2) == 0 && memcmp(after + 3, "\xf0\xff\xff", 3) == 0) {
		*ret = (struct patch){ .from = at, .len = 8, .after = 6 };
	} else if (after[0] == 0xc3 && (at + 3) % 16 && (at + 3) % 16 <= 14 &&
		   (after[1] == 0x66 || after[1] == 0x90 || after[1] == 0xcc ||
			   (after[1] == 0x0f && after[2] == 0x1f))) {
		/* A return at the end of its function, then padding. */
		*ret = (struct patch){ .from = at, .len = 5, .after = 1 };
	} else {
		return false;
	}
	memcpy(ret->bytes, b + 6, ret->len);
	return !is_target(task, at + 2);
}

static uint8_t *put32(uint8_t *at, int64_t value)
{
	int32_t v = (int32_t)value;

	memcpy(at, &v, 4);
	return at + 4;
}

/*
 * [what was before] lea back(%rip),%rcx; mov $agent_entry,%r11d; jmp *%r11; syscall;
 * back: [what was after] jmp rest. The system call itself would clobber rcx and r11 too.
 */
static int write_stub(struct task *task, uint64_t stub, const struct patch *patch, uint32_t entry)
{
	uint8_t code[STUB_SIZE], *p = code;
	uint64_t rest = patch->before ? patch->from + 7 : patch->from + patch->len;

	memset(code, 0xcc, sizeof(code));
	memcpy(p, patch->bytes, patch->before);
	p += patch->before;
	*p++ = 0x48;
	*p++ = 0x8d;
	*p++ = 0x0d;
	p = put32(p, 6 + 3 + 2);
	*p++ = 0x41;
	*p++ = 0xbb;
	p = put32(p, entry);
	*p++ = 0x41;
	*p++ = 0xff;
	*p++ = 0xe3;
	*p++ = 0x0f;
	*p++ = 0x05;
	memcpy(p, patch->bytes + 2, patch->after);
	p += patch->after;
	*p++ = 0xe9;
	p = put32(p, (int64_t)(rest - (stub + (p - code) + 4)));
	return tracee_poke(&task->tracee, raddr(stub), code, sizeof(code));
}

static bool apply(struct patches *p, struct task *task, struct site *site)
{
	struct user_regs_struct *regs;
	struct agent_header header;
	struct patch patch;
	uint8_t jump[8];
	uint64_t stub;

	if (!is_file_code(task, site->at) || !plan(task, site->at, &patch) ||
		tracee_read(&task->tracee, raddr(AGENT_CODE), &header, sizeof(header)) < 0)
		return false;
	stub = stub_room(p, task, site->at);
	if (!stub || write_stub(task, stub, &patch, header.entry) < 0)
		return false;
	memset(jump, 0xcc, sizeof(jump));
	jump[0] = 0xe9;
	put32(jump + 1, (int64_t)(stub - (patch.from + 5)));
	if (tracee_poke(&task->tracee, raddr(patch.from), jump, patch.len) < 0)
		return false;
	site->from = patch.from;
	site->stub = stub;
	site->call = stub + patch.before + STUB_JUMP;
	regs = tracee_touch(&task->tracee);
	if (regs) {
		regs->rip = stub + patch.before;
		regs->rax = task->call.issued;
		regs->orig_rax = -1;
	}
	return true;
}

bool patches_count(struct patches *p, struct task *task)
{
	const struct user_regs_struct *regs = tracee_regs(&task->tracee);
	struct site *site;
	uint64_t at;

	if (!regs)
		return false;
	at = regs->rip - 2;
	if (patches_origin(p, at) != at)
		return false;
	site = site_of(p, at);
	if (!site || site->never || site->stub || ++site->count < HOT || is_in_use(task, at + 2))
		return false;
	if (apply(p, task, site))
		return true;
	site->never = true;
	if (task->at_entry_stop)
		return false;
	/* The call was given up for room that was then not used. */
	tracee_retry_call(&task->tracee, task->call.issued);
	return true;
}
