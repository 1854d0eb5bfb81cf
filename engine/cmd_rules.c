/* SPDX-License-Identifier: Apache-2.0 */
/* mx lint and mx rules: rule files are checked, and proposed from what a log tells. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/io.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "mxm/rulefile.h"
#include "oci/json.h"
#include "sys/sys.h"

#define LOG_MAX (256u << 20)

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What can be said of a proposal without the file: a rule of its own is checked. */
static int check_proposal(struct json *rule, struct err *err)
{
	cleanup_json struct json *file = json_new(JSON_OBJECT);
	struct json *list = json_new(JSON_ARRAY);
	struct rules *rules = NULL;
	int rc;

	json_set(file, "mx-rules", json_new_integer(1));
	json_append(list, json_copy(rule));
	json_set(file, "rules", list);
	rc = rulefile_parse(file, &rules, err);
	rulefile_free(rules);
	return rc;
}

static const struct sys_row *row_of(const char *call)
{
	size_t len = strcspn(call, "(");

	for (uint32_t nr = 0; nr <= sys_max(); nr++) {
		const struct sys_row *row = sys_row(nr);

		if (row && strncmp(row->name, call, len) == 0 && !row->name[len])
			return row;
	}
	return NULL;
}

/*
 * The first argument where it is a descriptor that the program has made: the next connection's is
 * another one. 0: it is none.
 */
static size_t descriptor_len(const char *call)
{
	const struct sys_row *row = row_of(call);
	const char *arg = call + strcspn(call, "(");
	size_t digits = *arg ? strspn(arg + 1, "0123456789") : 0;

	if (!row || row->args[0].kind != ARG_FD || !digits || !strchr(",)", arg[1 + digits]))
		return 0;
	return digits == 1 && arg[1] <= '2' ? 0 : digits;
}

/* The call as a pattern: without its result; descriptors and addresses are any, and what is special
 * is itself. */
static char *pattern_of(const char *call)
{
	struct str out = STR_INIT;
	const char *end = strstr(call, ") = ");
	size_t len = end ? (size_t)(end - call) + 1 : strlen(call);
	size_t head = strcspn(call, "(") + 1, fd = descriptor_len(call), i = 0;

	if (fd) {
		str_append(&out, call, head);
		str_putc(&out, '*');
		i = head + fd;
	}
	for (; i < len; i++) {
		if (i && call[i] == '0' && call[i + 1] == 'x') {
			str_putc(&out, '*');
			i += 1 + strspn(call + i + 2, "0123456789abcdef");
			continue;
		}
		if (strchr("*?\\", call[i]))
			str_putc(&out, '\\');
		str_putc(&out, call[i]);
	}
	return out.data ? out.data : xstrdup("");
}

static struct json *one_pattern(const char *call)
{
	cleanup_free char *pattern = pattern_of(call);

	return json_new_strings(pattern, NULL);
}

static struct json *propose_drop(const char *call, bool in_new, const char *name)
{
	struct json *rule = json_new(JSON_OBJECT);

	json_set(rule, "name", json_new_string(name));
	json_set(rule, "why",
		json_new_string(
			in_new ? "PROPOSED: is it the new version that makes one call more?"
			       : "PROPOSED: is it the old version that makes one call more?"));
	json_set(rule, "action", json_new_string("drop"));
	json_set(rule, "in", json_new_string(in_new ? "new" : "old"));
	json_set(rule, "calls", one_pattern(call));
	return rule;
}

/* How much of a program's work the call is: what waits, and what cannot be taken back, most. */
static int weight_of(const char *call)
{
	const struct sys_row *row = row_of(call);

	if (!row)
		return 3;
	return ((row->flags & SYS_BARRIER) ? 1 : 0) + ((row->flags & SYS_BLOCKS) ? 1 : 0);
}

/*
 * Two calls: one of them is extra: the one that does less, else the new version's; or the other
 * one, if it does nothing for the world and no rule can allow the first.
 */
static struct json *propose_one_sided(const char *old_call, const char *new_call, const char *name)
{
	bool new_first = weight_of(new_call) <= weight_of(old_call);
	struct json *rule = propose_drop(new_first ? new_call : old_call, new_first, name);
	struct json *other;
	struct err err;

	if (check_proposal(rule, &err) == 0)
		return rule;
	/* What works for the world is not given up because the other call cannot be. */
	if (weight_of(new_first ? old_call : new_call))
		return rule;
	other = propose_drop(new_first ? old_call : new_call, !new_first, name);
	if (check_proposal(other, &err) == 0) {
		json_free(rule);
		return other;
	}
	json_free(other);
	return rule;
}

/*
 * The same call with other arguments: one stands for the other. Two calls: one of them is extra.
 */
static struct json *propose(const struct json *event, size_t number)
{
	const char *leader = json_string(json_get(event, "leader"));
	const char *theirs = json_string(json_get(event, "leader_call"));
	const char *ours = json_string(json_get(event, "follower_call"));
	bool new_leads = leader && strcmp(leader, "new") == 0;
	const char *old_call = new_leads ? ours : theirs, *new_call = new_leads ? theirs : ours;
	cleanup_free char *name = xasprintf("learned-%zu", number);
	struct json *rule;
	size_t n;

