/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of tests/unit/test_splice.c, built twice: V is 0 for the old version and 1 for the
 * new one. Each round prints a line that tells which version's functions ran, then sends itself
 * SIGUSR1 where the test may exchange them. SIGUSR2 comes from inside a function that differs.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef V
#define V 0
#endif
#define APART __attribute__((noinline))

int lib_weigh(int x);

typedef int (*step_fn)(int);

static long total;				  /* .bss, both versions */
static int marks[8] = { 3, 1, 4, 1, 5, 9, 2, 6 }; /* .data, both versions */
static __thread int mine = 7;			  /* thread-local, both versions */
static step_fn current;

#if V && defined(ADDED_DATA)
static int only_new[4] = { 10, 20, 30, 40 };
static long only_new_total;
#endif

#ifdef GROWN_STRUCT
static struct {
	int first;
#if V
	long grown;
#endif
	long second, third;
} record = { .first = 1, .second = 2, .third = 3 };

APART static long use_record(int x)
{
	record.first += x;
	record.second += record.first * (V ? 3 : 2);
	return record.third += record.second;
}
#endif

#ifdef GROWN_TLS
#if V
static __thread long before[4] = { 1 };
#endif
static __thread long after = 5;
APART static long use_tls(int x)
{
#if V
	before[x & 3] += x;
	return after += before[x & 3];
#else
	return after += x;
#endif
}
#endif

/* The same instructions, another constant. */
APART static int limit(int x)
{
	return x > (V ? 4 : 6) ? marks[x & 7] : ~x;
}

#if V
APART static int added(int x)
{
	total += x;
	return x * 31 + marks[(x + 1) & 7];
}
#else
APART static int removed(int x)
{
	for (int i = 0; i < 8; i++)
		x ^= marks[i] << i;
	return x;
}
#endif

APART static int step_plain(int x)
{
	return x + 1;
}

APART static int step_changed(int x)
{
#if V
	return x * 5 + (int)total % 3;
#else
	return x * 3 - (int)total % 2;
#endif
}

static const step_fn steps[] = { step_plain, step_changed };

APART static const char *name_of(int x)
{
	switch (x) {
	case 0:
		return V ? "nil" : "zero";
	case 1:
		marks[1] ^= 1;
		return "one";
	case 2:
		return V ? "two, anew" : "two";
	case 3:
		total += 3;
		return "three";
	case 4:
		return "four";
	case 5:
		marks[2] ^= 2;
		return V ? "five, anew" : "five";
	case 6:
		total += 6;
		return "six";
	case 7:
		return "seven";
	default:
		return V ? "many, anew" : "many";
	}
}

APART static int choose(int x)
{
	switch (x) {
	case 0:
		return marks[3] * (V ? 3 : 2);
	case 1:
		marks[4]++;
		return (int)total;
	case 2:
		return step_plain(x) * 7;
	case 3:
		total -= 2;
		return marks[x];
	case 4:
		return limit(x);
	case 5:
		puts("five was chosen");
		return 1;
	case 6:
		total ^= 1;
		return mine;
	case 7:
		return (int)strlen(getenv("PATH") ? "path" : "none");
	default:
		return -1;
	}
}

APART static double scaled(int x)
{
	return x * (V ? 1.25 : 1.5) + 0.125;
}

__attribute__((cold)) APART static int complain(int x)
{
	return fprintf(stderr, "odd: %d\n", x);
}

APART static int with_cold(int x)
{
	if (__builtin_expect(x > 1000, 0)) {
		complain(x);
		complain(x * (V ? 3 : 2));
		abort();
	}
	return x ^ (V ? 0x55 : 0x2a);
}

APART static int thread_local_user(int x)
{
	mine += x;
	return mine * (V ? 2 : 3) + x;
}

/* What it stores must be the same function for everybody. */
APART static void pick(int x)
{
	current = x & 1 ? step_changed : step_plain;
	if (V && x < 0)
		current = NULL;
}

APART static const char *which(void)
{
	return current == steps[1] ? "changed" : current == steps[0] ? "plain" : "other";
}

/* An unchanged one that calls back into one that differs. */
APART static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return V ? (x < y) - (x > y) : (x > y) - (x < y);
}

APART static int sorted(int x)
{
	int v[5] = { x, 3, 9, 1, 7 };

	qsort(v, 5, sizeof(v[0]), compare);
	return v[0] * 10000 + v[1] * 1000 + v[4];
}

APART static int halt_inside(int x)
{
	kill(getpid(), SIGUSR2);
	return x * (V ? 7 : 6);
}

#ifdef NEW_IMPORT
APART static int imports(int x)
{
#if V
	return x + (getppid() > 0);
#else
	return x;
#endif
}
#endif

APART static void show(int round, int (*plugin)(int))
{
	int a, b;

#if V
	a = added(round);
#else
	a = removed(round);
#endif
	pick(round);
	b = current(round);
	printf("%d %d %d %s %s %d %.3f %d %d\n", limit(round), a, b, which(), name_of(round % 9),
		choose(round % 8), scaled(round), with_cold(round), thread_local_user(round));
	printf("%d %d %d %d\n", sorted(round), halt_inside(round), lib_weigh(round), plugin(round));
#if V && defined(ADDED_DATA)
	only_new_total += only_new[round & 3];
	printf("total of the new %s\n", only_new_total > 0 ? "grows" : "is lost");
#endif
#ifdef GROWN_STRUCT
	printf("record %ld\n", use_record(round));
#endif
#ifdef GROWN_TLS
	printf("tls %ld\n", use_tls(round));
#endif
#ifdef NEW_IMPORT
	printf("imports %d\n", imports(round));
#endif
	/* What both must agree about does not depend on whose functions ran. */
	total = round;
	marks[0] = 3 + round;
	marks[4] = 5;
	mine = 7;
}

#ifdef LATE
APART static int no_plugin(int x)
{
	return x;
}
#endif

int main(int argc, char **argv)
{
#ifdef LATE
	void *handle = NULL;
	int (*plugin)(int) = no_plugin;

	if (argc < 2)
		return 1;
#else
	void *handle = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	int (*plugin)(int) = handle ? (int (*)(int))dlsym(handle, "plugin_run") : NULL;

	if (!plugin) {
		fprintf(stderr, "no plug-in: %s\n", dlerror());
		return 1;
	}
#endif
	for (int round = 0; round < 10; round++) {
#ifdef LATE
		/* After functions were exchanged the first time. */
		handle = round == 3 ? dlopen("./plugin.so", RTLD_NOW) : NULL;
		plugin = handle ? (int (*)(int))dlsym(handle, "plugin_run") : no_plugin;
#endif
		printf("round %d\n", round);
		show(round, plugin);
		fflush(stdout);
		kill(getpid(), SIGUSR1);
	}
	return 0;
}
