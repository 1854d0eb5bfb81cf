/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/rulefile.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/xalloc.h"
#include "mxm/rules.h"
#include "oci/json.h"
#include "sys/sys.h"

#define FORMAT	   1
#define RULES_MAX  256
#define WINDOW_MAX 64
#define WINDOW	   8

static const char *const actions[] = {
	[RULE_DROP] = "drop",
	[RULE_ADD] = "add",
	[RULE_REWRITE] = "rewrite",
	[RULE_MERGE] = "merge",
	[RULE_SPLIT] = "split",
	[RULE_SWAP] = "reorder",
};

const char *rulefile_action_name(enum rule_action action)
{
	return actions[action];
}

bool rulefile_matches(const char *pattern, const char *call)
{
	const char *star = NULL, *retry = NULL;

	while (*call) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = call;
			continue;
		}
		if (*pattern == '?' ||
			(*pattern && *(pattern + (*pattern == '\\' && pattern[1])) == *call)) {
			pattern += *pattern == '\\' && pattern[1] ? 2 : 1;
			call++;
			continue;
		}
		if (!star)
			return false;
		pattern = star;
		call = ++retry;
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* The system call that a pattern names before its parenthesis; NULL: none that there is. */
static const struct sys_row *row_of(const char *pattern)
{
	size_t len = strcspn(pattern, "(");

	for (uint32_t nr = 0; pattern[len] && nr <= sys_max(); nr++) {
		const struct sys_row *row = sys_row(nr);

		if (row && strncmp(row->name, pattern, len) == 0 && !row->name[len])
			return row;
	}
	return NULL;
}

struct search {
	uint32_t nr;
	bool found;
};

static void note_operation(const struct sys_row *row, void *arg)
{
	struct search *search = arg;

	search->found |= row->nr == search->nr;
}

/* Is the call many in one? Then its operations are judged when they come (wanted.c). */
static bool has_operations(uint32_t nr)
{
	struct search search = { .nr = nr };

	sys_each_operation(note_operation, &search);
	return search.found;
}

/* Are a follower's calls ended by a result that the rule gives? */
static bool is_answered(enum rule_action action)
{
	return action == RULE_DROP || action == RULE_MERGE || action == RULE_SPLIT;
}

static int check_pattern(const struct rule *rule, const char *pattern, bool last, struct err *err)
{
	const struct sys_row *row = row_of(pattern);

	if (!row)
		return err_set(err, EINVAL,
			"\"%.100s\" does not begin with the name of a system call and \"(\"",
			pattern);
	if (rules_other_name(row->nr) != row->nr)
		return err_set(err, EINVAL, "%s is compared, and printed, as %s: name that",
			row->name, sys_row(rules_other_name(row->nr))->name);
	if (rules_is_look(&(struct call){ .nr = row->nr, .args = { ~0ul, ~0ul, ~0ul } }))
		return err_set(err, EINVAL, "%s only asks: a built-in rule is for that", row->name);
	if (has_operations(row->nr))
		return 0;
	if (row->class == SYS_PROCESS)
		return err_set(err, EINVAL, "%s makes or ends processes: no rule can allow that",
			row->name);
	if (row->class == SYS_LOCAL)
		return err_set(err, EINVAL, "%s is not compared: it needs no rule", row->name);
	if (row->class == SYS_UNSUPPORTED || row->class == SYS_REFUSED)
		return err_set(err, EINVAL, "%s cannot be replicated", row->name);
	if ((row->flags & SYS_NEWFD) && (rule->action != RULE_ADD || row->nr != SYS_openat))
		return err_set(err, EINVAL,
			"%s makes a descriptor, which the other version would lack", row->name);
	if ((row->flags & SYS_ADDR_RESULT) && is_answered(rule->action))
		return err_set(err, EINVAL,
			"%s makes a mapping, which the other version would lack: add it",
			row->name);
	if (rule->action == RULE_SWAP && (row->flags & SYS_BARRIER))
		return err_set(err, EINVAL,
			"%s cannot be taken back: its order is seen from outside", row->name);
	if (!last && (row->flags & SYS_BARRIER))
		return err_set(err, EINVAL,
			"%s cannot be taken back: it may only be the last call of a sequence",
			row->name);
	return 0;
}

