/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/cpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"

/* In hundredths of the time. */
#define IDLE 85
#define BUSY 60
/* Ticks without which nothing can be said. */
#define TICKS_MIN 5

#define TRIED 2000

int cpus_nth(const cpu_set_t *set, unsigned n)
{
	unsigned count = (unsigned)CPU_COUNT(set);

	if (!count)
		return -1;
	n %= count;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, set) && n-- == 0)
			return cpu;
	}
	return -1;
}

unsigned cpus_index(const cpu_set_t *set, int cpu)
{
	unsigned n = 0;

	for (int i = 0; i < cpu; i++)
		n += CPU_ISSET(i, set) != 0;
	return n;
}

/* A line of /proc/stat, proc_stat(5): user nice system idle iowait irq softirq steal. */
static bool read_line(const char *line, int *ret_cpu, uint64_t *ret_idle, uint64_t *ret_all)
{
	unsigned long t[8] = { 0 };

	if (sscanf(line, "cpu%d %lu %lu %lu %lu %lu %lu %lu %lu", ret_cpu, t, t + 1, t + 2, t + 3,
		    t + 4, t + 5, t + 6, t + 7) < 6)
		return false;
	*ret_idle = t[1] + t[3] + t[4];
	*ret_all = 0;
	for (unsigned i = 0; i < 8; i++)
		*ret_all += t[i];
	return true;
}

int cpus_pick(struct cpus_idle *idle, const char *stat, const cpu_set_t *set, int own)
{
	unsigned best = IDLE;
	bool busy = false;
	int found = -1, cpu;

	for (const char *line = strstr(stat, "\ncpu"); line; line = strstr(line + 1, "\ncpu")) {
		uint64_t idle_now, all_now, free, all;

		if (!read_line(line + 1, &cpu, &idle_now, &all_now) || cpu < 0 || cpu >= CPUS_SEEN)
			continue;
		free = idle_now - idle->idle[cpu];
		all = all_now - idle->all[cpu];
		idle->idle[cpu] = idle_now;
		idle->all[cpu] = all_now;
		if (all < TICKS_MIN || free > all)
			continue;
		if (cpu == own)
			busy = (all - free) * 100 >= all * BUSY;
		else if (CPU_ISSET(cpu, set) && free * 100 >= all * best) {
			best = (unsigned)(free * 100 / all);
			found = cpu;
		}
	}
	return busy ? found : -1;
}

int cpus_idlest(struct cpus_idle *idle, const cpu_set_t *set, int own)
{
	cleanup_str struct str text = STR_INIT;

	if (io_read_file("/proc/stat", 1 << 20, &text, NULL) < 0)
		return -1;
	return cpus_pick(idle, str_text(&text), set, own);
}

uint64_t cpus_delay(pid_t tid)
{
	cleanup_str struct str text = STR_INIT;
	unsigned long ran, waited;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", tid);
	if (io_read_file(path, 256, &text, NULL) < 0 ||
		sscanf(str_text(&text), "%lu %lu", &ran, &waited) != 2)
		return 0;
	return waited;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ul + ts.tv_nsec;
}

uint32_t cpus_pauses(uint64_t ns)
{
	uint64_t begun = now(), took;

	for (int i = 0; i < TRIED; i++)
		__builtin_ia32_pause();
	took = now() - begun;
	return (uint32_t)(ns * TRIED / (took ? took : 1));
}
