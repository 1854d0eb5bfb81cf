/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/permit.h"

static const struct agent_table *const table = (void *)AGENT_TABLE;
static const struct agent_process *const process = (void *)AGENT_PROCESS;

static int has_bit(const uint64_t bits[16], uint64_t fd)
{
	return fd < 1024 && (bits[fd / 64] >> (fd % 64) & 1);
}

/* None, or an absolute one that does not lead through a folder called anything like proc. */
static int is_plain_path(const char *path)
{
	if (!path || (path[0] && path[0] != '/'))
		return 0;
	for (const char *p = path; *p; p++) {
		if (p[0] == 'p' && p[1] == 'r' && p[2] == 'o' && p[3] == 'c')
			return 0;
	}
	return 1;
}

int permit_free(const struct asked *asked)
{
	uint8_t how = table->free[asked->nr];

	if (how == AGENT_NOT_FREE)
		return 0;
	if (how >= AGENT_FREE_ALWAYS || process->identity)
		return 1;
	return how <= AGENT_FREE_PATH_LAST && is_plain_path((const char *)asked->a[how - 1]);
}

int permit_for_all(const struct agent_row *row, const struct asked *asked, uint32_t mode)
{
	for (int i = 0; i < row->nargs; i++) {
		switch (row->args[i].kind) {
		case AGENT_FD:
			if (has_bit(process->private_fds, (uint32_t)asked->a[i]))
				return 0;
			break;
		case AGENT_EVENTS:
			/* The leader's agent records none that would have to be translated. */
			if (mode != AGENT_FOLLOW &&
				!has_bit(process->plain_epolls, (uint32_t)asked->a[0]))
				return 0;
			break;
		case AGENT_PATH:
			/* /proc/PID is another process to a version whose ids the program does not
			 * know. */
			if (mode != AGENT_FOLLOW && !process->identity &&
				!is_plain_path((const char *)asked->a[i]))
				return 0;
			break;
		}
	}
	return 1;
}
