/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/agent_table.h"

#include <assert.h>
#include <string.h>
#include <sys/syscall.h>

#include "mxm/rules.h"

static bool put_arg(const struct sys_row *row, int i, struct agent_row *out)
{
	const struct sys_arg *arg = &row->args[i];
	uint8_t kind = AGENT_NONE;

	switch (arg->kind) {
	case ARG_NONE:
	case ARG_IGNORED:
	case ARG_ADDR:
		break;
	case ARG_FD:
	case ARG_DIRFD:
		kind = AGENT_FD;
		break;
	case ARG_INT:
	case ARG_UINT:
	case ARG_OCT:
	case ARG_FLAGS:
	case ARG_ENUM:
		kind = AGENT_VALUE4;
		break;
	case ARG_LONG:
	case ARG_SIZE:
	case ARG_OFF:
	case ARG_HEX:
		kind = AGENT_VALUE8;
		break;
	case ARG_IN:
		if (arg->len != LEN_ARG || arg->size != 1 || arg->words || arg->head)
			return false;
		kind = AGENT_IN;
		break;
	case ARG_INOUT:
		if (arg->when || arg->words || arg->head || arg->len != LEN_FIXED ||
			arg->size > 4096)
			return false;
		kind = AGENT_INOUT;
		break;
	case ARG_PATH:
		kind = AGENT_PATH;
		break;
	case ARG_STR:
		kind = AGENT_STRING;
		break;
	case ARG_OUT:
		if (arg->when || arg->head ||
			(arg->len == LEN_RESULT && (arg->size != 1 || arg->from < 0)))
			return false;
		if (arg->len != LEN_RESULT && (arg->len != LEN_FIXED || arg->size > 4096))
			return false;
		kind = arg->len == LEN_RESULT ? AGENT_OUT_RES : AGENT_OUT;
		break;
	case ARG_IOV_IN:
		kind = AGENT_IOV_IN;
		break;
	case ARG_IOV_OUT:
		kind = AGENT_IOV_OUT;
		break;
	case ARG_SOCKADDR_OUT:
		kind = AGENT_ADDRESS;
		break;
	case ARG_SOCKADDR_IN:
		kind = AGENT_NAME;
		break;
	case ARG_SOCKLEN:
		kind = AGENT_LENGTH;
		break;
	case ARG_EPOLL_EVENTS:
		kind = AGENT_EVENTS;
		break;
	case ARG_MSG_IN:
		kind = AGENT_MESSAGE;
		break;
	default:
		return false;
	}
	out->args[i].kind = kind;
	out->args[i].from = arg->from;
	out->args[i].size = arg->size;
	return true;
}

_Static_assert(AGENT_CLOCKS == CLOCKS_SEEN, "the agent remembers as many clocks");

/* A clock's call: where its value goes, and which of the remembered ones it is. */
static void put_clock(uint32_t nr, struct agent_row *out)
{
	struct call first = { .nr = nr }, second = { .nr = nr, .args = { 1 } };
	size_t len;
	int arg, clock = rules_clock(&first, &arg, &len);

	if (clock < 0)
		return;
	out->clock_arg = (uint8_t)(arg + 1);
	out->clock_words = (uint8_t)(len / sizeof(uint64_t));
	out->clock = rules_clock(&second, &arg, &len) == clock ? (uint8_t)clock : AGENT_CLOCK_BY_ID;
}

static bool is_clock(uint32_t nr)
{
	struct agent_row row = { 0 };

	put_clock(nr, &row);
	return row.clock_arg != 0;
}

/* With roots of their own, a file's name says which versions have the file: paths.h. */
static bool has_name(const struct sys_row *row)
{
	for (int i = 0; i < row->nargs; i++) {
		if (row->args[i].kind == ARG_PATH)
			return true;
	}
	return false;
}

