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
	mov %rax, %gs:SLOT_RESULT
	movl $2, %gs:SLOT_IN_CALL /* AGENT_MADE */
gate_end:
	ret

	.globl agent_entry
agent_entry:
	cmpl $0, %gs:SLOT_MODE
	je hand_on
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

	.globl agent_bail
agent_bail:
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
