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

/* The call as a pattern: without its result, addresses are any, and what is special is itself. */
static char *pattern_of(const char *call)
{
	struct str out = STR_INIT;
	const char *end = strstr(call, ") = ");
	size_t len = end ? (size_t)(end - call) + 1 : strlen(call);

	for (size_t i = 0; i < len; i++) {
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

/*
 * The same call with other arguments: one stands for the other. Two calls: one of them is extra,
 * and which, the log cannot tell: what is proposed is that the new version's is.
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
	rule = json_new(JSON_OBJECT);
	json_set(rule, "name", json_new_string(name));
	n = strcspn(old_call, "(");
	if (n == strcspn(new_call, "(") && strncmp(old_call, new_call, n) == 0) {
		json_set(rule, "why",
			json_new_string("PROPOSED: is the new call as good as the old one?"));
		json_set(rule, "action", json_new_string("rewrite"));
		json_set(rule, "old", one_pattern(old_call));
		json_set(rule, "new", one_pattern(new_call));
		return rule;
	}
	json_set(rule, "why",
		json_new_string("PROPOSED: is it the new version that makes one call more?"));
	json_set(rule, "action", json_new_string("drop"));
	json_set(rule, "in", json_new_string("new"));
	json_set(rule, "calls", one_pattern(new_call));
	return rule;
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

static int learn(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cleanup_json struct json *file = json_new(JSON_OBJECT);
	cleanup_str struct str text = STR_INIT, out = STR_INIT;
	struct json *list = json_new(JSON_ARRAY);
	struct err err;

	json_set(file, "mx-rules", json_new_integer(1));
	json_set(file, "rules", list);
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
	if (argc - optind != 2 || strcmp(argv[optind], "learn") != 0)
		return cmd_usage_error(&cmd_rules, "learn LOG is what it can do");
	return learn(argv[optind + 1]);
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
	.args = "[--help] learn LOG",
	.summary = "propose rules from the divergences in a log",
	.run = rules,
	.help = "A proposal is for reading, not for taking: it says what was different, and "
		"somebody has\n"
		"to say that it does not matter. Divergences that no rule can allow are named on "
		"standard\n"
		"error.\n",
};
