/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MXM, the monitor: versions of a program run as one. This header is what the director sees: it
 * starts a run, is told of crashes and divergences, and decides. MXM decides nothing itself.
 */
#ifndef MX_MXM_MXM_H
#define MX_MXM_MXM_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/sys.h"
#include "tracee/tracee.h"

/* Versions that a run can have; the command line gives it two. */
#define MXM_VERSIONS_MAX 4

/* How far the leader may run ahead of the followers' comparison. */
enum mxm_sync {
	MXM_LOCKSTEP, /* no call but a look is made before every follower asks for the same */
	MXM_BARRIER,  /* calls that cannot be taken back wait for every follower */
	MXM_STREAM,   /* only the end of a process waits */
};

#define MXM_STOP (-1)

struct mxm;
struct task;
struct event;
struct rules;

struct mxm_version_config {
	const char *name;    /* "old", "new" */
	const char *program; /* path inside `root` */
	char *const *argv;
	const char *root; /* chroot for it, NULL: none */
};

struct mxm_config {
	int nversions;
	struct mxm_version_config versions[MXM_VERSIONS_MAX];
	int leader;
	enum mxm_sync sync;
	uint64_t survive;      /* signals that count as a crash; bit SIG-1 */
	unsigned patience;     /* seconds that the leader waits for a follower at a barrier */
	bool agent;	       /* hot calls without a stop, see agent.h */
	bool lock_memory_ways; /* tests: use the fall-backs of least privilege only */
	bool first_ends_all;   /* the first process's end is that of all, as an init's is */
	bool as_pid_1;	       /* mxm_signal(): what it does not handle is ignored */
	bool merge_memory; /* equal pages are the kernel's to merge: prctl(2), PR_SET_MEMORY_MERGE
			    */
	const char *const *shared_paths; /* with roots: what is the same for all; NULL-terminated */
	const struct rules *rules;	 /* the operator's own (rulefile.h), or NULL */
	uint64_t seed; /* of what is random before a program's entry; 0: drawn for each process */
	sigset_t sigmask; /* that the programs start with */
	const char *cwd;  /* with roots: where the programs start */
	/*
	 * Gives the capability up, for one thread: called in each child after its chroot and in
	 * each thread of the engine, before either program starts. NULL: nothing is to be given up.
	 */
	int (*drop_chroot)(void);
};

/* Why a version's thread is reported as crashed. */
struct mxm_crash {
	int version;
	int sig;
	siginfo_t info;
	struct tracee *tracee; /* stopped, or NULL where nothing is left to look at (SIGKILL) */
	pid_t known;	       /* the process's id as the program knows it */
	uint64_t seq;	       /* events of the stream before it */
};

struct mxm_divergence {
	int follower;
	int leader;
	const char *why;	   /* "call", "arguments", "exit", "result", "late", "descriptor" */
	const char *follower_call; /* as strace prints it; NULL: none */
	const char *leader_call;
	pid_t pid; /* the process, as the program knows it */
	uint64_t seq;
	bool executed;	   /* the leader's call has happened already */
	bool cannot_lead;  /* the follower lacks descriptors that the leader has closed since */
	bool lacks_memory; /* it is a child's that could not write to its parent's, as it would */
	bool lags;	   /* it is coming back: the leader has gone on without waiting for it */
};

/* A difference that a rule has found harmless. */
struct mxm_ruling {
	const char *rule;
	int follower;
	pid_t pid; /* as the program knows it */
	uint64_t seq;
	bool news; /* the first of its kind: only then are the calls told */
	const char *follower_call, *leader_call;
};

/* A call of the leader's that no version follows, at its entry: mxm_ops.asked. */
struct mxm_asked {
	uint64_t tuple;
	const struct sys_row *row; /* NULL: there is none */
	uint64_t nr, issued;	   /* under its usual name, and as the program made it */
	const uint64_t *args;
	const struct str *in;  /* its normal form (canon.h); ids are steady_id()'s */
	char flow;	       /* of a transfer: pieces_flow() */
	struct tracee *tracee; /* stopped */
};