	if (!old_call || !new_call)
		return NULL;
	n = strcspn(old_call, "(");
	if (n == strcspn(new_call, "(") && strncmp(old_call, new_call, n) == 0) {
		rule = json_new(JSON_OBJECT);
		json_set(rule, "name", json_new_string(name));
		json_set(rule, "why",
			json_new_string("PROPOSED: is the new call as good as the old one?"));
		json_set(rule, "action", json_new_string("rewrite"));
		json_set(rule, "old", one_pattern(old_call));
		json_set(rule, "new", one_pattern(new_call));
		return rule;
	}
	return propose_one_sided(old_call, new_call, name);
}

/* Two divergences of the same kind make one proposal. */
static bool is_known(const struct json *list, const struct json *rule)
{
	static const char *const fields[] = { "old", "new", "calls" };

	for (size_t i = 0; i < json_count(list); i++) {
		bool same = true;

		for (size_t k = 0; k < ARRAY_SIZE(fields); k++) {
			cleanup_str struct str a = STR_INIT, b = STR_INIT;
			const struct json *x = json_get(json_at(list, i), fields[k]);
			const struct json *y = json_get(rule, fields[k]);

			if (x)
				json_print(x, &a);
			if (y)
				json_print(y, &b);
			same = same && strcmp(str_text(&a), str_text(&b)) == 0;
		}
		if (same)
			return true;
	}
	return false;
}

static void learn_from(struct json *list, const struct json *event)
{
	const char *name = json_string(json_get(event, "event"));
	struct json *rule;
	struct err err;

	if (!name || strcmp(name, "divergence") != 0)
		return;
	rule = propose(event, json_count(list) + 1);
	if (!rule) {
		fprintf(stderr, "mx rules: a divergence without two calls: no rule is for that\n");
		return;
	}
	if (check_proposal(rule, &err) < 0)
		fprintf(stderr, "mx rules: no rule can allow this: %s\n", err.text);
	else if (!is_known(list, rule)) {
		json_append(list, rule);
		return;
	}
	json_free(rule);
}

static int learn_log(struct json *list, const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cleanup_str struct str text = STR_INIT;
	struct err err;

	if (fd < 0 || io_read_fd(fd, LOG_MAX, &text, &err) < 0) {
		fprintf(stderr, "mx rules: %s: %s\n", path, fd < 0 ? strerror(errno) : err.text);
		return 1;
	}
	for (size_t at = 0; at < text.len;) {
		char *end = memchr(text.data + at, '\n', text.len - at);
		size_t len = end ? (size_t)(end - text.data) - at : text.len - at;
		cleanup_json struct json *event = NULL;

		if (json_parse(text.data + at, len, &event, NULL) == 0)
			learn_from(list, event);
		at += len + 1;
	}
	return 0;
}

static int learn(char **paths, int n)
{
	cleanup_json struct json *file = json_new(JSON_OBJECT);
	cleanup_str struct str out = STR_INIT;
	struct json *list = json_new(JSON_ARRAY);

	json_set(file, "mx-rules", json_new_integer(1));
	json_set(file, "rules", list);
	for (int i = 0; i < n; i++) {
		if (learn_log(list, paths[i]) != 0)
			return 1;
	}
	json_print(file, &out);
	puts(str_text(&out));
	return 0;
}

static int rules(int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (opt != 'h')
			return MX_EXIT_USAGE;
		cmd_print_help(&cmd_rules);
		return 0;
	}
	if (argc - optind < 2 || strcmp(argv[optind], "learn") != 0)
		return cmd_usage_error(&cmd_rules, "learn LOG... is what it can do");
	return learn(argv + optind + 1, argc - optind - 1);
}

static int lint(int argc, char **argv)
{
	struct rules *found;
	struct err err;
	int opt, status = 0;

	while ((opt = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (opt != 'h')
			return MX_EXIT_USAGE;
		cmd_print_help(&cmd_lint);
		return 0;
	}
	if (optind == argc)
		return cmd_usage_error(&cmd_lint, "which file?");
	for (; optind < argc; optind++) {
		if (rulefile_load(argv[optind], &found, &err) < 0) {
			fprintf(stderr, "mx lint: %s\n", err.text);
			status = 1;
			continue;
		}
		printf("%s: %d rules\n", argv[optind], found->count);
		for (int i = 0; i < found->count; i++)
			printf("  %-8s %s\n", rulefile_action_name(found->items[i].action),
				found->items[i].name);
		rulefile_free(found);
	}
	return status;
}

const struct cmd cmd_lint = {
	.name = "lint",
	.args = "[--help] FILE...",
	.summary = "check files of rules",
	.run = lint,
	.help = "Rules say which differences between the versions are wanted: mx-rules(5).\n"
		"The exit status is 1 where a file is wrong; the message names the rule and the "
		"field.\n",
};

const struct cmd cmd_rules = {
	.name = "rules",
	.args = "[--help] learn LOG...",
	.summary = "propose rules from the divergences in logs",
	.run = rules,
	.help = "A proposal is for reading, not for taking: it says what was different, and "
		"somebody has\n"
		"to say that it does not matter. Divergences that no rule can allow are named on "
		"standard\n"
		"error.\n",
};
