/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/unforked.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/xalloc.h"

#define SMAPS_MAX (256u << 20)

void unforked_free(struct unforked *u)
{
	free(u->v);
	*u = (struct unforked){ 0 };
}

void unforked_note(struct task *task)
{
	const uint64_t advice = task->call.args[2];

	if (advice == MADV_DONTFORK || advice == MADV_WIPEONFORK)
		task->tuple->proc->marks_memory = true;
}

static int advise(struct tracee *t, const struct unforked_range *r, int advice, struct err *err)
{
	long made;
	int rc = tracee_remote(
		t, false, &made, SYS_madvise, r->start, r->len, (uint64_t)advice, 0, 0, 0);

	if (rc == 0 && made < 0)
		rc = (int)made;
	return rc < 0 ? err_errno(err, -rc, "memory that a fork does not copy") : 0;
}

static void add(struct unforked *u, uint64_t start, uint64_t end, int advice)
{
	u->v = xreallocarray(u->v, u->n + 1, sizeof(*u->v));
	u->v[u->n++] = (struct unforked_range){ start, end - start, advice };
}

/* By the flags of each mapping, see smaps in proc(5). */
static void find(char *smaps, struct unforked *ret)
{
	uint64_t start = 0, end = 0, from, to;
	char *line;

	while (smaps && (line = strsep(&smaps, "\n"))) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2) {
			start = from;
			end = to;
		} else if (str_starts(line, "VmFlags:")) {
			if (strstr(line, " dc"))
				add(ret, start, end, MADV_DONTFORK);
			if (strstr(line, " wf"))
				add(ret, start, end, MADV_WIPEONFORK);
		}
	}
}

int unforked_open(struct tracee *t, struct unforked *ret, struct err *err)
{
	cleanup_unforked struct unforked u = { 0 };
	cleanup_str struct str smaps = STR_INIT;
	char path[64];
	size_t n = 0;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/smaps", t->tgid);
	rc = io_read_file(path, SMAPS_MAX, &smaps, err);
	if (rc < 0)
		return rc;
	find(smaps.data, &u);
	for (; n < u.n && rc == 0; n += rc == 0)
		rc = advise(t, &u.v[n],
			u.v[n].advice == MADV_DONTFORK ? MADV_DOFORK : MADV_KEEPONFORK, err);
	/* On failure, too, for what is to be set again. */
	u.n = n;
	*ret = u;
	u = (struct unforked){ 0 };
	return rc;
}

int unforked_close(const struct unforked *u, struct tracee *t, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < u->n && rc == 0; i++)
		rc = advise(t, &u->v[i], u->v[i].advice, err);
	return rc;
}
