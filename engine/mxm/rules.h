/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between versions that are harmless, and what makes them so. */
#ifndef MX_MXM_RULES_H
#define MX_MXM_RULES_H

#include "mxm/state.h"

/*
 * A file, folder, node or link that is made under a random name (mkstemp(3), mkdtemp(3), ln(1)): C
 * libraries draw the name from the address of a variable, which differs between versions. Where the
 * names differ in at most sixteen letters and digits in one place, in three of them or more, not
 * all digits, and the call makes what must not have been there, the follower's name, in its own
 * memory, becomes the leader's. Safe: the name meant nothing before the call, and both go on with
 * the one that the leader made.
 */
bool rules_temporary_name(struct task *task, const struct event *event);
/* The same of two normal forms, changing nothing: where in the name, and how many bytes. */
bool rules_differ_in_temporary(const struct call *call, const struct str *ours,
	const struct str *theirs, size_t *ret_first, size_t *ret_len);

/*
 * Calls that say the same by another name, which libcs change from version to version: rename.c has
 * the list. What comes in another shape, too, is in waits.h. The arguments in task->call become
 * those of the other name; the program's registers stay. Safe: the kernel runs the same code for
 * both.
 */
void rules_rename(struct task *task);
/* The number that a call is always renamed to; the same where it is not. */
uint64_t rules_other_name(uint64_t nr);
/* All calls that always are, for the agent: their numbers, and what they stand for. How many. */
struct agent_name;
int rules_names(struct agent_name *ret_names, uint16_t *ret_nrs);

/*
 * Looks: calls that only ask, whose answers change nothing for anybody else: ids, times, limits,
 * what a file is, what a descriptor is set to; draws of random bytes; and futex calls, which depend
 * on where a time slice ended. One that only the follower makes is answered for it alone, a clock
 * as it was last told, and the event is still to come; one that only the leader made is passed
 * over. A sleep is among them: all that it does is to take time, which a follower need not take.
 * So is a call that brings to the disk what was written: whoever asks for it, it is done.
 * Safe: nobody outside sees them, and what follows from the answer is compared like all else. Not
 * among them: SO_ERROR, which takes the error away; anything that consumes.
 */
bool rules_is_look(const struct call *call);
/* Does it do nothing but take time, a limited one? */
bool rules_is_sleep(const struct call *call);
/* poll(2) that does not wait only asks. */
bool rules_polls_now(const struct call *call);
/* A follower's sleep is over at once: the kernel says that no time is left. False: bad address. */
bool rules_end_sleep(struct task *task);
/* The name of the rule that a call falls under which one version may make alone. */
const char *rules_alone_name(const struct call *call);
/* The follower looks, and the event is not the same look. */
bool rules_is_extra_look(const struct task *task, const struct event *event);
/* Which of the remembered clocks (struct proc) the call reads, into which argument, and how many
 * bytes it is told; -1: none. The engine's one list of such calls. */
int rules_clock(const struct call *call, int *ret_arg, size_t *ret_len);
/* Answers a clock's extra look; false: the kernel has to. Stopped at its entry. */
bool rules_tell_clock(struct task *task);
/* The follower is told, or passes over, what the event says of a clock. */
void rules_learn_clock(const struct task *task, const struct event *event);

/*
 * Calls that make a descriptor and differ only in whether it is closed on exec, in O_NOCTTY, or in
 * naming a socket's default protocol. Both get what the leader asked for. Safe: until an exec
 * nobody can tell, and what is executed inherits the same in both. With @may_part they may also
 * differ in O_NONBLOCK: modes.h sees to that.
 */
bool rules_same_flags(const struct call *a, const struct str *our_in, const struct call *b,
	const struct str *their_in, bool may_part);

/* Copies of the same descriptor, close-on-exec or not. */
bool rules_same_copy(const struct call *a, const struct call *b);
/* Is the copy that the call makes closed on exec? */
bool rules_copy_cloexec(const struct call *call);

/* The follower passes the event over. */
void rules_pass_over(struct task *task, const struct event *event);

/* Names of the built-in rules, as the log and the manual have them. */
#define RULE_LOOK      "look"
#define RULE_FUTEX     "wait-order"
#define RULE_SLEEP     "sleep"
#define RULE_SYNC      "sync"
#define RULE_SAME_CALL "same-call"
#define RULE_TEMPORARY "temporary-name"
#define RULE_CHILD     "wait"
#define RULE_RANDOM    "random-source"
#define RULE_SYSTEM    "system-file"
#define RULE_OWN       "own-descriptor"
#define RULE_READ      "file-read"
#define RULE_CLOSED    "closed-already"
#define RULE_NOTHING   "nothing-to-do"
#define RULE_FRUITLESS "nothing-found"
#define RULE_AWAITED   "ready-first"
#define RULE_PRELUDE   "before-close"
#define RULE_PATH      "same-path"
#define RULE_NAME      "thread-name"
#define RULE_MASK      "signal-mask"
#define RULE_SETTING   "setting"
#define RULE_FLAGS     "descriptor-flags"
#define RULE_POSITION  "position"
#define RULE_MEMORY    "own-memory"
#define RULE_PIECES    "pieces"
#define RULE_REORDER   "reorder"

/* The rule was applied to what @task asks and @event: counted, and told when it is new. */
void rules_note(struct task *task, const struct event *event, const char *rule);

#endif
