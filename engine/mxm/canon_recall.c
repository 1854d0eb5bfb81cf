/* SPDX-License-Identifier: Apache-2.0 */
/* What the normal form kept of a call's inputs, for reports; and the plainest kinds' shapes. */
#include <string.h>

#include "mxm/canon.h"
#include "mxm/canon_shape.h"

enum canon_shape canon_shape(uint8_t kind)
{
	switch (kind) {
	case ARG_NONE:
	case ARG_IGNORED:
	case ARG_ADDR:
	case ARG_FUTEX:
		return SHAPE_NOTHING;
	case ARG_INT:
	case ARG_UINT:
	case ARG_OCT:
	case ARG_FLAGS:
	case ARG_ENUM:
	case ARG_SIG:
	case ARG_FD:
	case ARG_DIRFD:
	case ARG_PID:
	case ARG_TID:
		return SHAPE_WORD;
	case ARG_LONG:
	case ARG_SIZE:
	case ARG_OFF:
	case ARG_HEX:
		return SHAPE_LONG;
	case ARG_PTR:
		return SHAPE_MARK;
	}
	return SHAPE_MEMORY;
}

bool canon_span(const struct call *call, const struct str *form, int i, size_t pos,
	size_t *ret_begin, size_t *ret_len, size_t *ret_next)
{
	const char *in = str_text(form);
	const size_t size = form->len, head = 1 + sizeof(uint64_t) + 1;
	const struct sys_arg *arg = &call->row->args[i];
	uint64_t len;

	*ret_len = 0;
	*ret_begin = *ret_next = pos;
	switch (canon_shape(arg->kind)) {
	case SHAPE_NOTHING:
		return true;
	case SHAPE_WORD:
		*ret_next = pos + 4;
		return true;
	case SHAPE_LONG:
		*ret_next = pos + 8;
		return true;
	case SHAPE_MARK:
		*ret_next = pos + 1;
		return true;
	case SHAPE_MEMORY:
		break;
	}
	switch (arg->kind) {
	case ARG_PATH:
	case ARG_STR:
		if (pos + 1 >= size || in[pos] != MARK_HERE)
			return false;
		*ret_begin = pos + 1;
		*ret_len = strnlen(in + pos + 1, size - pos - 1) + 1;
		*ret_next = *ret_begin + *ret_len;
		return *ret_next <= size;
	case ARG_SIGSET:
	case ARG_IN:
		if (arg->words || pos + head > size || in[pos] != MARK_HERE ||
			in[pos + head - 1] != MARK_HERE)
			return false;
		memcpy(&len, in + pos + 1, sizeof(len));
		if (len > DIGEST_FROM || pos + head + len > size)
			return false;
		*ret_begin = pos + head;
		*ret_len = len;
		*ret_next = *ret_begin + len;
		return true;
	}
	return false;
}

size_t canon_recall(const struct event *event, uint64_t at, void *buf, size_t len)
{
	const struct sys_row *row = event->call.row;
	size_t pos = 0, begin, have, skip;

	for (int i = 0; row && i < row->nargs &&
			canon_span(&event->call, &event->in, i, pos, &begin, &have, &pos);
		i++) {
		if (!have || at < event->call.args[i] || at >= event->call.args[i] + have)
			continue;
		skip = at - event->call.args[i];
		if (len > have - skip)
			len = have - skip;
		memcpy(buf, event->in.data + begin + skip, len);
		return len;
	}
	return 0;
}
