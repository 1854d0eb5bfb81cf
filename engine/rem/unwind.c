/* SPDX-License-Identifier: Apache-2.0 */
#include "rem/unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "rem/maps.h"
#include "sea/cfi.h"

#define VDSO_MAX 65536

/* A mapped object that a frame lies in, opened the first time. */
struct object {
	const struct map *map; /* the executable map */
	int fd;
	struct cfi *cfi; /* NULL: it could not be opened */
	bool kept;	 /* by the unwinder */
	uint64_t bias;
};

/* One that is kept open. */
struct kept {
	char *path;
	dev_t dev;
	ino_t ino;
	int fd;
	struct cfi *cfi;
};

#define KEPT_MAX 64

struct unwinder {
	struct kept kept[KEPT_MAX];
	size_t n;
};

struct walk {
	struct unwinder *unwinder; /* NULL: nothing is kept */
	unwind_find_fn *find;	   /* or NULL */
	const void *find_arg;
	struct tracee *t;
	const struct maps *maps;
	struct object *object;
	size_t objects;
	struct timespec deadline;
};

/* The coarse clock: the other one reads the time stamp counter, which faults on a monitor (tsc.h).
 */
static bool out_of_time(const struct walk *w)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec > w->deadline.tv_sec ||
	       (now.tv_sec == w->deadline.tv_sec && now.tv_nsec > w->deadline.tv_nsec);
}

static bool read_word(void *arg, uint64_t addr, uint64_t *ret_word)
{
	struct walk *w = arg;

	return !out_of_time(w) && tracee_read(w->t, raddr(addr), ret_word, 8) == 0;
}

static void open_vdso(const struct walk *w, struct object *o)
{
	uint64_t size = o->map->end - o->map->start;
	char *copy;

	if (size > VDSO_MAX)
		return;
	copy = xmalloc(size);
	if (tracee_read(w->t, raddr(o->map->start), copy, size) < 0)
		free(copy);
	else if (cfi_open_memory(copy, size, &o->cfi, NULL) < 0)
		o->cfi = NULL;
}

static void open_file(const struct walk *w, struct object *o)
{
	o->fd = maps_open_file(w->t, w->maps, o->map);
	if (o->fd < 0 || cfi_open(o->fd, &o->cfi, NULL) < 0)
		o->cfi = NULL;
}

static bool find_kept(const struct walk *w, struct object *o)
{
	for (size_t i = 0; w->unwinder && i < w->unwinder->n; i++) {
		const struct kept *k = &w->unwinder->kept[i];

		if (k->dev != o->map->dev || k->ino != o->map->ino ||
			strcmp(k->path, o->map->path) != 0)
			continue;
		o->cfi = k->cfi;
		o->kept = true;
		return true;
	}
	return false;
}

static void keep(const struct walk *w, struct object *o)
{
	if (!w->unwinder || !o->cfi || w->unwinder->n == KEPT_MAX)
		return;
	w->unwinder->kept[w->unwinder->n++] =
		(struct kept){ xstrdup(o->map->path), o->map->dev, o->map->ino, o->fd, o->cfi };
	o->kept = true;
}

static void open_object(const struct walk *w, struct object *o)
{
	uint64_t addr;

	if (strcmp(o->map->path, "[vdso]") == 0) {
		open_vdso(w, o);
	} else if (o->map->path[0] == '/' && !find_kept(w, o)) {
		open_file(w, o);
		keep(w, o);
	}
	if (o->cfi && cfi_address_of_offset(o->cfi, o->map->offset, &addr)) {
		o->bias = o->map->start - addr;
		return;
	}
	if (!o->kept)
		cfi_close(o->cfi);
	o->cfi = NULL;
}

/* The object whose code is at @pc; NULL where no code is. */
static struct object *object_at(struct walk *w, uint64_t pc)
{
	const struct map *m = maps_find(w->maps, pc);
	struct object *o;

	if (!m || !m->exec)
		return NULL;
	for (size_t i = 0; i < w->objects; i++)
		if (w->object[i].map == m)
			return &w->object[i];
	w->object = xreallocarray(w->object, w->objects + 1, sizeof(*w->object));
	o = &w->object[w->objects++];
	*o = (struct object){ .map = m, .fd = -1 };
	open_object(w, o);
	return o;
}

