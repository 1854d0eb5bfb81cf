/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's codes for how a call that a signal broke into goes on (include/linux/errno.h): only
 * a tracer sees them, as the call's result.
 */
#ifndef MX_MXM_RESTART_H
#define MX_MXM_RESTART_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

/* The call has done nothing yet: it restarts, or ends with EINTR, as the signal decides. */
static inline bool call_restarts(int64_t result)
{
	return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
	       result == -ERESTART_RESTARTBLOCK;
}

/* The same, or it has ended so already. */
static inline bool call_was_broken_off(int64_t result)
{
	return result == -EINTR || call_restarts(result);
}

#endif
