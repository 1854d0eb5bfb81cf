/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What MXM knows of a run: versions, processes, tuples, tasks, events, groups. Inside MXM only.
 *
 * Who owns what. A *group* is a set of tuples that one monitor thread serves: the threads of a
 * process, and the processes that share writable memory with it. All of a group's fields belong to
 * its monitor. What several groups use (struct mxm, processes' ids, open file descriptions) is
 * guarded by mxm->lock.
 *
 * The order of events. Within a version only one task of a group runs in user mode at a time: it
 * holds the *baton*. It gives it up at its next event. The leader's order of batons is the order of
 * the stream, and every follower gives its baton in the same order. So threads, and processes that
 * share memory, see each other's memory as the leader's did, whatever locks they use.
 */
#ifndef MX_MXM_STATE_H
#define MX_MXM_STATE_H

#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "base/list.h"
#include "mxm/cpus.h"
#include "mxm/mxm.h"

struct ctl_log;

struct version {
	int index;
	const char *name;
	bool alive;    /* not let go */
	bool identity; /* it has led from the start: its ids are the ids that the program knows */
	int listener;  /* of its seccomp filter, -1: none */
	pthread_mutex_t install_lock; /* one descriptor is installed at a time */
	pid_t root_pid;
	uint64_t wanted_ns; /* since when it is wanted back; 0: it is not */
	bool awaits_ends;   /* refused while several groups live: wanted when one does */
	unsigned ntasks;    /* living tasks in all groups */
};

/* An id of a process or thread: what the program knows, and what each version's kernel object has.
 */
struct ids {
	struct list link;
	pid_t known;
	pid_t real[MXM_VERSIONS_MAX];
	pid_t standin[MXM_VERSIONS_MAX]; /* what its parent waits for in its place: standins.h */
	bool dead;
	bool kill_expected; /* the program itself sends it SIGKILL */
};

/* An open file description, as far as MXM needs to know it. */
struct ofd {
	unsigned refs;	  /* descriptors in all processes of the program */
	unsigned holders; /* private to these versions, bit by bit: each opened its own */
	bool is_epoll;
	struct list registrations; /* in epoll sets, struct epoll_reg.of_target */
	struct list members;	   /* of this epoll set, struct epoll_reg.of_set */
};

/* One descriptor of an epoll set. */
struct epoll_reg {
	struct list of_set, of_target;
	struct ofd *set, *target; /* NULL once deleted */
	unsigned refs; /* one while it is a member, one for each event that speaks of it */
	int fd;
	uint64_t data[MXM_VERSIONS_MAX]; /* what each version put there */
	uint64_t kernel;		 /* what the kernel holds */
	unsigned known;			 /* whose data has been seen, bit by bit */
	const struct fdtab *adder;	 /* whose process put it there */
};

struct fdslot {
	struct ofd *ofd;
	bool cloexec;
};

struct fdtab {
	unsigned refs;
	struct fdslot *slots;
	int nslots;
};

struct sigaction_known {
	uint64_t handler; /* the leader's: SIG_DFL, SIG_IGN or an address */
	uint64_t flags, mask;
};

/* What a call of settings.h sets. */
struct setting_value {
	uint64_t words[3];
};

/* What a version was last told of a clock: what it is told again when it looks once more by itself.
 */
#define CLOCKS_SEEN 16
struct seen_clock {
	bool known;
	uint64_t words[2]; /* struct timespec, struct timeval, or a time_t */
};

/* An interval timer as it was set, and when. */
struct carried_timer {
	struct itimerval value;
	uint64_t set_ns;
	bool fired; /* since then; its signal was seen */
};

/* A process: one of each version. */
struct proc {
	struct list link;
	unsigned refs;
	struct ids *ids;
	struct proc *parent;
	struct fdtab *fds;
	struct sigaction_known sig[64];
	struct list unheard;			    /* as the tuple's, for any of its threads */
	uint64_t private_fds[MXM_VERSIONS_MAX][16]; /* FDS_OWN_MAX: opened by that version alone */
	bool has_shadows[MXM_VERSIONS_MAX]; /* that version's process maps copies of files */
	bool shares_memory;		    /* has mapped writable shared memory */
	bool own_copy[MXM_VERSIONS_MAX]; /* of memory that its parent's code would have lent it */
	bool marks_memory;	 /* there may be some that a fork does not copy, see unforked.h */
	bool maps_written_files; /* reads files through memory that it can write by calls */
	uint64_t *shadows;	 /* ids of those that the leader's process has mapped */
	unsigned nshadows, shadows_checked; /* and how many were left at the last look */
	struct carried_timer timers[3];
	struct rlimit cpu_limit; /* that the leader's process has set */
	bool has_cpu_limit;
	struct list posix_timers;	   /* that the leader's process has made: posix_timers.h */
	struct list locks;		   /* of fcntl(2), that the leader's process holds */
	pid_t group_due[MXM_VERSIONS_MAX]; /* the group that it is not in yet, as the program knows
					      it */
	bool has_signalfd;		   /* has made a descriptor of signalfd(2) */
	bool has_to_carry; /* a version has taken over, and must set and take these itself */
	struct seen_clock clocks[MXM_VERSIONS_MAX][CLOCKS_SEEN];
	bool other_user;      /* its user id was changed: another monitor could not seize it */
	bool exiting;	      /* exit_group, or a fatal signal, is under way */
	bool is_root;	      /* the program's first process */
	bool stopped;	      /* the leader's is, by job control: jobs.h */
	struct list surplus;  /* read by the leader, not yet by a follower: pieces.h */
	struct list parted;   /* files on which a follower is at another place: positions.h */
	struct list apart;    /* descriptors that a follower has in another mode: modes.h */
	struct list settings; /* in which a follower's process is not the leader's: settings.h */
	struct setting_value
		actions[64];  /* upon signals, of both, as a follower has come to them */
	bool no_late;	      /* its agents open no descriptors any more: late.h */
	struct late_fd *kept; /* late.h */
	int nkept;
	uint8_t unshared_fds[MXM_VERSIONS_MAX][1024]; /* own.h: the leader's, which it has not */
	uint8_t own_fds[MXM_VERSIONS_MAX][1024];      /* own.h: its private_fds, what they are */
	uint64_t seed; /* for what is random before the program's entry */
	unsigned start_draws[MXM_VERSIONS_MAX];
	unsigned execs[MXM_VERSIONS_MAX];
	cpu_set_t affinity; /* what the program believes; the engine places tasks itself */
	struct agent *agents[MXM_VERSIONS_MAX]; /* agent.h */
	bool agent_below[MXM_VERSIONS_MAX];	/* its memory has an agent, a parent's perhaps */
	struct patches *inherited[MXM_VERSIONS_MAX]; /* and sites that lead to that; or NULL */
	bool no_agent;
	unsigned hot_calls; /* that an agent could have taken, by ptrace */
};

enum task_state {
	TASK_ABSENT,  /* not born in this version, or ended */
	TASK_UNBORN,  /* made, and its first stop is to come */
	TASK_NEWBORN, /* stopped before its first step, or after the clone that it made: waits its
			 turn */
	TASK_RUNNING, /* in user mode; holds the baton, unless it is starting */
	TASK_ASKING,  /* at the entry of a call: waits (leader: for the barrier; follower: its turn)
		       */
	TASK_CALLING, /* its call is being made by the kernel */
	TASK_AGAIN,   /* a signal broke into its call: the kernel will say whether it restarts */
	TASK_READY,   /* leader: its event is complete, waits for the baton */
	TASK_FAULTING, /* stopped at a fault that it has a handler for: faults.c */
	TASK_RAISING,  /* a signal was sent to it on behalf of the stream; the stop is to come */
	TASK_ENDING,   /* its last call is made, or it was killed */
	TASK_STATES
};

struct call {
	const struct sys_row *row; /* NULL: no row */
	uint64_t nr;		   /* of the row: rules_rename() may have renamed it */
	uint64_t issued;	   /* as the program made it */
	uint64_t args[6];
};

/* A look, by its normal form; a longer one is not kept. */
struct early_look {
	uint64_t nr;
	uint8_t len;
	char in[31];
};

struct held_signal {
	siginfo_t info;
	int broke; /* the kernel's code for the call of an agent that it broke into, or 0 */
	uint64_t since_ns;
	uint64_t since_cpu_ns; /* its process's CPU time then */
};

/* Where a task was seen to spin: spins.h. */
#define SPIN_LOOPS     4
#define SPIN_LOOKS_MAX 10
struct spin {
	struct spin_loop {
		uint64_t low, high; /* where its instructions lie */
		uint64_t rsp;
	} loops[SPIN_LOOPS];
	unsigned next;		     /* how many were found so far */
	bool lost_turn;		     /* its last turn ended since it spun; until the next one */
	unsigned looks;		     /* in this turn */
	unsigned hurried;	     /* turns in a row that ended at the first look */
	uint64_t seen_rip, seen_rsp; /* at the look before */
};

struct task {
	struct tracee tracee;
	struct tuple *tuple;
	int version;
	enum task_state state;
	bool starting;	    /* between exec and the program's entry */
	bool at_entry_stop; /* stopped in STOP_SECCOMP: the pending call can still be changed */
	bool local_call;    /* TASK_CALLING for a call that is not an event */
	bool slice_over;    /* it was interrupted because another task's turn has come */
	bool looked_at;	    /* it was interrupted to see whether it spins */
	struct spin spin;
	bool stopped; /* leader, RUNNING: by job control; it has given the baton up */
	/* Stopped in user mode without an event, waits for the baton; who has waited longest has
	 * the smallest number, 0: it does not. */
	uint64_t preempted;
	unsigned lost_slices; /* in a row, without a sign that it computes and does not spin */
	pid_t header_known;   /* is put back into the header of capset(2), capget(2); or 0 */
	struct call call;
	struct str in;	       /* the call's normalised inputs */
	uint32_t lens[6];      /* lengths behind pointers at the entry */
	struct event *event;   /* leader: being made; follower: being applied */
	struct tuple *forked;  /* the child of the clone that it is in, where it is of this group */
	bool returns;	       /* from a clone whose event went out when the child was made */
	pid_t child_known;     /* the id that the program knows it by */
	uint64_t child_tid_at; /* where a clone writes the child's id in the child, or 0 */
	struct raddr entry;    /* breakpoint while starting */
	uint8_t entry_byte;
	siginfo_t raise; /* TASK_RAISING, TASK_FAULTING: what to give it */
	int deliver;	 /* READY: resume with this signal */
	struct held_signal *held;
	int nheld, held_room;
	uint64_t signalled_cpu_ns; /* its process's CPU time when a signal last broke into it */
	uint64_t since_ns;	   /* when it entered its state */
	uint64_t waited_since_ns;  /* what its version is waited for since, and */
	uint64_t waited_cpu_ns;	   /* the CPU time that its process had had by the first look */
	uint64_t saved_args[6];	   /* what the program put there, while args_changed */
	bool args_changed;
	struct rlimit stack_limit; /* the program's own, while an execve runs under another */
	bool stack_limit_changed;
	int64_t made_result; /* of a call that a special has made in the kernel's place */
	uint64_t return_rip; /* where its last call returned to, while that event is held back */
	int broken_off;	     /* TASK_AGAIN: the kernel's code for how the call would go on */
	bool settling;	     /* READY, holds the baton, and waits for the followers */
	bool moves_fd;	     /* the descriptor that its local call makes goes to a far number */
	bool behind;	     /* it may still come to where another version was lost */
	bool wait_over, wait_found; /* nothing, something: by the leader's wait, beside the one that
				       is asked for: awaited.h */
	bool held_back; /* it waits for an event out of its turn, or for whose turn it is: wanted.h,
			   own.h */
	unsigned aside; /* follower: events that its agent will not find in the ring */
	unsigned looks; /* follower: made alone since its last event: relate.c */
	unsigned covered; /* and what the leader has closed of its close_range(): closes.c */
	struct early_look early[8]; /* had alone, which the leader may make later: early.h */
	unsigned nearly;
	struct {
		const struct rule *rule; /* NULL: none is under way */
		int lead_at, follow_at;	 /* how many of each version's calls there have been */
		int64_t result;		 /* of the leader's last */
	} sequence;
	size_t done; /* of its call's bytes: pieces.h */
	bool cut;    /* the leader's last piece of them was cut short by the kernel */
	struct {
		int fd;
		struct str bytes;
	} ahead;	  /* answered as written before the leader has written it: pieces.h */
	siginfo_t passed; /* main_thread.h: a signal that was sent on to it; si_signo 0: none */
	bool harvesting;  /* in its last stop: nothing can be changed any more */
	bool last_stop;	  /* it has come to its last stop: it does nothing any more */
	bool kept;	  /* held there until the other version leads */
	struct postmortem *postmortem; /* of its crash, NULL: none is to be told */
	bool crash_told;	       /* the last version's, which goes its way with it */
	uint64_t call_rip;	       /* where its last call returns to */
	uint64_t clear_tid_at; /* CLONE_CHILD_CLEARTID: where the kernel clears its id, or 0 */
	uint64_t slot;	       /* address of its agent's slot, 0: none yet */
	uint32_t mode;	       /* enum agent_mode, as the slot has it */
	bool counter_free;     /* it may read the time stamp counter */
	bool bailed;	       /* its agent met a fault, and its call is to come by ptrace */
	uint64_t roused_ns; /* when it was last taken out of a wait in its agent; 0: it has moved */
};

/* A follower's signal mask beside the leader's: masks.h. */
struct mask_apart {
	bool apart;
	uint64_t lead;	/* while they are apart: the leader's, as of the follower's last event */
	unsigned calls; /* that both have made since then, but for what is made so by libcs */
};

/* Threads that correspond: one of each version. */
struct tuple {
	struct list link; /* group->tuples */
	struct group *group;
	struct proc *proc;
	struct ids *ids;
	uint64_t id;
	unsigned unconsumed; /* events of this tuple in the stream */
	unsigned parted;     /* followers that went their own way: no event is for them any more */
	struct tuple *moves_to; /* what it goes on as, in another group: handover.h */
	struct list unheard;	/* signals for it, of which a leader that was lost had not heard */
	struct mask_apart masks[MXM_VERSIONS_MAX];
	struct task tasks[MXM_VERSIONS_MAX];
};

enum event_kind {
	EVENT_CALL,
	EVENT_BIRTH,  /* the tuple's first step */
	EVENT_RETURN, /* its parent's first step after clone, fork, vfork */
	EVENT_RESUME, /* the leader's own: a task whose slice was over goes on; never published */
	EVENT_ENTRY,  /* a new program reached its entry */
	EVENT_SIGNAL, /* a signal before the next call */
	EVENT_TSC,    /* rdtsc, rdtscp */
	EVENT_KILLED, /* the process was ended by a signal */
	EVENT_CONTINUED, /* a task goes on that job control had stopped: jobs.h */
};

/* What comes after a call that a signal ended. */
enum event_after {
	AFTER_PLAIN,   /* the result stands; `sig`, if any, is delivered on top of it */
	AFTER_RESTART, /* the call is issued anew after the handler */
};

struct newfd {
	int num; /* in the leader and, from then on, in every follower */
	int fd;	 /* the engine's copy until the last follower has it */
	bool cloexec;
};

/* A descriptor that the leader's agent had opened. */
struct late_fd {
	struct newfd newfd;
	uint64_t entry; /* of its process's table: agent/wire.h */
};

#define EVENT_FDS_MAX 253 /* SCM_MAX_FD */

struct event {
	struct list link; /* group->stream once published, else none */
	enum event_kind kind;
	uint64_t seq;
	struct tuple *tuple;
	struct call call; /* the leader's */
	struct str in;
	struct str out;
	struct str extra; /* what a special hands on beside the outputs */
	int64_t result;
	int nfds;
	struct newfd *fds;
	int nlate;
	struct late_fd *late; /* opened before it, and to be given before it: late.h */
	unsigned late_given;  /* to which followers, bit by bit */
	bool of_file;	      /* what it opens is a regular file: of a record */
	struct tuple *child;  /* of a clone, fork, vfork; of a mapping: what the task goes on as */
	int nregs;
	struct epoll_reg **regs; /* members of epoll sets that it speaks of, NULL where unknown */
	enum event_after after;
	int sig;
	siginfo_t info;
	size_t given[MXM_VERSIONS_MAX]; /* of what it wrote, matched by a follower: pieces.h */
	unsigned pending;		/* followers that have not consumed it, bit by bit */
	unsigned vetted;		/* followers that asked for the same before it was made */
	unsigned
		excused; /* followers that cannot come before it is made: they are compared later */
	bool patient; /* of a thread that was held: others overtake it while a version is remade */
	bool settles; /* the leader goes on when every follower has had it */
	bool stops;   /* by it the task stops itself, until EVENT_CONTINUED */
	bool gathers; /* it maps what another group has mapped: the task goes there */
	bool executed;
	bool vain;	      /* at its entry, its call was to change nothing: vain.h */
	bool unlocks;	      /* ... it may have let a lock of fcntl(2) go: closes.h */
	bool is_member;	      /* ... what it closes was in an epoll set, */
	bool last_fd;	      /* ... it was about the last descriptor of a file: preludes.h */
	bool async;	      /* EVENT_SIGNAL: may break into user mode, */
	uint64_t computed_ns; /* when the leader had used so much CPU time since the last one */
	uint64_t reached_cpu_ns[MXM_VERSIONS_MAX]; /* a follower's when this was its next event */
	bool harvested;	       /* made by the leader's agent, which died of it */
	bool recorded;	       /* made of an agent's record, for one follower */
	uint64_t at;	       /* its place in the ring */
	uint32_t span;	       /* what it takes there; 0: it has none */
	unsigned aside;	       /* for these followers it is there no more, and still to come */
	uint64_t value;	       /* EVENT_TSC, and what a special needs to hand on */
	uint64_t wrote_shadow; /* it changed a file that has this shadow, 0: none; from where on, */
	int64_t wrote_at, wrote_size; /* and the file's size then */
};

struct group {
	struct list link; /* mxm->groups */
	struct mxm *mxm;
	pthread_t thread;
	bool started;
	int leader;
	unsigned followers; /* bits of versions that follow in this group */
	unsigned laggards;  /* of those, whom the leader does not wait for: remake.h */
	struct list tuples;
	struct list stream; /* published events, oldest first, until all followers consumed them */
	struct list ready;  /* complete events of the leader, in the order of completion */
	uint64_t preemptions; /* so far: numbers for those that wait for a baton they have lost */
	struct task *baton[MXM_VERSIONS_MAX];
	uint64_t slice_begun[MXM_VERSIONS_MAX]; /* CPU time of the holder when first waited for */
	timer_t breaker;			/* of the monitor's wait, where has_breaker */
	bool has_breaker;
	bool wants_break; /* before the next tick; the shorter, the fewer ... */
	unsigned breaks;  /* ... looks there were in the turn */
	unsigned cpu;	  /* where it runs: the n-th of the engine's CPUs */
	bool spread;	  /* the followers are on other CPUs than the leader */
	bool free;	  /* a version alone, that runs where the program wants to */
	unsigned stops;	  /* since then */
	uint64_t stops_since;
	bool spread_for_talk; /* ... since one has nothing else to do */
	struct {
		uint64_t ns, events, calls, asks, naps, delay; /* as counted by then */
		struct cpus_idle idle;
		uint64_t pause_ns, not_before_ns; /* after one that was in vain */
	} look;					  /* the last one at the CPUs */
	uint64_t published, published_at_tick, asks_at_tick;
	uint64_t roused_ns; /* when a task last had to be taken out of a wait for another's sake */
	struct event *unpublished; /* the baton holder's, held back until its next stop */
	size_t lag;		   /* events in `stream` */
	size_t lag_bytes;
	uint64_t consumed_ns[MXM_VERSIONS_MAX]; /* when a follower last had an event, or the first
						   came */
	bool poked;
	bool wants_ticks;
	bool faults; /* a task may be in TASK_FAULTING */
	bool over;
	unsigned dropping; /* versions whose tasks here are being ended */
	bool bereft;	   /* its leader is being ended: a follower drains the stream and leads */
	bool stands;	 /* a follower that is to lead has had all, and is to stop before it does */
	unsigned keeps;	 /* stops until what is held in its last stop is seen to; 0: nothing is */
	unsigned former; /* versions that led, and have come to their ends */
	struct stop stash[64];
	int nstashed;
	struct list arrivals;	   /* tasks that other monitors hand over; under mxm->lock */
	unsigned expected;	   /* tuples that are on their way here; under mxm->lock */
	uint64_t over_ns;	   /* when it ended */
	struct ring *ring;	   /* of its agents, NULL: none yet */
	struct remaking *remaking; /* a version that is coming back, NULL: none */
	unsigned unmade;	   /* stops since a step was made of that */
	struct {
		uint64_t want_ns;  /* the version's wanted_ns that this is about */
		uint64_t begun_ns; /* since when a moment is looked for */
		char why[256];	   /* what stood in the way at the last try */
		uint64_t next_ns;  /* no earlier try */
		uint64_t pause_ns; /* between the next two */
		bool wary;	   /* a copy was made in vain: it is looked more closely first */
	} rejoin;
	struct list standins;
	pid_t *orphans; /* stopped children whose parent's stop is to come */
	int norphans;
};

#define CALLS_COUNTED 512 /* those with a greater number are not told apart */

struct mxm {
	struct mxm_config config;
	const struct mxm_ops *ops;
	void *ops_arg;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* for the ticker: someone may want a poke */
	pthread_cond_t hurry;	/* for the ticker: its next tick is wanted sooner */
	pthread_cond_t ended;	/* a group is over */
	bool ticker_sleeps;
	struct version versions[MXM_VERSIONS_MAX];
	int leader;
	struct list groups;
	struct list ids;
	struct list dead_ids;
	unsigned ndead_ids;
	struct list dead_tuples; /* the last ones, for monitors that still look at them */
	unsigned ndead_tuples;
	unsigned ngroups;
	uint64_t next_seq, next_tuple;
	struct mxm_stats stats;
	uint64_t by_ptrace[MXM_VERSIONS_MAX][CALLS_COUNTED]; /* the same by number */
	struct list shadows;
	uint64_t next_shadow;
	unsigned next_cpu;
	pthread_t ticker;
	struct {
		const char *rule;
		uint64_t nrs[2];
	} ruled[64]; /* what the log has heard of already */
	unsigned nruled;
	const struct sys_row *refused[16]; /* the same: refusals.h */
	unsigned nrefused;
	uint64_t switch_ns;  /* since when leader and follower are to change places; 0: not */
	bool pauses;	     /* ... or the follower is to be let go, to come back later */
	unsigned entered;    /* versions whose first process has come to its entry */
	bool no_cpuid_fault; /* arch_prctl(ARCH_SET_CPUID) was refused */
	bool ticking;
	cpu_set_t affinity;	 /* of the engine when it started */
	bool has_roots;		 /* versions have roots of their own: paths can be private */
	bool scripts_differ;	 /* versions cannot be made of each other: scripts.h */
	struct scripts *scripts; /* so they can be where they are scripts; NULL: they are not */
	bool no_getfd;		 /* pidfd_getfd(2) was refused */
	bool passes_files;	 /* descriptors go from process to process: preludes.h */
	bool for_good;		 /* one version runs, and no other comes back; never unset */
};

#endif
