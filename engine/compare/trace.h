/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one version did alone: its calls by process and thread, and how it ended. A recorder process
 * fills a trace and sends it; what is compared is made of it afterwards (steady.h).
 */
#ifndef MX_COMPARE_TRACE_H
#define MX_COMPARE_TRACE_H

#include <stdio.h>

#include "base/err.h"
#include "mxm/foresee.h"

/* More is not recorded, and the trace says so. */
#define TRACE_CALLS_MAX	  400000u
#define TRACE_BYTES_MAX	  (512ul << 20)
#define TRACE_THREADS_MAX 65536u

struct trace_call {
	struct foreseen call;
	uint32_t thread; /* index into trace.threads */
	char *key;	 /* equal for calls that ask for the same, whatever the time and the ids */
	size_t key_len;
	char *text;	/* as strace prints it, without the result */
	char *function; /* that issued it; "" where unknown */
};

struct trace_thread {
	char *name; /* where in the tree of births: "1", "1.2" its second child, "1.2:1" a thread */
	uint32_t parent;	       /* index */
	uint32_t nprocesses, nthreads; /* that it made */
	uint64_t tuple;
	int64_t id; /* that the program knew it by */
};

enum trace_end {
	TRACE_EXITED,  /* status: exit status */
	TRACE_KILLED,  /* status: signal */
	TRACE_CRASHED, /* status: signal; a fault that `mx run` would survive */
	TRACE_LEFT,    /* was still there when the time was over, and was ended */
};

struct trace {
	struct trace_call *calls;
	uint32_t ncalls;
	struct trace_thread *threads;
	uint32_t nthreads;
	enum trace_end end;
	int status;
	bool asked_to_end;    /* by SIGTERM, after its workload */
	bool cut;	      /* not everything was recorded */
	char *crash_function; /* or NULL */
	char *note;	      /* what the engine had to say, or NULL */
	int workload_status;  /* as from wait(2); 0 where there was none */
};

void trace_free(struct trace *trace);

/* To a file, and back; for one's own processes: what is read is checked all the same. */
MUST_CHECK int trace_write(const struct trace *trace, FILE *f, struct err *err);
MUST_CHECK int trace_read(FILE *f, struct trace **ret, struct err *err);

/* The end in words: "exits with 0", "crashes with SIGSEGV in hashFind". Appends. */
void trace_print_end(struct str *out, const struct trace *trace);

#endif