static int take_calls(struct rule *rule, const struct json *list, int side, struct err *err)
{
	size_t n = json_count(list);

	if (json_type(list) != JSON_ARRAY || !n || n > RULEFILE_SEQUENCE)
		return err_set(err, EINVAL, "is no list of 1 to %d calls", RULEFILE_SEQUENCE);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string(json_at(list, i));
		bool sequence = rule->action == RULE_MERGE || rule->action == RULE_SPLIT;
		int rc;

		if (!text)
			return err_set(err, EINVAL, "entry %zu is no string", i);
		rc = check_pattern(rule, text, !sequence || i + 1 == n, err);
		if (rc < 0)
			return rc;
		rule->calls[side][rule->ncalls[side]++] = xstrdup(text);
	}
	return 0;
}

static int take_results(struct rule *rule, const struct json *list, struct err *err)
{
	if (json_type(list) != JSON_ARRAY || json_count(list) > RULEFILE_SEQUENCE)
		return err_set(err, EINVAL, "is no list of numbers");
	for (size_t i = 0; i < json_count(list); i++) {
		if (json_integer(
			    json_at(list, i), -4095, LLONG_MAX, &rule->results[rule->nresults]) < 0)
			return err_set(err, EINVAL, "entry %zu is no result of a call", i);
		rule->nresults++;
	}
	return 0;
}

static int take_field(
	struct rule *rule, const char *key, const struct json *value, int *side, struct err *err)
{
	bool one_sided = rule->action == RULE_DROP || rule->action == RULE_ADD;
	const char *text = json_string(value);
	long long n;

	if (strcmp(key, "name") == 0 || strcmp(key, "action") == 0)
		return 0;
	if (strcmp(key, "why") == 0)
		return text ? 0 : err_set(err, EINVAL, "is no string");
	if (strcmp(key, "in") == 0 && one_sided) {
		if (!text || (strcmp(text, "old") != 0 && strcmp(text, "new") != 0))
			return err_set(err, EINVAL, "is neither \"old\" nor \"new\"");
		*side = strcmp(text, "new") == 0;
		return 0;
	}
	if (strcmp(key, "calls") == 0 && one_sided)
		return *side < 0 ? err_set(err, EINVAL, "\"in\" must come before it")
				 : take_calls(rule, value, *side, err);
	if (strcmp(key, "calls") == 0 && rule->action == RULE_SWAP)
		return take_calls(rule, value, 0, err);
	if (strcmp(key, "window") == 0 && rule->action == RULE_SWAP) {
		if (json_integer(value, 2, WINDOW_MAX, &n) < 0)
			return err_set(err, EINVAL, "is no number from 2 to %d", WINDOW_MAX);
		rule->window = (int)n;
		return 0;
	}
	if (!one_sided && rule->action != RULE_SWAP) {
		if (strcmp(key, "old") == 0 || strcmp(key, "new") == 0)
			return take_calls(rule, value, strcmp(key, "new") == 0, err);
		if (strcmp(key, "results") == 0 && rule->action != RULE_REWRITE)
			return take_results(rule, value, err);
	}
	if (strcmp(key, "results") == 0 && rule->action == RULE_DROP)
		return take_results(rule, value, err);
	return err_set(err, EINVAL, "a rule to %s has no such field", actions[rule->action]);
}

static int check_whole(const struct rule *rule, struct err *err)
{
	const int *n = rule->ncalls;

	switch (rule->action) {
	case RULE_DROP:
	case RULE_ADD:
		return n[0] + n[1] ? 0 : err_set(err, EINVAL, "\"in\" or \"calls\" is missing");
	case RULE_SWAP:
		return n[0] >= 2 ? 0 : err_set(err, EINVAL, "\"calls\" needs two or more");
	case RULE_REWRITE:
		return n[0] == 1 && n[1] == 1
			       ? 0
			       : err_set(err, EINVAL, "\"old\" and \"new\" need one call each");
	case RULE_MERGE:
		return n[0] > n[1] && n[1]
			       ? 0
			       : err_set(err, EINVAL, "\"old\" must have more calls than \"new\"");
	case RULE_SPLIT:
		return n[1] > n[0] && n[0]
			       ? 0
			       : err_set(err, EINVAL, "\"new\" must have more calls than \"old\"");
	}
	return 0;
}

