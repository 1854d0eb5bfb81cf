/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in and out of the agent. Placed first in its image, at AGENT_CODE.
 *
 * A stub comes here with rcx = where to go on, all other registers as for the system call; the call
 * itself would have clobbered rcx and r11. Two bytes before that address stands the stub's own
 * system call, for what the agent hands on. The program's stack is not touched: its red zone may
 * be in use.
 */
#include "agent/wire.h"

	.text
	.globl agent_start
agent_start:
	.long agent_entry, agent_bail, gate_end, agent_batch

	.org AGENT_GATE - AGENT_CODE
	.globl gate
gate:
	syscall
	cmpl $IN_CALL_QUICK, %gs:SLOT_IN_CALL
	je quick_gate
	mov %rax, %gs:SLOT_RESULT
	movl $2, %gs:SLOT_IN_CALL /* AGENT_MADE */
	ret
quick_gate:
	movl $0, %gs:SLOT_IN_CALL
gate_end:
	jmp quick_made

	.globl agent_entry
agent_entry:
	cmpl $0, %gs:SLOT_MODE
	je hand_on
	cmpl $MODE_FREE, %gs:SLOT_MODE
	je quick
whole:
	mov %rsp, %gs:SLOT_RSP
	mov %gs:SLOT_TOP, %rsp
	push %rbx /* for agent_bail */
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rcx
	push %rax
	push %rdi
	push %rsi
	push %rdx
	push %r10
	push %r8
	push %r9
	cld
	mov %rsp, %rdi
	mov %gs:SLOT_SELF, %rsi
	call agent_call
leave:
	test %eax, %eax
	pop %r9
	pop %r8
	pop %r10
	pop %rdx
	pop %rsi
	pop %rdi
	pop %rax
	pop %rcx
	mov %gs:SLOT_RSP, %rsp
	jnz hand_on
	jmp *%rcx
hand_on:
	lea -2(%rcx), %rcx
	jmp *%rcx

	/*
	 * A call that is only to be made, where no version will ever follow: what agent_call()
	 * comes to by alone(), without a frame, and without a return, which the kernel's own have made
	 * the processor forget. The kernel keeps all registers but rax, rcx and r11.
	 */
quick:
	cmp $AGENT_CALLS, %rax
	jae whole
	cmpb $FREE_QUICK, AGENT_TABLE + TABLE_FREE(%rax)
	jne whole
	mov %rcx, %gs:SLOT_BACK
	mov %rax, %gs:SLOT_NR
	movl $IN_CALL_QUICK, %gs:SLOT_IN_CALL
	mov %gs:SLOT_VERSION, %ecx
	and $AGENT_VERSIONS - 1, %ecx
	shl $CONTROL_SHIFT, %ecx
	cmpl $0, AGENT_CONTROL + CONTROL_ATTENTION(%rcx)
	jne quick_bail
	incq AGENT_CONTROL + CONTROL_CALLS(%rcx)
	jmp gate
quick_made:
	cmp $-4095, %rax
	jae quick_failed
quick_leave:
	mov %gs:SLOT_BACK, %rcx
	jmp *%rcx

	/* is_for_ptrace(): the kernel's own codes, EINTR, EFBIG, EPIPE. */
quick_failed:
	lea 530(%rax), %rcx
	cmp $530 - 512, %rcx
	jbe quick_bail
	cmp $-4, %rax
	je quick_bail
	cmp $-27, %rax
	je quick_bail
	cmp $-32, %rax
	jne quick_leave
quick_bail:
	movl $0, %gs:SLOT_IN_CALL
	mov %gs:SLOT_NR, %rax
	mov %gs:SLOT_BACK, %rcx
	jmp hand_on

	.globl agent_bail
agent_bail:
	cmpl $IN_CALL_QUICK, %gs:SLOT_IN_CALL
	je quick_bail
	mov %gs:SLOT_TOP, %rsp
	sub $AGENT_SAVED_SIZE, %rsp
	/* The C code that is left had these for itself. */
	mov 40(%rsp), %rbx
	mov 32(%rsp), %rbp
	mov 24(%rsp), %r12
	mov 16(%rsp), %r13
	mov 8(%rsp), %r14
	mov (%rsp), %r15
	sub $AGENT_FRAME_SIZE, %rsp
	movl $0, %gs:SLOT_IN_CALL
	mov $1, %eax
	jmp leave

	/*
	 * For the engine: makes the r12 calls at rbx (struct agent_batched), one after the other, and
	 * then one that stops.
	 */
	.globl agent_batch
agent_batch:
	mov (%rbx), %rax
	mov 8(%rbx), %rdi
	mov 16(%rbx), %rsi
	mov 24(%rbx), %rdx
	mov 32(%rbx), %r10
	mov 40(%rbx), %r8
	mov 48(%rbx), %r9
	call gate
	movl $0, %gs:SLOT_IN_CALL
	mov %rax, (%rbx)
	add $AGENT_BATCHED_SIZE, %rbx
	dec %r12
	jnz agent_batch
	mov $39, %eax /* getpid */
	syscall
	int3

	.section .note.GNU-stack,"",@progbits
