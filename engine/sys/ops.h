/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are many calls in one: which of their rows a call is. Private to engine/sys. */
#ifndef MX_SYS_OPS_H
#define MX_SYS_OPS_H

#include <stddef.h>

#include "sys/sys.h"

struct sys_ops {
	const struct sys_row *rows;
	size_t count;
};

/* The operation's row, NULL: its table does not know it, or the call has no table. */
const struct sys_row *sys_ops_find(uint32_t nr, const uint64_t args[6]);

/* The @i-th table, false: there are no more. */
bool sys_ops_table(size_t i, struct sys_ops *ret_ops);

const struct sys_row *sys_ioctl_find(uint32_t request, struct sys_ops *ret_all);
const struct sys_row *sys_ioctl_sized_find(uint32_t request, struct sys_ops *ret_all);
const struct sys_row *sys_sockopt_find(
	bool set, uint64_t level, uint64_t name, struct sys_ops *ret_all);

#endif
