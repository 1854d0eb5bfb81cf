/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group's monitor and what its parts call of each other. Everything here runs on the group's
 * monitor thread, but for group_new(), group_over_locked() and group_poke().
 */
#ifndef MX_MXM_GROUP_H
#define MX_MXM_GROUP_H

#include "mxm/state.h"

/* group.c: the event loop */

struct group *group_new(struct mxm *mxm, int leader, unsigned followers);
/* Says that it has no monitor (any more): nothing is to be sent there. Any thread, with the lock.
 */
void group_over_locked(struct group *group);
/* The monitor's work, until no tuple is left. */
void group_serve(struct group *group);
/* Waits for the next stop of @tid and serves it. */
void group_serve_one(struct group *group, pid_t tid);
/* Makes the monitor look at what changed (mxm->versions[].alive). Any thread, with the lock. */
void group_poke(struct group *group);
/* Where every task of the group stands, for a report of what went wrong. */
void group_describe(struct group *group, struct str *out);
/* Had the child @tid stopped before its parent's stop was served? */
bool group_take_orphan(struct group *group, pid_t tid);
/* A stop that was met out of turn: served next. */
void group_stash(struct group *group, const struct stop *stop);
struct task *group_find(struct group *group, pid_t tid);
/* The one place that changes a task's state; logs the edge where asked to. */
void task_enter(struct task *task, enum task_state state);
/* Is @task given the stream's results (or does it still drain them), instead of leading? */
bool task_follows(const struct task *task);
/* Resumes a task; one that vanished will be seen by the loop. */
void task_resume(struct task *task, enum resume_how how, int sig);
/* A running task stops soon, in signals_interrupted(), unless it comes to another stop first. */
void task_interrupt(struct task *task);
const char *task_state_name(enum task_state state);

/* tuples.c: tuples and processes come and go */

struct tuple *tuple_new(struct group *group, struct proc *proc);
/* As tuple_new(), for a monitor that is not @group's: the group's own puts it into the list. */
struct tuple *tuple_make(struct group *group, struct proc *proc);
void tuple_drop_if_over(struct tuple *tuple);
struct proc *proc_new(struct mxm *mxm);
struct proc *proc_fork(struct mxm *mxm, struct proc *parent, bool share_fds);
/* @version's own part of it, when that version comes to its fork. */
void proc_fork_version(struct proc *parent, struct proc *child, int version);
void proc_put(struct mxm *mxm, struct proc *proc);
/* What process @pid has inherited: the signals that it ignores. */
void proc_known_signals(struct proc *proc, pid_t pid);
void task_born(struct tuple *tuple, int version, pid_t tid, pid_t tgid, struct mm *mm);
void task_gone(struct task *task);
/* Sets or clears the baton's holder. */
void baton_take(struct task *task);
void baton_give_up(struct task *task);
/* The holder has computed for too long: @task was stopped in user mode. */
void baton_end_slice(struct task *task);
/* A follower's task is stopped in user mode, and goes on when the baton is free again. */
void baton_lose(struct task *task);
/* Takes it from main threads that have ended before their processes. */
void baton_tick(struct group *group);
/* Another task waits for the baton: its holder is stopped when it has computed for too long. */
void baton_claim(struct group *group, int version);
/* CPU time of its process in ns; 0: it is gone. */
uint64_t task_cpu_time(const struct task *task);
/* Of the thread alone; 0: it is gone, or the kernel does not tell (CONFIG_SCHED_INFO). */
uint64_t task_worked(const struct task *task);
char task_proc_state(const struct task *task);
/* Does another task of the leader's than @leader wait for its followers, or this one after its
 * call? Then it may be that none of its others comes further. */
bool task_waits_beside(const struct group *group, const struct task *leader);

/* lead.c */

/* STOP_SECCOMP of a leading task in user mode. */
void lead_asks(struct task *task);
/* The same call again, after a signal broke into it and was passed over. */
void lead_asks_again(struct task *task);
/* STOP_EXIT_CALL of its call. */
void lead_left(struct task *task);
/* A signal came in TASK_AGAIN and will be handled: the call ends with it. */
void lead_interrupted(struct task *task, const siginfo_t *info);
/* Gives the baton to the first complete event that may go on, and makes vetted calls. */
bool lead_pump(struct group *group);
/* The event held back until the baton holder's next stop goes out. */
void lead_publish_held_back(struct group *group);
/* In its last stop: keeps what its call has done already. */
void lead_harvest(struct task *task);

/* The call of a leader's agent in its last stop: it was made, with @result. */
void lead_harvest_made(struct task *task, int64_t result);

/* follow.c */

void follow_asks(struct task *task);
/* Stopped in user mode: a signal of the stream that is due is given. */
bool follow_interrupted(struct task *task);
void follow_left(struct task *task);
bool follow_pump(struct group *group, int version);
/* The follower's call ends with @result, unmade, and it runs on. Stopped at the entry. */
void follow_answer(struct task *task, int64_t result);

/* local.c: calls that are not events */

