/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one stop costs on this machine, whatever is built on it: a call that a seccomp filter hands
 * to its tracer, which reads the registers and lets it go on. Prints nanoseconds, the median of
 * several rounds. Tracer and tracee share the CPU that this is started on.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15
#define STOPS  1000

static void be_traced(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };

	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 || raise(SIGSTOP) ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		_exit(1);
	for (;;)
		syscall(SYS_getppid);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void serve(pid_t tracee, int n)
{
	struct user_regs_struct regs;
	int status;

	for (int i = 0; i < n; i++) {
		if (ptrace(PTRACE_CONT, tracee, 0, 0) < 0 ||
			waitpid(tracee, &status, 0) != tracee || !WIFSTOPPED(status) ||
			ptrace(PTRACE_GETREGS, tracee, 0, &regs) < 0)
			exit(1);
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	double rounds[ROUNDS];
	pid_t tracee = fork();
	int status;

	if (tracee == 0)
		be_traced();
	if (tracee < 0 || waitpid(tracee, &status, 0) != tracee ||
		ptrace(PTRACE_SETOPTIONS, tracee, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) < 0)
		return 1;
	serve(tracee, STOPS);
	for (int i = 0; i < ROUNDS; i++) {
		double begin = now();

		serve(tracee, STOPS);
		rounds[i] = (now() - begin) / STOPS;
	}
	kill(tracee, SIGKILL);
	qsort(rounds, ROUNDS, sizeof(rounds[0]), by_size);
	printf("%.0f\n", rounds[ROUNDS / 2]);
	return 0;
}
