/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System-call sites that jump to the agent. A site is patched where its neighbours allow it: the
 * instruction before is `mov $nr,%eax`, or the one after is a comparison of the result or a return
 * to which nothing else jumps. Only in files that are mapped, never in code made at run time.
 */
#ifndef MX_MXM_PATCH_H
#define MX_MXM_PATCH_H

#include "mxm/state.h"

/* Hot sites and stubs of one address space of one version. */
struct patches;

struct patches *patches_new(void);
void patches_free(struct patches *patches);

/*
 * STOP_SECCOMP: counts the call at its site, and patches a hot one. True: the registers are set so
 * that the task makes the call anew through its stub; the caller resumes it.
 */
bool patches_count(struct patches *patches, struct task *task);

/*
 * Where a call that was begun at a site before it was patched has to return to, since the jump
 * covers the instruction after it; @rip, that of a call's entry, where there is no such site.
 * Threads of a version alone run side by side: one may stand at its entry, not yet looked at, while
 * the site is patched for another.
 */
uint64_t patches_return(const struct patches *patches, uint64_t rip);

/* The same for a copy of the address space. */
struct patches *patches_copy(const struct patches *patches);

/* Where to go on instead of at @rip, in a stub before its call; @rip itself elsewhere. */
uint64_t patches_site(const struct patches *patches, uint64_t rip);

/* The site whose stub @rip lies in, as if it were not patched; @rip itself where there is none. */
uint64_t patches_origin(const struct patches *patches, uint64_t rip);

#endif