static bool make_row(const struct sys_row *row, const struct mxm *mxm, struct agent_row *out)
{
	const bool opens = row->nr == SYS_openat, closes = row->nr == SYS_close;

	*out = (struct agent_row){ .nargs = row->nargs };
	if ((row->class != SYS_SHARED && !closes) ||
		(row->flags & (SYS_RAISES | SYS_ADDR_RESULT | SYS_FREE)) ||
		((row->flags & SYS_NEWFD) && !opens) ||
		(row->special != SPECIAL_NONE && row->special != SPECIAL_PIDS && !opens &&
			!closes && row->nr != SYS_epoll_wait))
		return false;
	/* Each version makes the one itself; by the other, a task gives its baton up. */
	if (row->nr == SYS_set_tid_address || row->nr == SYS_sched_yield)
		return false;
	for (int i = 0; i < row->nargs; i++) {
		if (!put_arg(row, i, out))
			return false;
	}
	if (opens)
		out->flags |= AGENT_OPENS;
	if (closes)
		out->flags |= AGENT_CLOSES;
	/* Of a late descriptor: late.h. */
	if (((row->flags & SYS_BARRIER) || closes) && mxm->config.sync == MXM_BARRIER)
		out->flags |= AGENT_BARRIER;
	if ((mxm->has_roots || mxm->scripts) && has_name(row))
		out->flags |= AGENT_NAMES;
	if (row->flags & SYS_PID_RESULT)
		out->flags |= AGENT_IDS;
	if (row->nr == SYS_epoll_wait)
		out->wait_arg = 4;
	put_clock(row->nr, out);
	return true;
}

/* What needs no account of its own once no other version is to come: no ids, no processes. */
static bool is_free(const struct sys_row *row)
{
	if (row->special == SPECIAL_CLOSE)
		return true;
	if (row->class != SYS_SHARED ||
		(row->flags & (SYS_RAISES | SYS_ADDR_RESULT | SYS_FREE | SYS_PID_RESULT)) ||
		(row->special != SPECIAL_NONE && row->special != SPECIAL_OPEN))
		return false;
	for (int i = 0; i < row->nargs; i++) {
		if (row->args[i].kind == ARG_PID || row->args[i].kind == ARG_TID)
			return false;
	}
	/* Whose data is the same in all versions is told for sets that the engine knows. */
	return row->nr != SYS_epoll_create && row->nr != SYS_epoll_create1 &&
	       row->nr != SYS_sched_yield;
}

static uint8_t how_free(const struct sys_row *row)
{
	uint8_t how = AGENT_FREE_ALWAYS;

	if (!is_free(row))
		return AGENT_NOT_FREE;
	for (int i = 0; i < row->nargs; i++) {
		if (row->args[i].kind == ARG_PATH)
			how = how == AGENT_FREE_ALWAYS ? i + 1 : AGENT_FREE_IF_SAME_IDS;
	}
	return how == AGENT_FREE_ALWAYS && !is_clock(row->nr) ? AGENT_FREE_QUICK : how;
}

/* Of a call that opens, the row is that without a mode: the agent makes no files. */
static const struct sys_row *row_of(uint32_t nr)
{
	const uint64_t no_flags[6] = { 0 };

	return nr == SYS_openat ? sys_resolve(nr, no_flags) : sys_row(nr);
}

void agent_table_build(struct agent_table *ret_table, const struct mxm *mxm)
{
	uint16_t nrs[AGENT_NAMES_MAX];
	uint8_t n = 1;
	int names;

	memset(ret_table, 0, sizeof(*ret_table));
	names = rules_names(ret_table->names, nrs);
	for (int i = 0; i < names; i++)
		ret_table->name_of[nrs[i]] = (uint8_t)(i + 1);
	for (uint32_t nr = 0; nr < AGENT_CALLS && nr <= sys_max(); nr++) {
		const struct sys_row *row = row_of(nr);

		if (row)
			ret_table->free[nr] = how_free(row);
		/* The call that it stands for has the row. */
		if (!row || ret_table->name_of[nr] || !make_row(row, mxm, &ret_table->rows[n]))
			continue;
		ret_table->row_of[nr] = n++;
		assert(n < AGENT_ROWS);
	}
}

bool agent_table_frees(const struct call *call)
{
	const struct sys_row *row =
		call->issued < AGENT_CALLS ? sys_row((uint32_t)call->issued) : NULL;

	return row && is_free(row);
}

/* The agent gives these their usual names as rules_rename() does. */
static bool is_renamed_there(const struct call *call)
{
	switch (call->issued) {
	case SYS_newfstatat:
	case SYS_fchownat:
	case SYS_faccessat2:
	case SYS_epoll_pwait:
		return true;
	}
	return call->nr == rules_other_name(call->issued);
}

bool agent_table_has(const struct call *call, const struct mxm *mxm)
{
	struct agent_row row;

	return call->row && is_renamed_there(call) && call->row == row_of((uint32_t)call->nr) &&
	       call->nr < AGENT_CALLS && make_row(call->row, mxm, &row);
}
