/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's image, as the engine carries it. */
	.section .rodata
	.balign 16
	.globl agent_image, agent_image_end
agent_image:
	.incbin "agent/agent.bin"
agent_image_end:
	.section .note.GNU-stack,"",@progbits