/* False where no code is. */
static bool place_at(struct walk *w, uint64_t pc, struct unwind_place *ret)
{
	const struct object *o;

	if (w->find && w->find(w->find_arg, pc, ret))
		return true;
	o = object_at(w, pc);
	if (!o)
		return false;
	*ret = (struct unwind_place){
		.cfi = o->cfi,
		.bias = o->cfi ? o->bias : o->map->start - o->map->offset,
		.object = o->map->path,
	};
	return true;
}

/* For code without call-frame information: the chain of frame pointers, if rbp looks like one. */
static int step_by_frame_pointer(struct walk *w, struct cfi_regs *regs)
{
	uint64_t bp = regs->value[CFI_RBP], sp = regs->value[CFI_RSP], caller_bp, pc;
	const struct map *stack = maps_find(w->maps, sp);

	if (!(regs->known & 1u << CFI_RBP) || !stack || bp < sp || bp % 8 ||
		bp >= stack->end - 16 || !read_word(w, bp, &caller_bp) ||
		!read_word(w, bp + 8, &pc))
		return -ENODATA;
	*regs = (struct cfi_regs){ .known = 1u << CFI_RBP | 1u << CFI_RSP | 1u << CFI_RIP };
	regs->value[CFI_RBP] = caller_bp;
	regs->value[CFI_RSP] = bp + 16;
	regs->value[CFI_RIP] = pc;
	regs->saved_at[CFI_RBP] = bp;
	regs->saved_at[CFI_RIP] = bp + 8;
	return 0;
}

/* A call through a bad pointer: nothing has run there, so the return address is on top. */
static int step_from_nowhere(struct walk *w, struct cfi_regs *regs)
{
	uint64_t sp = regs->value[CFI_RSP], pc;

	if (!read_word(w, sp, &pc) || !object_at(w, pc - 1))
		return -ENODATA;
	regs->value[CFI_RIP] = pc;
	regs->saved_at[CFI_RIP] = sp;
	regs->value[CFI_RSP] = sp + 8;
	return 0;
}

/* From @frame to its caller. 0: there is one, and @regs are its registers. */
static int step(struct walk *w, struct unwind_frame *frame, struct cfi_regs *regs, bool *ret_exact)
{
	uint64_t sp = regs->value[CFI_RSP];
	struct unwind_place place;
	bool is_code = place_at(w, frame->pc - !frame->exact_pc, &place), signal = false;
	int rc = -ENODATA;

	if (!is_code && !frame->exact_pc)
		return -ENODATA; /* what looked like a return address was none */
	if (!is_code) {
		rc = step_from_nowhere(w, regs);
		frame->guessed = true;
	} else if (place.cfi) {
		rc = cfi_step(place.cfi, place.bias, frame->exact_pc, regs, &signal, read_word, w);
	}
	if (rc == -ENODATA && is_code) {
		rc = step_by_frame_pointer(w, regs);
		frame->guessed = true;
	}
	if (rc < 0)
		return rc;
	frame->signal = signal;
	frame->return_at = regs->saved_at[CFI_RIP];
	/* The stack grows down. Only a signal handler may run on another one. */
	if (!signal && regs->value[CFI_RSP] <= sp)
		return -EINVAL;
	*ret_exact = signal;
	return regs->value[CFI_RIP] ? 0 : -ENOENT;
}

/* Where the frame is, in terms of files and functions. */
static void describe(struct walk *w, struct unwind_frame *frame)
{
	struct unwind_place place;
	uint64_t addr, offset;
	const char *name;

	if (!place_at(w, frame->pc - !frame->exact_pc, &place))
		return;
	snprintf(frame->object, sizeof(frame->object), "%s", place.object);
	frame->object_addr = frame->pc - place.bias;
	if (!place.cfi)
		return;
	/* A call that does not return can be the last instruction of its function. */
	addr = frame->object_addr - !frame->exact_pc;
	if (out_of_time(w) || !cfi_symbol(place.cfi, addr, &name, &offset))
		return;
	snprintf(frame->function, sizeof(frame->function), "%s", name);
	frame->function_offset = offset + !frame->exact_pc;
}

