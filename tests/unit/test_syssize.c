/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sizes in the table against the kernel's own headers. The C library's headers are kept out
 * where its structs of the same names differ; those of time and resources do not, and would clash.
 */
#define _LINUX_TIME_H
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include <asm/posix_types.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <asm/unistd_64.h>
#include <linux/blkpg.h>
#include <linux/capability.h>
#include <linux/dm-ioctl.h>
#include <linux/fcntl.h>
#include <linux/fiemap.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/hdreg.h>
#include <linux/landlock.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <linux/mqueue.h>
#include <linux/msg.h>
#include <linux/mtio.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <linux/ptp_clock.h>
#include <linux/quota.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/seccomp.h>
#include <linux/sem.h>
#include <linux/serial.h>
#include <linux/shm.h>
#include <linux/stat.h>
#include <linux/sysinfo.h>
#include <linux/times.h>
#include <linux/utime.h>
#include <linux/utsname.h>
#include <linux/vt.h>
#include <linux/watchdog.h>

#include "sys/names.h"
#include "sys/sys.h"
#include "tap.h"

_Static_assert(SIZEOF_stat == sizeof(struct stat), "stat");
_Static_assert(SIZEOF_statfs == sizeof(struct statfs), "statfs");
_Static_assert(SIZEOF_statx == sizeof(struct statx), "statx");
_Static_assert(SIZEOF_termios == sizeof(struct termios), "termios");
_Static_assert(SIZEOF_winsize == sizeof(struct winsize), "winsize");
_Static_assert(SIZEOF_rusage == sizeof(struct rusage), "rusage");
_Static_assert(SIZEOF_rlimit == sizeof(struct rlimit64), "rlimit64");
_Static_assert(SIZEOF_utsname == sizeof(struct new_utsname), "new_utsname");
_Static_assert(SIZEOF_timespec == sizeof(struct timespec), "timespec");
_Static_assert(SIZEOF_timeval == sizeof(struct timeval), "timeval");
_Static_assert(SIZEOF_itimerspec == sizeof(struct itimerspec), "itimerspec");
_Static_assert(SIZEOF_itimerval == sizeof(struct itimerval), "itimerval");
_Static_assert(SIZEOF_sigset == sizeof(unsigned long), "the kernel's sigset_t");
_Static_assert(SIZEOF_off == sizeof(__kernel_loff_t), "loff_t");
_Static_assert(SIZEOF_id == sizeof(int), "int");
_Static_assert(SIZEOF_open_how == sizeof(struct open_how), "open_how");
_Static_assert(SIZEOF_clone_args == CLONE_ARGS_SIZE_VER0, "clone_args");

static unsigned size_of(uint64_t nr, uint64_t op, int op_at, int arg)
{
	uint64_t args[6] = { 0 };
	const struct sys_row *row;

	if (op_at >= 0)
		args[op_at] = op;
	row = sys_resolve(nr, args);
	if (!row || arg >= row->nargs)
		return 0;
	return row->args[arg].head ? row->args[arg].head : row->args[arg].size;
}

