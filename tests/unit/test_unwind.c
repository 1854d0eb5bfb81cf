/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "rem/unwind.h"
#include "tap.h"
#include "traced.h"

#define MAX 64

/* Not static, so that the names stay; the sum afterwards prevents a tail call. */
int outer(int how), middle(int how), inner(int how);
void on_signal(int sig);
void crash_in_own_code(void *code);

static volatile int sink;

/* In assembly: a sanitizer must not see it first. */
#define WRITE_NULL() __asm__ volatile("movl $1, 0" ::: "memory")

enum { CRASH_WRITE, CRASH_CALL, CRASH_IN_HANDLER, CRASH_BAD_STACK, CRASH_LIBC };

__attribute__((noinline)) void on_signal(int sig)
{
	WRITE_NULL();
	sink = sig;
}

__attribute__((noinline)) int inner(int how)
{
	if (how == CRASH_WRITE)
		WRITE_NULL();
	else if (how == CRASH_CALL)
		__asm__ volatile("call *%0" ::"r"(0ul) : "memory");
	else if (how == CRASH_IN_HANDLER)
		raise(SIGUSR1);
	else if (how == CRASH_BAD_STACK)
		__asm__ volatile("mov $0x1234567, %%rsp; mov $0x7654321, %%rbp; movl $1, 0" ::
					 : "memory");
	else
		sink = *strfry((char *)8);
	return sink + 1;
}

__attribute__((noinline)) int middle(int how)
{
	char buf[100];

	memset(buf, how, sizeof(buf));
	__asm__ volatile("" ::"r"(buf) : "memory");
	return inner(how) + buf[3];
}

__attribute__((noinline)) int outer(int how)
{
	return middle(how) + 1;
}

static void crash(void *how)
{
	signal(SIGUSR1, on_signal);
	signal(SIGSEGV, SIG_DFL);
	sink = outer((intptr_t)how);
}

/* Index of the first frame of @function at or after @from, or -1. */
static int find(const struct unwind_frame *f, int n, int from, const char *function)
{
	for (int i = from; i < n; i++)
		if (strcmp(f[i].function, function) == 0)
			return i;
	return -1;
}

static void show(const struct unwind_frame *f, int n)
{
	for (int i = 0; i < n; i++) {
		cleanup_str struct str s = STR_INIT;

		unwind_print_frame(&s, &f[i]);
		printf("#  %d %s%s\n", i, s.data, f[i].guessed ? " (guessed)" : "");
	}
}

static int backtrace_of(intptr_t how, struct unwind_frame *f, int max)
{
	struct tracee t = traced_start(crash, (void *)how);
	struct err err;
	int n = unwind_backtrace(&t, f, max, &err);

	for (int i = 0; i + 1 < n; i++) {
		uint64_t word = 0;

		if (f[i].return_at && tracee_read(&t, raddr(f[i].return_at), &word, 8) == 0 &&
			word != f[i + 1].pc)
			ok(false, "frame %d: return address lies where it is said to", i);
	}
	traced_end(&t);
	return n;
}

static void test_plain(void)
{
	struct unwind_frame f[MAX];
	int n = backtrace_of(CRASH_WRITE, f, MAX), i;

	show(f, n);
	is_str(f[0].function, "inner", "innermost");
	is_str(f[1].function, "middle", "its caller");
	is_str(f[2].function, "outer", "and its");
	i = find(f, n, 3, "main");
	ok(i > 0 && i < n - 1, "through main to what called it");
	ok(f[0].exact_pc && !f[1].exact_pc, "only the innermost is exact");
	ok(!f[1].guessed && f[1].return_at != 0,
		"from call-frame information, return address found");
	ok(strstr(f[0].object, "test_unwind") != NULL, "the object is named");
	ok(strstr(f[n - 1].function, "_start") != NULL, "up to the program's start");
}

static void test_libc(void)
{
	struct unwind_frame f[MAX];
	int n = backtrace_of(CRASH_LIBC, f, MAX), i;

	show(f, n);
	ok(strstr(f[0].object, "libc.so") != NULL, "a crash in the C library");
	i = find(f, n, 1, "inner");
	ok(i > 0 && find(f, n, i, "outer") == i + 2, "and who called it");
}

