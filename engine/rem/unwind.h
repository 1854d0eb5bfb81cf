/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack of a stopped thread. Frames are found by the call-frame information of the objects that
 * the process has mapped; where there is none (generated code, hand-written assembly) by the frame
 * pointer, and the frame says so. Bounded in time and in frames; whatever the process has done to
 * its stack, the worst outcome is a short backtrace.
 */
#ifndef MX_REM_UNWIND_H
#define MX_REM_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "rem/maps.h"
#include "sea/cfi.h"
#include "tracee/tracee.h"

/* Time for one backtrace; after it the frames that were found so far are the backtrace. */
#define UNWIND_LIMIT_MS 500

struct unwind_frame {
	uint64_t pc;
	uint64_t sp;	    /* when this frame called the next inner one */
	uint64_t return_at; /* address of the word that holds its return address, 0: not known */
	bool exact_pc;	    /* pc is the next instruction to run: innermost, or interrupted */
	bool signal;	    /* the trampoline that a signal handler returns to */
	bool outermost;	    /* the call-frame information says that nobody has called it */
	bool guessed;	    /* found by the frame pointer, not by call-frame information */
	uint64_t function_offset; /* of pc in the function */
	uint64_t object_addr;	  /* pc as an address of the object's own: what addr2line takes */
	char function[128];	  /* as the symbol table has it, maybe cut; "" where unknown */
	char object[256];	  /* path of the mapped file, or "[vdso]"; maybe cut; "" for none */
};

/*
 * Fills @frames with up to @max frames of @t, innermost first, and returns how many. @t is stopped,
 * and this is its tracer's thread. At least one frame, the program counter's, is always there;
 * -ESRCH: the thread vanished.
 */
MUST_CHECK int unwind_backtrace(
	struct tracee *t, struct unwind_frame *frames, int max, struct err *err);

/*
 * For who unwinds the same process, or copies of it, again and again: the objects stay open. A file
 * is told by the device, inode and path that the maps show.
 */
struct unwinder;
struct unwinder *unwinder_new(void);
void unwinder_free(struct unwinder *u);

/* Whose call-frame information says what a frame at some program counter is like. */
struct unwind_place {
	struct cfi *cfi;    /* NULL: nobody's */
	uint64_t bias;	    /* address in the process less the object's own */
	const char *object; /* path */
};

/* Code that lies in no mapped file: true, and where @pc belongs, if it is part of it. */
typedef bool unwind_find_fn(const void *arg, uint64_t pc, struct unwind_place *ret);

/* As unwind_backtrace(). @find may be NULL. */
MUST_CHECK int unwinder_backtrace(struct unwinder *u, struct tracee *t, unwind_find_fn *find,
	const void *arg, struct unwind_frame *frames, int max, struct err *err);

/*
 * The same without names of functions and objects, which take most of the time, in a process whose
 * maps are known. unwinder_describe() gives them to one of the frames.
 */
MUST_CHECK int unwinder_walk(struct unwinder *u, struct tracee *t, const struct maps *maps,
	unwind_find_fn *find, const void *arg, struct unwind_frame *frames, int max,
	struct err *err);
void unwinder_describe(struct unwinder *u, struct tracee *t, const struct maps *maps,
	unwind_find_fn *find, const void *arg, struct unwind_frame *frame);

/* Appends the frame in one line without line end: "hashFind+0x1f (/usr/bin/redis+0x4be1f)". */
void unwind_print_frame(struct str *out, const struct unwind_frame *frame);

#endif