#define CALL_SIZE(name, arg, type)                                                                 \
	is_int(size_of(__NR_##name, 0, -1, arg), sizeof(type), #name ": " #type)
#define REQUEST_SIZE(request, type)                                                                \
	is_int(size_of(__NR_ioctl, request, 1, 2), sizeof(type), #request ": " #type)
#define CONTROL_SIZE(name, cmd, at, arg, type)                                                     \
	is_int(size_of(__NR_##name, cmd, at, arg), sizeof(type), #name " " #cmd ": " #type)

static void test_calls(void)
{
	CALL_SIZE(sysinfo, 0, struct sysinfo);
	CALL_SIZE(times, 0, struct tms);
	CALL_SIZE(utime, 1, struct utimbuf);
	CALL_SIZE(semop, 1, struct sembuf);
	CALL_SIZE(mq_getsetattr, 1, struct mq_attr);
	CALL_SIZE(adjtimex, 0, struct timex);
	CALL_SIZE(clock_adjtime, 1, struct timex);
	CALL_SIZE(capset, 0, struct __user_cap_header_struct);
	CALL_SIZE(capset, 1, struct __user_cap_data_struct[_LINUX_CAPABILITY_U32S_3]);
	CALL_SIZE(futex_waitv, 0, struct futex_waitv);
	CALL_SIZE(gettimeofday, 1, struct timezone);
	CALL_SIZE(settimeofday, 1, struct timezone);
	CALL_SIZE(utimensat, 2, struct timespec[2]);
	CALL_SIZE(futimesat, 2, struct timeval[2]);
	CONTROL_SIZE(landlock_add_rule, LANDLOCK_RULE_PATH_BENEATH, 1, 2,
		struct landlock_path_beneath_attr);
	CONTROL_SIZE(seccomp, SECCOMP_GET_NOTIF_SIZES, 0, 2, struct seccomp_notif_sizes);
	CONTROL_SIZE(shmctl, IPC_STAT, 1, 2, struct shmid64_ds);
	CONTROL_SIZE(shmctl, IPC_SET, 1, 2, struct shmid64_ds);
	CONTROL_SIZE(shmctl, IPC_INFO, 1, 2, struct shminfo64);
	CONTROL_SIZE(shmctl, SHM_INFO, 1, 2, struct shm_info);
	CONTROL_SIZE(semctl, IPC_STAT, 2, 3, struct semid64_ds);
	CONTROL_SIZE(semctl, IPC_INFO, 2, 3, struct seminfo);
	CONTROL_SIZE(msgctl, IPC_STAT, 1, 2, struct msqid64_ds);
	CONTROL_SIZE(msgctl, IPC_INFO, 1, 2, struct msginfo);
	CONTROL_SIZE(fcntl, F_GETLK, 1, 2, struct flock);
	CONTROL_SIZE(fcntl, F_OFD_SETLK, 1, 2, struct flock);
	CONTROL_SIZE(fcntl, F_SETOWN_EX, 1, 2, struct f_owner_ex);
	CONTROL_SIZE(quotactl, (uint64_t)Q_GETQUOTA << SUBCMDSHIFT, 0, 3, struct if_dqblk);
	CONTROL_SIZE(quotactl, (uint64_t)Q_GETINFO << SUBCMDSHIFT, 0, 3, struct if_dqinfo);
}

static void test_requests(void)
{
	REQUEST_SIZE(TCGETS, struct termios);
	REQUEST_SIZE(TCSETSF, struct termios);
	REQUEST_SIZE(TCGETA, struct termio);
	REQUEST_SIZE(TIOCGWINSZ, struct winsize);
	REQUEST_SIZE(TIOCGPGRP, int);
	REQUEST_SIZE(TIOCGSERIAL, struct serial_struct);
	REQUEST_SIZE(TIOCGICOUNT, struct serial_icounter_struct);
	REQUEST_SIZE(TIOCGRS485, struct serial_rs485);
	REQUEST_SIZE(FIONREAD, int);
	REQUEST_SIZE(FIONBIO, int);
	REQUEST_SIZE(FITRIM, struct fstrim_range);
	REQUEST_SIZE(FICLONERANGE, struct file_clone_range);
	REQUEST_SIZE(FIDEDUPERANGE, struct file_dedupe_range);
	REQUEST_SIZE(FS_IOC_FIEMAP, struct fiemap);
	REQUEST_SIZE(FS_IOC_FSGETXATTR, struct fsxattr);
	REQUEST_SIZE(VT_GETSTATE, struct vt_stat);
	REQUEST_SIZE(VT_GETMODE, struct vt_mode);
	REQUEST_SIZE(HDIO_GETGEO, struct hd_geometry);
	REQUEST_SIZE(LOOP_GET_STATUS, struct loop_info);
	REQUEST_SIZE(LOOP_GET_STATUS64, struct loop_info64);
	REQUEST_SIZE(LOOP_CONFIGURE, struct loop_config);
	REQUEST_SIZE(MTIOCTOP, struct mtop);
	REQUEST_SIZE(MTIOCGET, struct mtget);
	REQUEST_SIZE(MTIOCPOS, struct mtpos);
	REQUEST_SIZE(RTC_RD_TIME, struct rtc_time);
	REQUEST_SIZE(RTC_WKALM_RD, struct rtc_wkalrm);
	REQUEST_SIZE(WDIOC_GETSUPPORT, struct watchdog_info);
	REQUEST_SIZE(PTP_CLOCK_GETCAPS, struct ptp_clock_caps);
	REQUEST_SIZE(RNDADDENTROPY, struct rand_pool_info);
	REQUEST_SIZE(TCGETS2, struct termios2);
	is_int(__builtin_offsetof(struct dm_ioctl, data_size), 12, "where dm_ioctl's length is");
	is_int(__builtin_offsetof(struct fiemap, fm_extent_count), 24, "where fiemap's length is");
	is_int(sizeof(struct fiemap_extent), 56, "one extent");
	is_int(__builtin_offsetof(struct file_dedupe_range, dest_count), 16,
		"where dedupe's length is");
	is_int(sizeof(struct file_dedupe_range_info), 32, "one destination");
	is_int(__builtin_offsetof(struct perf_event_attr, size), 4,
		"where perf_event_attr's length is");
}

int main(void)
{
	test_calls();
	test_requests();
	return tap_done();
}