static void test_null_call(void)
{
	struct unwind_frame f[MAX];
	int n = backtrace_of(CRASH_CALL, f, MAX);

	show(f, n);
	ok(f[0].pc == 0 && f[0].object[0] == '\0', "a call of NULL is at no object");
	is_str(f[1].function, "inner", "the caller is known all the same");
	ok(find(f, n, 1, "main") > 0, "down to main");
}

static void test_handler(void)
{
	struct unwind_frame f[MAX];
	int n = backtrace_of(CRASH_IN_HANDLER, f, MAX), i;

	show(f, n);
	is_str(f[0].function, "on_signal", "a crash in a signal handler");
	ok(f[1].signal, "the trampoline is marked");
	ok(f[2].exact_pc, "what was interrupted is exact");
	i = find(f, n, 2, "inner");
	ok(i > 0 && find(f, n, i, "main") > i, "and its callers are there");
}

static void test_bad_stack(void)
{
	struct unwind_frame f[MAX];
	int n = backtrace_of(CRASH_BAD_STACK, f, MAX);

	show(f, n);
	ok(n == 1 && strcmp(f[0].function, "inner") == 0,
		"a destroyed stack gives the first frame");
}

static void test_limit(void)
{
	struct unwind_frame f[2];

	memset(f, 0, sizeof(f));
	is_int(backtrace_of(CRASH_WRITE, f, 2), 2, "not more frames than there is room for");
}

/* Code that no object covers: push %rbp; mov %rsp,%rbp; sub; write to 0 */
__attribute__((noinline)) void crash_in_own_code(void *code)
{
	((void (*)(void))code)();
	sink++;
}

static void test_generated(void)
{
	static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xc7, 0x04,
		0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0xc9, 0xc3 };
	void *page = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct unwind_frame f[MAX];
	struct tracee t;
	struct err err;
	int n;

	memcpy(page, code, sizeof(code));
	t = traced_start(crash_in_own_code, page);
	n = unwind_backtrace(&t, f, MAX, &err);
	traced_end(&t);
	munmap(page, 4096);
	show(f, n);
	ok(f[0].guessed && strcmp(f[1].function, "crash_in_own_code") == 0,
		"generated code is left by the frame pointer");
	ok(find(f, n, 2, "main") > 0, "down to main");
}

/* A stack of random words, and registers that point into it: no crash, no hang. */
static void test_random(void)
{
	struct tracee t = traced_start(crash, (void *)CRASH_WRITE);
	struct user_regs_struct before = *tracee_regs(&t);
	struct unwind_frame f[MAX];
	struct timespec begun, ended;
	bool good = true;
	struct err err;

	srandom(7);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (int round = 0; round < 300; round++) {
		struct user_regs_struct *regs = tracee_touch(&t);
		uint64_t words[64];

		for (int i = 0; i < 64; i++) {
			uint64_t near = (&before.rip)[random() % 2 ? 0 : 3]; /* rip or rsp */

			words[i] = near + random() % 65536 - 32768;
		}
		*regs = before;
		regs->rip = words[0];
		regs->rbp = words[1];
		regs->rsp = before.rsp + random() % 256;
		if (tracee_write(&t, raddr(before.rsp), words, sizeof(words)) < 0)
			good = false;
		if (unwind_backtrace(&t, f, MAX, &err) < 1)
			good = false;
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	traced_end(&t);
	ok(good, "300 random stacks each give a backtrace");
	ok(ended.tv_sec - begun.tv_sec < 30, "in bounded time");
}

static void test_gone(void)
{
	struct tracee t = traced_start(crash, (void *)CRASH_WRITE);
	struct unwind_frame f[MAX];
	struct err err = { 0 };

	traced_end(&t);
	t.mm = mm_open(t.tid);
	t.regs_known = false;
	ok(unwind_backtrace(&t, f, MAX, &err) == -ESRCH && err.text[0], "a thread that is gone: %s",
		err.text);
	mm_put(t.mm);
}

int main(void)
{
	test_plain();
	test_libc();
	test_null_call();
	test_handler();
	test_bad_stack();
	test_limit();
	test_generated();
	test_random();
	test_gone();
	return tap_done();
}
