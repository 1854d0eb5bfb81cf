/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time stamp counter of the monitors. The programs' is made to fault (births.c), and the kernel
 * then writes CR4 at every switch between a task that may read it and one that may not; on a
 * virtual machine that write costs more than all else of a stop. So monitors may not read it
 * either.
 */
#ifndef MX_MXM_TSC_H
#define MX_MXM_TSC_H

#include <stdint.h>

/* Once, before the first monitor: what reads the counter all the same on a monitor is helped on. */
void tsc_init(void);
/* On a monitor thread, from its start. */
void tsc_give_up(void);
/* Until tsc_give_up(): around the start of a process, which would inherit it through execve(2). */
void tsc_take_back(void);

#endif
