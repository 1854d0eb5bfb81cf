/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One traced thread: stop and resume, registers, memory, remote calls. The only code that calls
 * ptrace(2). A tracee belongs to the engine thread that seized it (ptrace(2), "Attaching and
 * detaching"); every function here must run on that thread.
 *
 * A tracee can vanish at any moment (SIGKILL). Functions then return -ESRCH, which is not an error
 * to report: the caller's event loop will see the end of the tracee by tracee_wait().
 *
 * "Stopped" below means: in a ptrace stop that tracee_wait() has reported.
 */
#ifndef MX_TRACEE_TRACEE_H
#define MX_TRACEE_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/err.h"

/* An address in a tracee; never a C pointer. */
struct raddr {
	uint64_t addr;
};

static inline struct raddr raddr(uint64_t addr)
{
	return (struct raddr){ addr };
}

/*
 * The gateway: two pages that the engine maps into every program at a fixed address, below where
 * any linker puts a program. The first holds code, the second is scratch memory for remote calls.
 * The pre-filter knows the two addresses that a call can return to in the code page.
 */
#define GATEWAY_ADDR	     0x100000ul
#define GATEWAY_SYSCALL	     (GATEWAY_ADDR)	/* syscall */
#define GATEWAY_ALLOWED	     (GATEWAY_ADDR + 2) /* a call returning here is let through */
#define GATEWAY_NOTIFY	     (GATEWAY_ADDR + 16) /* a call returning here asks the engine; jmp *%rcx */
#define GATEWAY_PARK	     (GATEWAY_ADDR + 32) /* pause for ever, for a tracee between two tracers */
#define GATEWAY_SCRATCH	     (GATEWAY_ADDR + 4096)
#define GATEWAY_SCRATCH_SIZE 4096
#define GATEWAY_SIZE	     8192

/* An address space and the way into it; shared by the threads of a process. */
struct mm {
	unsigned refs;
	int fd;		 /* /proc/PID/mem opened when the space was new, or -1 */
	bool no_vm;	 /* process_vm_readv(2) was refused: use `fd` */
	bool no_fd;	 /* `fd` was refused as well: use PTRACE_PEEKDATA */
	bool no_gateway; /* the gateway is not mapped (yet) */
};

struct tracee {
	pid_t tid;
	pid_t tgid;
	struct mm *mm;
	struct user_regs_struct regs; /* valid while regs_known */
	bool regs_known;
	bool regs_dirty;
	bool interrupted; /* since it was last resumed */
};

enum stop_kind {
	STOP_SECCOMP,	 /* at the entry of a call that the pre-filter does not let run */
	STOP_EXIT_CALL,	 /* at the exit of a call, after RESUME_TO_EXIT */
	STOP_SIGNAL,	 /* about to be given a signal */
	STOP_GROUP,	 /* job control stopped the process (SIGSTOP, SIGTSTP, ...) */
	STOP_NEW,	 /* the first stop of a new thread or process, and after PTRACE_INTERRUPT */
	STOP_FORK,	 /* in fork, vfork or clone: `child` is there */
	STOP_VFORK_DONE, /* vfork's child has let go of the memory */
	STOP_EXEC,	 /* a new program is in place; `former` is the thread that called execve */
	STOP_DYING,	 /* about to end; memory and registers can still be read */
	STOP_GONE,	 /* ended and reaped; `status` as from wait(2) */
};

struct stop {
	enum stop_kind kind;
	pid_t tid;
	int sig;      /* STOP_SIGNAL, STOP_GROUP */
	pid_t child;  /* STOP_FORK */
	pid_t former; /* STOP_EXEC */
	int status;   /* STOP_GONE, STOP_DYING */
};

enum resume_how {
	RESUME_RUN,	/* until the next stop that the filter or a signal makes */
	RESUME_TO_EXIT, /* as RESUME_RUN, and stop at the exit of the call that it is in */
	RESUME_LISTEN,	/* stay in the group stop, report its end (after STOP_GROUP only) */
};

/*
 * Seizes thread @tid of any process that the kernel lets us trace; it goes on running. -EPERM
 * is explained in @err (what refused it, what to do).
 */
MUST_CHECK int tracee_seize(pid_t tid, struct err *err);

/*
 * Waits for the next stop of any tracee of this engine thread. Returns 0; -EINTR when a signal
 * came (a poke); -ECHILD when this thread has none left.
 */
MUST_CHECK int tracee_wait(struct stop *ret_stop);

/* As proc(5) has it: 'S', 'Z' …; '\0': it is gone. */
char thread_state(pid_t tid);
/* A mask of proc(5)'s status, such as "SigBlk:"; bit SIG-1. 0: it is gone. */
uint64_t thread_signals(pid_t tid, const char *which);
/* Of its process, as the engine's namespace numbers it; 0: it is gone. */
pid_t thread_parent(pid_t tid);

/*
 * As tracee_wait() for the tracee @tid alone; goes on after signals. -ESRCH, when a signal comes:
 * it is a main thread that has ended, of which nothing is heard before all others of its process
 * have.
 */
MUST_CHECK int tracee_wait_for(pid_t tid, struct stop *ret_stop);

/*
 * As tracee_wait_for(), without waiting: -EAGAIN where it has not stopped. @tid -1: any tracee of
 * this engine thread.
 */
MUST_CHECK int tracee_poll_for(pid_t tid, struct stop *ret_stop);

/* Continues a stopped tracee with its registers as changed, and with signal @sig if not 0. */
int tracee_resume(struct tracee *t, enum resume_how how, int sig);

/*
 * Stopped in user mode: lets it execute one instruction. -EAGAIN: it came to another stop than that
 * of the step, *@ret_stop, which is the caller's to serve.
 */
MUST_CHECK int tracee_step(struct tracee *t, struct stop *ret_stop);

/*
 * Makes a running tracee stop soon (STOP_NEW). One that comes to any other stop before does not
 * come to that: the kernel forgets the interrupt there.
 */
int tracee_interrupt(struct tracee *t);

/* Stopped: its registers; fetched once a stop. NULL: it vanished. Change them with tracee_touch().
 */
struct user_regs_struct *tracee_regs(struct tracee *t);

/* As tracee_regs(), and the registers are written back before the tracee runs. */
struct user_regs_struct *tracee_touch(struct tracee *t);

/* Writes changed registers back now. Stopped only. */
MUST_CHECK int tracee_flush(struct tracee *t);

/* Floating point, vectors and the like, of a stopped thread; the caller frees *@ret_state. */
MUST_CHECK int tracee_get_xstate(struct tracee *t, void **ret_state, size_t *ret_len);
MUST_CHECK int tracee_set_xstate(struct tracee *t, const void *state, size_t len);

/* Stopped in STOP_SIGNAL: what it is about to be given. */
MUST_CHECK int tracee_get_siginfo(struct tracee *t, siginfo_t *ret_info);
MUST_CHECK int tracee_set_siginfo(struct tracee *t, const siginfo_t *info);
/*
 * Stopped: from the @from-th on, up to @n of the signals that wait for the thread, or (@shared) for
 * its process. Returns how many, or -errno.
 */
MUST_CHECK int tracee_peek_signals(
	struct tracee *t, bool shared, unsigned from, siginfo_t *ret_infos, unsigned n);
/* Stopped: the mask of blocked signals, as the kernel's 64 bits. */
MUST_CHECK int tracee_get_sigmask(struct tracee *t, uint64_t *ret_mask);
MUST_CHECK int tracee_set_sigmask(struct tracee *t, uint64_t mask);

/*
 * Lets a stopped tracee go so that another engine thread can seize it: it sleeps in the gateway
 * with all signals blocked. The other thread calls tracee_unpark() after seizing it, with the
 * registers and the mask that this one returns. -ENOSYS: it has no gateway.
 */
struct parked {
	struct user_regs_struct regs;
	uint64_t sigmask;
};
MUST_CHECK int tracee_park(struct tracee *t, struct parked *ret_parked);
MUST_CHECK int tracee_unpark(struct tracee *t, const struct parked *parked, struct err *err);

/* memory (mem.c) */

struct mm *mm_open(pid_t pid);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm);

