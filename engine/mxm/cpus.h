/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's CPUs: which of them has nothing to do, and how long a task was kept from one. */
#ifndef MX_MXM_CPUS_H
#define MX_MXM_CPUS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CPUS_SEEN 64

/* How long each CPU has had nothing to do, ever, in ticks of /proc/stat; and all of them together
 * have run. */
struct cpus_idle {
	uint64_t idle[CPUS_SEEN], all[CPUS_SEEN];
};

/* The @n-th of @set, from the beginning again where it has fewer; -1: it is empty. */
int cpus_nth(const cpu_set_t *set, unsigned n);
/* Which of @set @cpu is. */
unsigned cpus_index(const cpu_set_t *set, int cpu);

/*
 * The CPU of @set that has had the least to do since @idle was last looked at, if that is next to
 * nothing while @own was busy; @own is none of them. What is nice gives way, and is nothing to do.
 * -1: there is none, or it cannot be told. cpus_pick() reads the text of /proc/stat.
 */
int cpus_idlest(struct cpus_idle *idle, const cpu_set_t *set, int own);
int cpus_pick(struct cpus_idle *idle, const char *stat, const cpu_set_t *set, int own);

/* How long, ever, the thread could have run and had no CPU, in nanoseconds; 0: not known. */
uint64_t cpus_delay(pid_t tid);

/* How many pause instructions take @ns nanoseconds. */
uint32_t cpus_pauses(uint64_t ns);

#endif
