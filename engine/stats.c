/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "sys/sys.h"

#define SHOWN 12

struct counted {
	uint32_t nr;
	uint64_t n;
};

static int by_count(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : (x->nr > y->nr) - (x->nr < y->nr);
}

static void print_stopped(const struct mxm *mxm, int version, const char *name)
{
	cleanup_free struct counted *calls = xreallocarray(NULL, sys_max() + 1ul, sizeof(*calls));
	cleanup_str struct str text = STR_INIT;

	for (uint32_t nr = 0; nr <= sys_max(); nr++)
		calls[nr] = (struct counted){ nr, mxm_calls_by_ptrace(mxm, version, nr) };
	qsort(calls, sys_max() + 1ul, sizeof(*calls), by_count);
	for (uint32_t i = 0; i <= sys_max() && i < SHOWN && calls[i].n; i++) {
		const struct sys_row *row = sys_row(calls[i].nr);

		str_printf(&text, "%s%s %lu", i ? ", " : "", row ? row->name : "(unknown)",
			calls[i].n);
	}
	fprintf(stderr, "mx: %s, by ptrace: %s\n", name, str_text(&text));
}

void stats_print(struct mxm *mxm, const struct mxm_config *config, uint64_t recoveries)
{
	struct mxm_stats stats;

	mxm_stats(mxm, &stats);
	fprintf(stderr,
		"mx: %lu calls, %lu events, %lu signals, %lu processes, %lu threads, "
		"%lu bytes of payload, %lu stops\n",
		stats.calls, stats.events, stats.signals, stats.processes, stats.threads,
		stats.payload_bytes, stats.stops);
	fprintf(stderr, "mx: %lu recoveries, %lu turns lost by spinning\n", recoveries,
		stats.spins);
	for (int v = 0; v < config->nversions; v++) {
		fprintf(stderr, "mx: %s: %lu calls by its agent, %lu by ptrace\n",
			config->versions[v].name, stats.agent_calls[v], stats.version_calls[v]);
		print_stopped(mxm, v, config->versions[v].name);
	}
}
