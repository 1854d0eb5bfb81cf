/* SPDX-License-Identifier: Apache-2.0 */
/* What a loop that only waits may consist of. */
#include "mxm/spins.h"

#include "tap.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9 };

#define plain(counter, ...)                                                                        \
	spins_is_plain(                                                                            \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }), counter)

int main(void)
{
	ok(plain(RCX, 0x8b, 0x05, 0, 0, 0, 0), "mov 0(%%rip),%%eax");
	ok(plain(RCX, 0x83, 0xe9, 0x01), "sub $1,%%ecx counts");
	ok(plain(RCX, 0x75, 0xf0), "jne");
	ok(plain(RCX, 0xf3, 0x90), "pause");
	ok(plain(RCX, 0x48, 0x8b, 0x03), "mov (%%rbx),%%rax, beside a counter");
	ok(!plain(RBX, 0x48, 0x8b, 0x03), "mov (%%rbx),%%rax goes through memory by rbx");
	ok(plain(RBX, 0x49, 0x8b, 0x03), "mov (%%r11),%%rax does not");
	ok(!plain(R8, 0x41, 0x0f, 0xb6, 0x00), "movzbl (%%r8),%%eax");
	ok(!plain(RCX, 0x8b, 0x04, 0x8a), "mov (%%rdx,%%rcx,4),%%eax: an index");
	ok(!plain(RDX, 0x8b, 0x04, 0x8a), "mov (%%rdx,%%rcx,4),%%eax: a base");
	ok(plain(RSP, 0x8b, 0x04, 0x65, 0, 0, 0, 0), "no index is not rsp");
	ok(plain(RBP, 0x8b, 0x05, 0, 0, 0, 0), "rip-relative is not rbp");
	ok(plain(RCX, 0xf0, 0x0f, 0xb1, 0x17), "lock cmpxchg %%edx,(%%rdi)");
	ok(plain(RCX, 0x48, 0x8d, 0x49, 0x01), "lea 1(%%rcx),%%rcx reads no memory");
	ok(!plain(RCX, 0x66, 0x0f, 0x6f, 0x00), "movdqa: what vectors hold is not compared");
	ok(!plain(RCX, 0xf3, 0xaa), "rep stos");
	ok(!plain(RCX, 0x0f, 0x05), "syscall");
	ok(!plain(RCX, 0xc5, 0xf8, 0x77), "vzeroupper");
	ok(!plain(RCX, 0x66, 0x66), "nothing but prefixes");
	ok(!plain(RCX, 0x8b), "cut off");
	return tap_done();
}
