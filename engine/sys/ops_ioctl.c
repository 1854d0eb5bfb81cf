/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/ops.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <asm/unistd_64.h>
#include <linux/blkpg.h>
#include <linux/cdrom.h>
#include <linux/dm-ioctl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/hdreg.h>
#include <linux/if_tun.h>
#include <linux/input.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/msdos_fs.h>
#include <linux/mtio.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <linux/ptp_clock.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <linux/vt.h>
#include <linux/watchdog.h>
#include <linux/wireless.h>
#include <scsi/sg.h>

#include "sys/rows.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif
#ifndef BLKDISCARDZEROES
#define BLKDISCARDZEROES _IO(0x12, 124)
#endif

#define OPS_FN	    find_request
#define OPS_CALL    ioctl
#define OPS_DEF	    "sys/ioctl.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

const struct sys_row *sys_ioctl_find(uint32_t request, struct sys_ops *ret_all)
{
	return find_request(request, ret_all);
}

/* Requests that carry the length of their buffer: the key leaves it out. */
#define WITHOUT_SIZE(request) ((request) & ~(uint32_t)(_IOC_SIZEMASK << _IOC_SIZESHIFT))

#define OPS_FN	    find_sized
#define OPS_CALL    ioctl
#define OPS_DEF	    "sys/ioctl_sized.def"
#define OPS_KEY(op) WITHOUT_SIZE(op(0))
#include "sys/optable.inc"

const struct sys_row *sys_ioctl_sized_find(uint32_t request, struct sys_ops *ret_all)
{
	return find_sized(WITHOUT_SIZE(request), ret_all);
}