/* Reads or writes all of it. Returns 0, -EFAULT (not mapped), -ESRCH. Stopped, or in a call. */
MUST_CHECK int tracee_read(struct tracee *t, struct raddr at, void *buf, size_t len);
MUST_CHECK int tracee_write(struct tracee *t, struct raddr at, const void *buf, size_t len);
/* Reads up to @len bytes, stopping at the first page that is not there. Returns how many. */
size_t tracee_read_some(struct tracee *t, struct raddr at, void *buf, size_t len);
/* Appends the string at @at without its NUL; -ENAMETOOLONG past @max bytes. */
struct str;
MUST_CHECK int tracee_read_str(struct tracee *t, struct raddr at, size_t max, struct str *out);
/* Writes through page protection (POKEDATA); for code. Stopped only. */
MUST_CHECK int tracee_poke(struct tracee *t, struct raddr at, const void *buf, size_t len);

/* remote calls (remote.c) */

/*
 * Runs a system call in a stopped tracee and gives its result (-errno included). All registers and
 * the signal mask are as before; signals that come meanwhile stay pending. In a STOP_SECCOMP stop
 * the pending call is *given up*: the tracee is afterwards as if it stood at the call's exit (rax
 * as the registers say), and tracee_retry_call() makes it issue the call again.
 */
MUST_CHECK int tracee_remote(struct tracee *t, bool at_entry, long *ret_result, long nr,
	uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

/*
 * As tracee_remote() for the @n calls at @calls, with two stops for all of them. The agent's code
 * is mapped, its batch at @code, and so is its first slot. Results are in the places of the
 * numbers. -EFAULT: the tracee faulted on the way; some of the calls may have been made.
 */
struct agent_batched;
#define TRACEE_BATCH_MAX 16
MUST_CHECK int tracee_remote_batch(
	struct tracee *t, bool at_entry, uint64_t code, struct agent_batched *calls, int n);

/* Stopped at a call's entry or exit: makes the tracee issue the call @nr anew when it runs. */
void tracee_retry_call(struct tracee *t, uint64_t nr);

/* STOP_SECCOMP: the pending call is not made; the program sees @result. */
void tracee_skip_call(struct tracee *t, int64_t result);

/* Stopped at its first instruction after exec: maps the gateway. */
MUST_CHECK int tracee_map_gateway(struct tracee *t, struct err *err);

/* exec (start.c) */

struct start {
	uint64_t entry; /* where the program's own code begins (AT_ENTRY) */
};

/*
 * STOP_EXEC: reads the auxiliary vector; hides the vDSO, and puts @random (16 bytes) in the place
 * of the bytes of AT_RANDOM, so that no version differs by them.
 */
MUST_CHECK int tracee_prepare_start(
	struct tracee *t, const uint8_t random[16], struct start *ret_start, struct err *err);

/* Plants and takes out a breakpoint (int3); *@saved is the byte that was there. */
MUST_CHECK int tracee_plant(struct tracee *t, struct raddr at, uint8_t *ret_saved);
MUST_CHECK int tracee_uproot(struct tracee *t, struct raddr at, uint8_t saved);

#endif
