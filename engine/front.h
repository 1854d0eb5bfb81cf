/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the caller of `mx run` sees: a process that ends as the program did, and passes on the
 * signals that it is sent. The engine itself is its child, so that it can outlive it with a program
 * that became a daemon; as the init of a container there is one process only.
 */
#ifndef MX_FRONT_H
#define MX_FRONT_H

#include "director.h"

struct front {
	struct director_config config;
	const char *log_path, *control; /* NULL: none */
	bool init;
	bool verbose;
};

/* Runs both versions to the end. Returns the exit status; does not, where a signal ended them. */
int front_run(struct front *f);

#endif
