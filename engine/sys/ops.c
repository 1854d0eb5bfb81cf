/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/ops.h"

#include <asm/prctl.h>
#include <asm/unistd_64.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/msg.h>
#include <linux/prctl.h>
#include <linux/quota.h>
#include <linux/seccomp.h>
#include <linux/sem.h>
#include <linux/shm.h>

#include "sys/rows.h"

/* Newer than the headers of Linux 6.1, or in no header for programs. */
#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY (F_LINUX_SPECIFIC_BASE + 3)
#endif
#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY (F_LINUX_SPECIFIC_BASE + 4)
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif
#ifndef ARCH_CET_STATUS
#define ARCH_CET_STATUS 0x3001
#endif
#ifndef ARCH_SHSTK_ENABLE
#define ARCH_SHSTK_ENABLE  0x5001
#define ARCH_SHSTK_DISABLE 0x5002
#define ARCH_SHSTK_LOCK	   0x5003
#define ARCH_SHSTK_UNLOCK  0x5004
#define ARCH_SHSTK_STATUS  0x5005
#endif
#define LANDLOCK_RULE_NET_PORT 2
#define SYSFS_INDEX_OF_NAME    1
#define SYSFS_NAME_OF_INDEX    2
#define SYSFS_COUNT	       3

#define SECCOMP_REASON                                                                             \
	"its filter would judge, and could end, the calls that the engine makes in the program"

#define OPS_FN	    find_fcntl
#define OPS_CALL    fcntl
#define OPS_DEF	    "sys/fcntl.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_futex
#define OPS_CALL    futex
#define OPS_DEF	    "sys/futex.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_prctl
#define OPS_CALL    prctl
#define OPS_DEF	    "sys/prctl.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_arch_prctl
#define OPS_CALL    arch_prctl
#define OPS_DEF	    "sys/arch_prctl.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_shmctl
#define OPS_CALL    shmctl
#define OPS_DEF	    "sys/shmctl.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_semctl
#define OPS_CALL    semctl
#define OPS_DEF	    "sys/semctl.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_msgctl
#define OPS_CALL    msgctl
#define OPS_DEF	    "sys/msgctl.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_keyctl
#define OPS_CALL    keyctl
#define OPS_DEF	    "sys/keyctl.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_seccomp
#define OPS_CALL    seccomp
#define OPS_DEF	    "sys/seccomp.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_fsconfig
#define OPS_CALL    fsconfig
#define OPS_DEF	    "sys/fsconfig.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_landlock
#define OPS_CALL    landlock_add_rule
#define OPS_DEF	    "sys/landlock.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_sysfs
#define OPS_CALL    sysfs
#define OPS_DEF	    "sys/sysfs.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

/* The low byte of a command is the type of quota. */
#define OPS_FN	    find_quotactl
#define OPS_CALL    quotactl
#define OPS_DEF	    "sys/quotactl.def"
#define OPS_KEY(op) ((op)&0xffffff)
#define QUOTA_WHAT  HEX(cmd), PATH(special)
#include "sys/optable.inc"
#undef QUOTA_WHAT

#define OPS_FN	    find_quotactl_fd
#define OPS_CALL    quotactl_fd
#define OPS_DEF	    "sys/quotactl.def"
#define OPS_KEY(op) ((op)&0xffffff)
#define QUOTA_WHAT  FD(fd), HEX(cmd)
#include "sys/optable.inc"
#undef QUOTA_WHAT

const struct sys_row *sys_ops_find(uint32_t nr, const uint64_t args[6])
{
	const struct sys_row *row;

	switch (nr) {
	case __NR_ioctl:
		row = sys_ioctl_find(args[1], NULL);
		return row ? row : sys_ioctl_sized_find(args[1], NULL);
	case __NR_fcntl:
		return find_fcntl((uint32_t)args[1], NULL);
	case __NR_futex:
		return find_futex((uint32_t)args[1] & FUTEX_CMD_MASK, NULL);
	case __NR_prctl:
		return find_prctl((uint32_t)args[0], NULL);
	case __NR_arch_prctl:
		return find_arch_prctl((uint32_t)args[0], NULL);
	case __NR_setsockopt:
	case __NR_getsockopt:
		return sys_sockopt_find(nr == __NR_setsockopt, args[1], args[2], NULL);
	case __NR_shmctl:
		return find_shmctl((uint32_t)args[1], NULL);
	case __NR_semctl:
		return find_semctl((uint32_t)args[2], NULL);
	case __NR_msgctl:
		return find_msgctl((uint32_t)args[1], NULL);
	case __NR_keyctl:
		return find_keyctl((uint32_t)args[0], NULL);
	case __NR_seccomp:
		return find_seccomp((uint32_t)args[0], NULL);
	case __NR_fsconfig:
		return find_fsconfig((uint32_t)args[1], NULL);
	case __NR_landlock_add_rule:
		return find_landlock((uint32_t)args[1], NULL);
	case __NR_sysfs:
		return find_sysfs((uint32_t)args[0], NULL);
	case __NR_quotactl:
		return find_quotactl((uint32_t)args[0] >> SUBCMDSHIFT, NULL);
	case __NR_quotactl_fd:
		return find_quotactl_fd((uint32_t)args[1] >> SUBCMDSHIFT, NULL);
	}
	return NULL;
}

bool sys_ops_table(size_t i, struct sys_ops *ret_ops)
{
	static const struct sys_row *(*const tables[])(uint64_t op, struct sys_ops * ret_all) = {
		find_fcntl,
		find_futex,
		find_prctl,
		find_arch_prctl,
		find_shmctl,
		find_semctl,
		find_msgctl,
		find_keyctl,
		find_seccomp,
		find_fsconfig,
		find_landlock,
		find_sysfs,
		find_quotactl,
		find_quotactl_fd,
	};
	const size_t count = sizeof(tables) / sizeof(tables[0]);

	if (i < count)
		tables[i](0, ret_ops);
	else if (i == count)
		sys_ioctl_find(0, ret_ops);
	else if (i == count + 1)
		sys_ioctl_sized_find(0, ret_ops);
	else if (i <= count + 3)
		sys_sockopt_find(i == count + 2, 0, 0, ret_ops);
	else
		return false;
	return true;
}
