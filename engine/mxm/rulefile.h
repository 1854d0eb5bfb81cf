/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's own rules: a JSON file that says which differences between the old and the new
 * version are wanted. mx-rules(5) describes it. A rule is one of
 *
 *	drop	one version makes a call that the other does not; where that version follows, the
 *		call is not made, and it is told a result
 *	add	the same, and where that version follows, the call is made for it alone
 *	rewrite	a call of one version stands for another call of the other
 *	merge, split
 *		a sequence of calls of one version stands for one of the other
 *	reorder	calls that may come in another order within a window
 *
 * Calls are named by patterns over what the log prints, without the result: `*` is any text, `?`
 *any character, a backslash takes the next character as it is.
 *
 * Effects happen once whatever a rule says: of a sequence only the last call may have one that
 * cannot be taken back; the leader's whole sequence comes before the follower is told anything; and
 * what the follower has still to be told of a sequence that happened it is told even when it leads.
 */
#ifndef MX_MXM_RULEFILE_H
#define MX_MXM_RULEFILE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define RULEFILE_MAX	  (1u << 20)
#define RULEFILE_SEQUENCE 8

enum rule_action { RULE_DROP, RULE_ADD, RULE_REWRITE, RULE_MERGE, RULE_SPLIT, RULE_SWAP };

struct rule {
	char *name;
	enum rule_action action;
	/* What each version does instead of the other's, by its name; RULE_SWAP: in `calls[0]`. */
	char *calls[2][RULEFILE_SEQUENCE]; /* [0]: old, [1]: new */
	int ncalls[2];
	long long results[RULEFILE_SEQUENCE]; /* told to a follower */
	int nresults;
	int window;
};

struct rules {
	struct rule *items;
	int count;
};

/* Reads and checks a file. The error names the rule and the field. */
MUST_CHECK int rulefile_load(const char *path, struct rules **ret_rules, struct err *err);
struct json;
/* The same from what was parsed already. */
MUST_CHECK int rulefile_parse(const struct json *j, struct rules **ret_rules, struct err *err);
void rulefile_free(struct rules *rules);

/* Does a printed call fit the pattern? */
bool rulefile_matches(const char *pattern, const char *call);

const char *rulefile_action_name(enum rule_action action);

#endif
