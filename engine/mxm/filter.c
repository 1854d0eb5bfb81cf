/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/wire.h"
#include "base/xalloc.h"
#include "sys/sys.h"
#include "tracee/tracee.h"

#define IP_LOW	(offsetof(struct seccomp_data, instruction_pointer))
#define IP_HIGH (IP_LOW + 4)

/* If the call returns to an address of the gateway, or the agent's: ALLOW or USER_NOTIF. */
static const struct sock_filter gateway_tests[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_HIGH),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GATEWAY_ADDR >> 32, 0, 6),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, IP_LOW),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GATEWAY_ALLOWED, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AGENT_ALLOWED, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GATEWAY_NOTIFY, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
};

/* What the program says of its memory, but whether a fork copies it (unforked.h). */
static int add_advice(scmp_filter_ctx ctx)
{
	int rc = seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SYS_madvise, 1, SCMP_A2(SCMP_CMP_LT, MADV_DONTFORK));

	for (uint64_t advice = MADV_DOFORK; advice < MADV_WIPEONFORK && rc == 0; advice++)
		rc = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SYS_madvise, 1, SCMP_A2(SCMP_CMP_EQ, advice));
	return rc < 0 ? rc
		      : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_madvise, 1,
				SCMP_A2(SCMP_CMP_GT, MADV_WIPEONFORK));
}

static int add_rules(scmp_filter_ctx ctx, struct err *err)
{
	int rc = 0;

	for (uint32_t nr = 0; nr <= sys_max() && rc == 0; nr++) {
		const struct sys_row *row = sys_row(nr);

		if (row && row->class == SYS_LOCAL && (row->flags & SYS_FREE))
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	/* Anonymous private memory is the process's own. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_mmap, 1,
			SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_TYPE | MAP_ANONYMOUS,
				MAP_PRIVATE | MAP_ANONYMOUS));
	if (rc == 0)
		rc = add_advice(ctx);
	return rc < 0 ? err_errno(err, -rc, "seccomp_rule_add") : 0;
}

static int export(scmp_filter_ctx ctx, struct filter *filter, struct err *err)
{
	cleanup_close int fd = memfd_create("mx-filter", MFD_CLOEXEC);
	const unsigned prefix = ARRAY_SIZE(gateway_tests);
	struct stat st;
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "memfd_create");
	rc = seccomp_export_bpf(ctx, fd);
	if (rc < 0)
		return err_errno(err, -rc, "seccomp_export_bpf");
	if (fstat(fd, &st) < 0 || st.st_size % sizeof(struct sock_filter) ||
		st.st_size / sizeof(struct sock_filter) + prefix > BPF_MAXINSNS)
		return err_set(err, EINVAL, "seccomp filter of %ld bytes", (long)st.st_size);
	filter->len = st.st_size / sizeof(struct sock_filter) + prefix;
	filter->code = xreallocarray(NULL, filter->len, sizeof(struct sock_filter));
	memcpy(filter->code, gateway_tests, sizeof(gateway_tests));
	if (pread(fd, filter->code + prefix, st.st_size, 0) != st.st_size)
		return err_set(err, EIO, "seccomp filter cannot be read back");
	return 0;
}

int filter_build(struct filter *ret_filter, struct err *err)
{
	struct filter filter = { 0 };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRACE(0));
	int rc;

	if (!ctx)
		return err_set(err, ENOMEM, "seccomp_init");
	/* 32-bit calls would pass unseen under their own numbers: they end the program. */
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	rc = add_rules(ctx, err);
	if (rc == 0)
		rc = export(ctx, &filter, err);
	seccomp_release(ctx);
	if (rc < 0) {
		filter_free(&filter);
		return rc;
	}
	*ret_filter = filter;
	return 0;
}

void filter_free(struct filter *filter)
{
	free(filter->code);
	*filter = (struct filter){ 0 };
}

int filter_load(const struct filter *filter, int *ret_listener)
{
	struct sock_fprog prog = { filter->len, filter->code };
	long fd;

	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (fd < 0 && errno == EACCES) {
		/* Not CAP_SYS_ADMIN: the kernel then wants no_new_privs. */
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return -errno;
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			&prog);
	}
	if (fd >= 0) {
		*ret_listener = (int)fd;
		return 0;
	}
	if (errno != EBUSY && errno != EINVAL)
		return -errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return -errno;
	*ret_listener = -1;
	return 0;
}
