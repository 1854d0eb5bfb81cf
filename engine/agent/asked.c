/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/asked.h"

#include "agent/form.h"

#define NR_FSTAT       5
#define NR_FCHOWN      93
#define NR_EPOLL_WAIT  232
#define NR_FCHOWNAT    260
#define NR_NEWFSTATAT  262
#define NR_FACCESSAT   269
#define NR_EPOLL_PWAIT 281
#define NR_FACCESSAT2  439
#define AT_EMPTY_PATH  0x1000

static const struct agent_table *const table = (void *)AGENT_TABLE;

static int is_empty(uint64_t path)
{
	return path && !*(const char *)path;
}

static void rename_to(struct asked *c, uint64_t nr, int drop)
{
	c->nr = nr;
	for (int i = drop; i < 5; i++)
		c->a[i] = c->a[i + 1];
	c->a[5] = 0;
}

void asked_rename(struct asked *c)
{
	const struct agent_name *name;
	struct asked other = { 0 };

	if (table->name_of[c->nr] && table->name_of[c->nr] <= AGENT_NAMES_MAX) {
		name = &table->names[table->name_of[c->nr] - 1];
		other.nr = name->nr;
		for (int i = 0; i < 6; i++)
			other.a[i] =
				name->from[i] ? c->a[(name->from[i] - 1) % 6] : name->values[i];
		form_copy(c, &other, sizeof(other));
	}
	switch (c->nr) {
	case NR_NEWFSTATAT:
		if ((uint32_t)c->a[3] == AT_EMPTY_PATH && is_empty(c->a[1]))
			rename_to(c, NR_FSTAT, 1);
		break;
	case NR_FCHOWNAT:
		if ((uint32_t)c->a[4] == AT_EMPTY_PATH && (int32_t)c->a[0] >= 0 &&
			is_empty(c->a[1]))
			rename_to(c, NR_FCHOWN, 1);
		break;
	case NR_FACCESSAT2:
		if (!(uint32_t)c->a[3])
			c->nr = NR_FACCESSAT;
		break;
	case NR_EPOLL_PWAIT:
		if (!c->a[4])
			c->nr = NR_EPOLL_WAIT;
		break;
	}
}
