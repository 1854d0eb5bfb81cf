/* SPDX-License-Identifier: Apache-2.0 */
/* What victims share: they print what they saw, line by line, and stop where a call fails. */
#ifndef MX_VICTIM_H
#define MX_VICTIM_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A call that has to succeed; its value. */
#define MUST(call)                                                                                 \
	({                                                                                         \
		long must_result = (long)(call);                                                   \
		if (must_result == -1) {                                                           \
			printf("%s: %s\n", #call, strerror(errno));                                \
			fflush(stdout);                                                            \
			_exit(99);                                                                 \
		}                                                                                  \
		must_result;                                                                       \
	})

/* Something that has to be true; says which where it is not. */
#define SEE(what) printf("%s: %s\n", #what, (what) ? "yes" : "no")

#endif