static void take_regs(const struct user_regs_struct *u, struct cfi_regs *ret)
{
	/* In DWARF's order. */
	const uint64_t value[CFI_REGS] = { u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi, u->rbp,
		u->rsp, u->r8, u->r9, u->r10, u->r11, u->r12, u->r13, u->r14, u->r15, u->rip };

	*ret = (struct cfi_regs){ .known = (1u << CFI_REGS) - 1 };
	memcpy(ret->value, value, sizeof(value));
}

static void close_object(int fd, struct cfi *cfi)
{
	cfi_close(cfi);
	if (fd >= 0)
		close(fd);
}

struct unwinder *unwinder_new(void)
{
	return xzalloc(sizeof(struct unwinder));
}

void unwinder_free(struct unwinder *u)
{
	for (size_t i = 0; u && i < u->n; i++) {
		close_object(u->kept[i].fd, u->kept[i].cfi);
		free(u->kept[i].path);
	}
	free(u);
}

static void begin_walk(struct walk *w)
{
	clock_gettime(CLOCK_MONOTONIC_COARSE, &w->deadline);
	w->deadline.tv_nsec += UNWIND_LIMIT_MS * 1000000l;
	w->deadline.tv_sec += w->deadline.tv_nsec / 1000000000;
	w->deadline.tv_nsec %= 1000000000;
}

static void end_walk(struct walk *w)
{
	for (size_t i = 0; i < w->objects; i++) {
		if (!w->object[i].kept)
			close_object(w->object[i].fd, w->object[i].cfi);
	}
	free(w->object);
}

static int walk(struct walk *w, struct unwind_frame *frames, int max, struct err *err)
{
	const struct user_regs_struct *user = tracee_regs(w->t);
	struct cfi_regs regs;
	bool exact = true;
	int n = 0, rc;

	if (!user)
		return err_set(err, ESRCH, "thread %d is gone", w->t->tid);
	take_regs(user, &regs);
	do {
		struct unwind_frame *f = &frames[n++];

		*f = (struct unwind_frame){
			.pc = regs.value[CFI_RIP], .sp = regs.value[CFI_RSP], .exact_pc = exact
		};
		rc = step(w, f, &regs, &exact);
		f->outermost = rc == -ENOENT;
	} while (rc == 0 && n < max);
	return n;
}

int unwinder_walk(struct unwinder *u, struct tracee *t, const struct maps *maps,
	unwind_find_fn *find, const void *arg, struct unwind_frame *frames, int max,
	struct err *err)
{
	struct walk w = { .unwinder = u, .find = find, .find_arg = arg, .t = t, .maps = maps };
	int n;

	begin_walk(&w);
	n = walk(&w, frames, max, err);
	end_walk(&w);
	return n;
}

void unwinder_describe(struct unwinder *u, struct tracee *t, const struct maps *maps,
	unwind_find_fn *find, const void *arg, struct unwind_frame *frame)
{
	struct walk w = { .unwinder = u, .find = find, .find_arg = arg, .t = t, .maps = maps };

	begin_walk(&w);
	describe(&w, frame);
	end_walk(&w);
}

int unwinder_backtrace(struct unwinder *u, struct tracee *t, unwind_find_fn *find, const void *arg,
	struct unwind_frame *frames, int max, struct err *err)
{
	cleanup_maps struct maps maps = { 0 };
	struct walk w = { .unwinder = u, .find = find, .find_arg = arg, .t = t, .maps = &maps };
	int n;

	if (!tracee_regs(t))
		return err_set(err, ESRCH, "thread %d is gone", t->tid);
	n = maps_read(t->tid, &maps, err);
	if (n < 0)
		return n;
	begin_walk(&w);
	n = walk(&w, frames, max, err);
	for (int i = 0; i < n; i++)
		describe(&w, &frames[i]);
	end_walk(&w);
	return n;
}

int unwind_backtrace(struct tracee *t, struct unwind_frame *frames, int max, struct err *err)
{
	return unwinder_backtrace(NULL, t, NULL, NULL, frames, max, err);
}

void unwind_print_frame(struct str *out, const struct unwind_frame *frame)
{
	if (frame->function[0])
		str_printf(out, "%s+0x%" PRIx64, frame->function, frame->function_offset);
	else
		str_printf(out, "0x%" PRIx64, frame->pc);
	if (frame->object[0])
		str_printf(out, " (%s+0x%" PRIx64 ")", frame->object, frame->object_addr);
	if (frame->signal)
		str_puts(out, " <signal handler called>");
}