/* Lets a call that only concerns this version run. Returns false where it is an event. */
bool local_call(struct task *task);
/* Lets the task make its call alone, whatever it is; it holds the baton, and is RUNNING. */
void local_run(struct task *task);
void local_left(struct task *task);
/* The version's descriptor @fd is from now on one that it opened for itself, or is that no longer:
 * closed, or a copy of one that all versions have. */
void local_own_fd(struct task *task, int fd, bool own);
/* After execve(2): of what it opened for itself, that which is still open stays its own. */
void local_executed(struct task *task);

/* births.c: fork, exec, the program's entry, the end */

void births_forked(struct task *task, pid_t child);
void births_new_stop(struct group *group, pid_t tid);
void births_executed(struct task *task, pid_t former);
/* SIGTRAP at the breakpoint of the program's entry? */
bool births_at_entry(struct task *task);
void births_dying(struct task *task, int status);
void births_gone(struct task *task, int status);
/* It was killed between two monitors. */
void births_lost(struct task *task);

/* signals.c */

void signals_stop(struct task *task, int sig);
/* Is the signal that it is stopped for a crash? */
bool signals_is_crash(struct task *task, int sig);
/* Is it the signal that signals_raise() sent, on its way to @task? */
bool signals_was_raised(const struct task *task, const siginfo_t *info);
/* STOP_NEW of a known task: PTRACE_INTERRUPT or SIGCONT. */
void signals_interrupted(struct task *task);
/* Sends the signal that the stream has at this point; the task must be stopped. It will run. */
void signals_raise(struct task *task, const siginfo_t *info);
/* The leader's handler runs next: what the kernel changes by that is noted. */
void signals_handled(struct task *task, int sig);
/* Keeps a signal until the task comes to a place where it can be given; @broke: see held_signal. */
void signals_hold(struct task *task, const siginfo_t *info, int broke);
/*
 * A leading @task is at the entry of a call: a held signal becomes an event before it, or ends it
 * where it is a wait. False: none is held, or can be given; the call is made.
 */
bool signals_come(struct task *task);
/* Takes the next held signal; false: none. */
bool signals_take_held(struct task *task, siginfo_t *ret_info);
/* Looks after signals that are held and batons that are held too long. */
void signals_tick(struct group *group);

/* faults.c */

/*
 * At a fault of those that are survived. Where the program has a handler for it, the fault may be
 * its ordinary way (write barriers, null checks): the task is held until it shows whether the other
 * versions take it too. False: it is a crash, now.
 */
bool faults_hold(struct task *task, const siginfo_t *info);
/* Decides on what is held. */
bool faults_pump(struct group *group);
/* A held task is the last version's: its handler gets the fault. */
void faults_deliver(struct task *task);

/* drop.c */

/*
 * Reports a crash upward; the version is let go. False: it is the last one, and the process goes
 * its way as it would without the engine.
 */
bool drop_crashed(struct task *task, const siginfo_t *info, bool stopped);
/* A follower's call is not the leader's. */
void drop_diverged(
	struct task *follower, struct task *leader, struct event *event, const char *why);
/* What the task asks for, and the leader's call, as strace prints them. */
void drop_print_task(struct str *out, struct task *task);
void drop_print_event(struct str *out, const struct event *event);
/* The same without what came of it. */
void drop_print_asked(struct str *out, const struct event *event);
/* Starts or goes on with letting versions go; called by the loop. */
void drop_check(struct group *group);
/* Is it to stay where it was interrupted, since its version is about to lead? */
bool drop_wants_still(const struct task *task);
/* May what one of the old leader's tasks still does matter to the next one? */
bool drop_is_at_work(const struct group *group);

/* Marks @version as let go everywhere. With or without the lock held by the caller. */
void drop_version(struct mxm *mxm, int version);
void drop_version_locked(struct mxm *mxm, int version);
/* Ends what is left of all versions, where nothing is to be said of it any more. */
void drop_rest(struct mxm *mxm);

/* drop_late.c */

/* Lets a follower go that keeps the leader waiting for longer than the configured patience. */
void drop_late(struct group *group);

/* kept.c */

/* A task of a version that is let go is in its last stop, and what it had done is known. */
void kept_begin(struct task *task);
/* What is held is looked at, and let go where it is held for nothing any more: at once, now and
 * then, and at each stop. */
void kept_look(struct group *group);
void kept_tick(struct group *group);
void kept_count_stop(struct group *group);
/* Another version leads: its clients go first for a while. */
void kept_put_off(struct group *group);
/* Has the program locks that are a process's own, fcntl(2)? They are free for the next one when it
 * is gone. */
bool kept_has_locks(const struct group *group);

/* affinity.c */

/* Puts the calling monitor, and what it will launch, on a CPU. */
void affinity_choose(struct group *group);
/* @tid runs where the group does. */
void affinity_join(struct group *group, pid_t tid);
/* Spreads versions that compute over CPUs, and gathers those that talk. Call at a tick. */
void affinity_tick(struct group *group);
/* Counts a stop. */
void affinity_stopped(struct group *group);
/* Must affinity_tick() be called although nothing else wants ticks? */
bool affinity_is_due(const struct group *group);
/* All to where the group runs: there will be many stops, of a version that is let go, or comes. */
void affinity_gather(struct group *group);

#endif
