/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vandal SEED: many calls that an in-process agent takes, and, unless SEED is 0, writes of anything
 * to everything that the agent shares with the engine and with the other version. Says at the end
 * that it has come there. What it reads is always the same, so that its output is.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../engine/agent/wire.h"

#define ROUNDS	 4000
#define PEACEFUL 600 /* until the agents are there, and a while after */

static uint64_t state;
static sigjmp_buf back;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The page is not there, or not to be written to: so much the better. */
static void on_fault(int sig)
{
	siglongjmp(back, 1);
}

/* A number of the kind that lengths and positions are. */
static uint64_t number(uint64_t now)
{
	switch (draw() % 8) {
	case 0:
		return 0;
	case 1:
		return draw();
	case 2:
		return ~0ul;
	case 3:
		return now + 16;
	case 4:
		return now - 16;
	case 5:
		return now + AGENT_RING_SIZE;
	case 6:
		return draw() % 4096;
	default:
		return now ^ 1ul << (draw() % 64);
	}
}

static void spoil(void)
{
	const struct agent_control *c = (void *)(AGENT_CONTROL + draw() % 2 * 4096);
	uint64_t head = c->head ? c->head : c->read;
	uint64_t where = (head - draw() % 512) % AGENT_RING_SIZE;
	uint64_t *at;

	switch (draw() % 4) {
	case 0: /* of the control pages */
		at = (uint64_t *)((uint8_t *)c + draw() % (sizeof(*c) / 8) * 8);
		break;
	case 1: /* of the slot of its main thread, or of what its process has been told */
		at = (uint64_t *)(draw() % 2 ? AGENT_SLOTS + AGENT_SLOT_SIZE + draw() % 10 * 8
					     : AGENT_PROCESS + draw() % 40 * 8);
		break;
	default:
		at = (uint64_t *)(AGENT_RING + (where & ~7ul));
	}
	if (sigsetjmp(back, 1) == 0)
		*(volatile uint64_t *)at = number(*at);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	int in = open("/dev/zero", O_RDONLY | O_CLOEXEC),
	    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint64_t sum = 0;
	char buf[64];

	state = argc > 1 ? strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ul : 0;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		if (read(in, buf, 1 + i % sizeof(buf)) > 0)
			sum += (uint64_t)buf[0] + 1;
		if (i % 7 == 0 && write(out, buf, sizeof(buf)) < 0)
			sum++;
		if (state && i > PEACEFUL && draw() % 64 == 0)
			spoil();
	}
	printf("at the end: %lu\n", (unsigned long)sum);
	return 0;
}
