/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests: a program prints TAP and ends with tap_done(). A failed check goes on. */
#ifndef MX_TESTS_TAP_H
#define MX_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 4, 5))) static inline bool tap_check(
	bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!good) {
		tap_failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return good;
}

/* ok(condition, "what must hold, %d", ...) */
#define ok(good, ...) tap_check(good, __FILE__, __LINE__, __VA_ARGS__)

/* Equal text; both are shown where they are not. */
#define is_str(got, want, ...)                                                                     \
	do {                                                                                       \
		const char *got_ = (got), *want_ = (want);                                         \
		if (!ok(strcmp(got_, want_) == 0, __VA_ARGS__))                                    \
			printf("#  got: %s\n# want: %s\n", got_, want_);                           \
	} while (0)

/* Equal integers. */
#define is_int(got, want, ...)                                                                     \
	do {                                                                                       \
		long long got_ = (got), want_ = (want);                                            \
		if (!ok(got_ == want_, __VA_ARGS__))                                               \
			printf("#  got: %lld\n# want: %lld\n", got_, want_);                       \
	} while (0)

/* A check that cannot be made here: says why, and is counted apart. */
static inline void tap_skip(const char *why)
{
	printf("ok %d # SKIP %s\n", ++tap_count, why);
	fflush(stdout);
}

/* A new folder for the test's files, in $TMPDIR; ends the test where it cannot be made. */
static inline const char *tap_folder(void)
{
	static char path[256];
	const char *tmp = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/unit.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(path)) {
		perror(path);
		exit(1);
	}
	return path;
}

/* The plan, and main()'s return value. */
static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
