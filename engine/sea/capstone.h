/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capstone, for x86-64 alone. The static library would bring the tables of all of its architectures
 * along: more than a megabyte of pointers, which every start of the engine would have to relocate.
 */
#ifndef MX_SEA_CAPSTONE_H
#define MX_SEA_CAPSTONE_H

#include <capstone/capstone.h>

/* As cs_open(3) for 64-bit code. To be closed with cs_close(3). */
cs_err capstone_open(csh *ret_cs);

#endif