/* Called on a monitor thread with the run's lock held: short, and no call back but mxm_drop(). */
struct mxm_ops {
	/*
	 * A survivable signal, or a kill from outside. The version is dropped after it returns.
	 * What it returns is handed to crash_told() later; NULL: there is no more to tell of it.
	 */
	void *(*crashed)(void *arg, const struct mxm_crash *crash);
	/*
	 * Without the lock and on any thread, while the other version goes on. The crash's tracee
	 * has the registers of then; its memory can be read, and is as it was. NULL: it is gone.
	 */
	void (*crash_told)(void *arg, void *report, const struct mxm_crash *crash);
	/* Returns the version to let go, or MXM_STOP: all of them. */
	int (*diverged)(void *arg, const struct mxm_divergence *divergence);
	/* Without the lock. */
	void (*ruled)(void *arg, const struct mxm_ruling *ruling);
	/* @call cannot be replicated: the followers are let go after it returns. */
	void (*unsupported)(void *arg, int version, pid_t pid, const char *call, const char *why);
	/* @version was let go; @leads is who leads from now on. True: it is wanted back. */
	bool (*dropped)(void *arg, int version, int leads, bool was_leader);
	/* The first process of every version has come to its program's entry. */
	void (*entered)(void *arg);
	/* @version's first process, @pid, has come to the entry of a program. Without the lock. */
	void (*runs)(void *arg, int version, pid_t pid);
	/*
	 * A version is wanted back (mxm_want_back()): what can be made ready for a copy of @from's
	 * processes while they run on. @ts are their main threads, not stopped. -EAGAIN: it takes
	 * longer; other failures are final.
	 */
	int (*rejoin_prepare)(
		void *arg, int version, int from, struct tracee *const *ts, int n, struct err *err);
	/*
	 * A version that is wanted back is to be copied from @from: are @threads, all of one
	 * process of @from's or of its copy, stopped, at a safe point? -EAGAIN: not now. Other
	 * failures are final.
	 */
	int (*rejoin_safe)(void *arg, int version, int from, struct tracee *const *threads, int n,
		struct err *err);
	/*
	 * @ts, one of each process, are a copy of @from's, all stopped: makes them @version's.
	 * Failures are final.
	 */
	int (*rejoin_made)(
		void *arg, int version, int from, struct tracee *const *ts, int n, struct err *err);
	/* @version is in step again, @ns after it was wanted; or it will not, because of @why. */
	void (*rejoined)(void *arg, int version, uint64_t ns, const char *why);
	/* mxm_switch() or mxm_pause() was not done, because of @why. */
	void (*not_switched)(void *arg, const char *why);
	/* Plain news for the log, already worded. */
	void (*note)(void *arg, const char *event, int version, pid_t pid, const char *text);
	/* The first process of the program ended with @status (as from wait(2)). */
	void (*ended)(void *arg, int status);
	/*
	 * All four or none: each call that would be compared is reported where no version follows,
	 * before it is made and with its result (one that does not return has none), and each
	 * thread and process before its first call; @parent is 0 for the program's first. @id is
	 * what the program knows it by. Without the lock, on the monitor thread of the tuple.
	 */
	void (*asked)(void *arg, const struct mxm_asked *asked);
	void (*answered)(void *arg, uint64_t tuple, int64_t result);
	void (*born)(void *arg, uint64_t tuple, uint64_t parent, bool thread, pid_t id);
	/* A number for the id that is the same in every run; @id itself where it is none. */
	int64_t (*steady_id)(void *arg, int64_t id);
};

/*
 * Starts the versions, each stopped before its first instruction, and the monitor of the first
 * tuple. Errors name what was refused. One run a process.
 */
MUST_CHECK int mxm_start(const struct mxm_config *config, const struct mxm_ops *ops, void *arg,
	struct mxm **ret_mxm, struct err *err);

/* Waits until no process of the program is left. */
void mxm_join(struct mxm *mxm);
void mxm_free(struct mxm *mxm);

/*
 * Sends @sig to the first process of the program, as from outside. Any thread. With as_pid_1 a
 * signal that the process neither handles nor blocks has no effect, as with the first process of a
 * pid namespace.
 */
void mxm_signal(struct mxm *mxm, int sig);

/* Lets @version go, at the director's wish. Any thread, without the lock. */
void mxm_drop(struct mxm *mxm, int version);

/*
 * Leader and follower are to change places: the leader is let go once all is ready for it to come
 * back. Any thread, without the lock.
 */
void mxm_switch(struct mxm *mxm);

/* The follower is to be let go until mxm_want_back(), if it could come back. As mxm_switch(). */
void mxm_pause(struct mxm *mxm);

/* Lets all versions go but @version. -ESRCH: that one is gone itself, and nothing was changed. */
MUST_CHECK int mxm_keep(struct mxm *mxm, int version);

/*
 * A version that was let go is to come back, as a copy of the leader: mxm_ops.rejoin_safe. Any
 * thread, without the lock. It does nothing where the version lives.
 */
void mxm_want_back(struct mxm *mxm, int version);

struct mxm_stats {
	uint64_t events, calls, signals, processes, threads, payload_bytes;
	uint64_t agent_calls[MXM_VERSIONS_MAX];	  /* that its agents made or took */
	uint64_t version_calls[MXM_VERSIONS_MAX]; /* that came to the engine, of each version */
	uint64_t stops;				  /* of any kind, of all versions */
	uint64_t spins; /* turns that tasks lost since they spun, of all versions */
};
void mxm_stats(struct mxm *mxm, struct mxm_stats *ret_stats);

/* How many of @version's calls with the number @nr came to the engine. */
uint64_t mxm_calls_by_ptrace(const struct mxm *mxm, int version, uint64_t nr);

#endif
