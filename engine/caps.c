/* SPDX-License-Identifier: Apache-2.0 */
#include "caps.h"

#include <errno.h>
#include <sys/capability.h>

static int drop_from_sets(cap_t caps)
{
	const cap_value_t chroot_cap = CAP_SYS_CHROOT;

	if (cap_set_flag(caps, CAP_EFFECTIVE, 1, &chroot_cap, CAP_CLEAR) < 0 ||
		cap_set_flag(caps, CAP_PERMITTED, 1, &chroot_cap, CAP_CLEAR) < 0 ||
		cap_set_flag(caps, CAP_INHERITABLE, 1, &chroot_cap, CAP_CLEAR) < 0)
		return -errno;
	return cap_set_proc(caps) < 0 ? -errno : 0;
}

int caps_drop_chroot(void)
{
	cap_t caps;
	int rc;

	/* EPERM: without CAP_SETPCAP; EINVAL: a kernel without ambient capabilities. */
	if (cap_drop_bound(CAP_SYS_CHROOT) < 0 && errno != EPERM)
		return -errno;
	if (cap_set_ambient(CAP_SYS_CHROOT, CAP_CLEAR) < 0 && errno != EINVAL)
		return -errno;
	caps = cap_get_proc();
	if (!caps)
		return -errno;
	rc = drop_from_sets(caps);
	cap_free(caps);
	return rc;
}
