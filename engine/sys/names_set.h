/* SPDX-License-Identifier: Apache-2.0 */
/* How a set of names is written down. Private to the files that do. */
#ifndef MX_SYS_NAMES_SET_H
#define MX_SYS_NAMES_SET_H

#include "sys/names.h"

/* The order is the order of printing; of names that share bits the first that fits is taken. */
#define SET(name, ...)                                                                             \
	static const struct sys_name list_##name[] = { __VA_ARGS__ };                              \
	const struct sys_print sys_names_##name = {                                                \
		.names = list_##name,                                                              \
		.count = sizeof(list_##name) / sizeof(list_##name[0]),                             \
	};

#define FLAG(x)                                                                                    \
	{                                                                                          \
		(uint32_t)(x), (uint32_t)(x), #x                                                   \
	}
#define FIELD(x, bits)                                                                             \
	{                                                                                          \
		(uint32_t)(x), (bits), #x                                                          \
	}
/* The name of no bit at all. */
#define ZERO(x)                                                                                    \
	{                                                                                          \
		0, ~0ull, #x                                                                       \
	}
/* The value of a choice. */
#define VALUE(x)                                                                                   \
	{                                                                                          \
		(uint32_t)(x), UINT32_MAX, #x                                                      \
	}

#endif