static int take_rule(struct rule *rule, const struct json *j, struct err *err)
{
	const char *name = json_string(json_get(j, "name"));
	const char *action = json_string(json_get(j, "action"));
	int side = -1, rc;
	size_t a;

	if (json_type(j) != JSON_OBJECT)
		return err_set(err, EINVAL, "is no object");
	if (!name || !name[0] || strlen(name) > 64 ||
		name[strspn(
			name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
		return err_set(err, EINVAL,
			"\"name\" must be letters, digits, dots, dashes and underscores");
	for (a = 0; a < ARRAY_SIZE(actions) && (!action || strcmp(actions[a], action) != 0); a++) {
	}
	if (a == ARRAY_SIZE(actions))
		return err_set(err, EINVAL,
			"\"action\" is none of drop, add, rewrite, merge, split, reorder");
	rule->name = xstrdup(name);
	rule->action = (enum rule_action)a;
	rule->window = WINDOW;
	for (size_t i = 0; i < json_count(j); i++) {
		rc = take_field(rule, json_key_at(j, i), json_at(j, i), &side, err);
		if (rc < 0)
			return err_context(err, "%s: %.100s", name, json_key_at(j, i));
	}
	rc = check_whole(rule, err);
	return rc < 0 ? err_context(err, "%s", name) : 0;
}

static int take_file(struct rules *rules, const struct json *j, struct err *err)
{
	const struct json *list = json_get(j, "rules");
	long long format;
	int rc;

	if (json_type(j) != JSON_OBJECT)
		return err_set(err, EINVAL, "is no JSON object");
	if (json_integer(json_get(j, "mx-rules"), FORMAT, FORMAT, &format) < 0)
		return err_set(
			err, EINVAL, "\"mx-rules\": %d, the format's version, is missing", FORMAT);
	for (size_t i = 0; i < json_count(j); i++) {
		const char *key = json_key_at(j, i);

		if (strcmp(key, "mx-rules") != 0 && strcmp(key, "rules") != 0 &&
			strcmp(key, "$schema") != 0)
			return err_set(err, EINVAL, "there is no field \"%.100s\"", key);
	}
	if (json_type(list) != JSON_ARRAY || json_count(list) > RULES_MAX)
		return err_set(err, EINVAL, "\"rules\" is no list of at most %d", RULES_MAX);
	rules->items = xzalloc((json_count(list) + 1) * sizeof(*rules->items));
	for (size_t i = 0; i < json_count(list); i++) {
		rules->count++;
		rc = take_rule(&rules->items[i], json_at(list, i), err);
		if (rc < 0)
			return err_context(err, "rule %zu", i + 1);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(rules->items[k].name, rules->items[i].name) == 0)
				return err_set(err, EINVAL, "rule %zu: the name %s is taken", i + 1,
					rules->items[i].name);
		}
	}
	return 0;
}

int rulefile_parse(const struct json *j, struct rules **ret_rules, struct err *err)
{
	struct rules *rules = xzalloc(sizeof(*rules));
	int rc = take_file(rules, j, err);

	if (rc < 0)
		rulefile_free(rules);
	else
		*ret_rules = rules;
	return rc;
}

int rulefile_load(const char *path, struct rules **ret_rules, struct err *err)
{
	cleanup_json struct json *j = NULL;
	int rc = json_read_file(path, RULEFILE_MAX, &j, err);

	if (rc < 0)
		return rc;
	rc = rulefile_parse(j, ret_rules, err);
	return rc < 0 ? err_context(err, "%s", path) : 0;
}

void rulefile_free(struct rules *rules)
{
	if (!rules)
		return;
	for (int i = 0; i < rules->count; i++) {
		struct rule *rule = &rules->items[i];

		free(rule->name);
		for (int side = 0; side < 2; side++) {
			for (int k = 0; k < rule->ncalls[side]; k++)
				free(rule->calls[side][k]);
		}
	}
	free(rules->items);
	free(rules);
}
