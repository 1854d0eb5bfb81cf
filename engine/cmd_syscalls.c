/* SPDX-License-Identifier: Apache-2.0 */
/* mx syscalls: what the engine does with each system call. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "cmd.h"
#include "sys/sys.h"

/* The class of a call that is many calls in one, each with a class of its own. */
#define BY_OPERATION "by-operation"

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_MARKDOWN };

struct view {
	enum format format;
	const char *class; /* NULL: all */
	bool operations;
	struct jsonw *json;
	uint32_t nr; /* operations of this call */
};

struct tally {
	uint32_t nr;
	unsigned known, supported;
};

static bool is_supported(const struct sys_row *row)
{
	return row->class != SYS_UNSUPPORTED && row->class != SYS_REFUSED;
}

static void count_operation(const struct sys_row *row, void *arg)
{
	struct tally *tally = arg;

	if (row->nr != tally->nr)
		return;
	tally->known++;
	tally->supported += is_supported(row);
}

static struct tally operations_of(const struct sys_row *row)
{
	struct tally tally = { .nr = row->nr };

	sys_each_operation(count_operation, &tally);
	return tally;
}

static const char *class_of(const struct sys_row *row)
{
	if (row->class == SYS_UNSUPPORTED && operations_of(row).supported)
		return BY_OPERATION;
	return sys_class_name(row->class);
}

static const char *flag_name(unsigned bit)
{
	static const char *const names[] = { "free", "new-fd", "barrier", "raises", "same-result",
		"pid-result", "blocks", "address-result" };

	return bit < sizeof(names) / sizeof(names[0]) ? names[bit] : "?";
}

static void put_flags(struct str *out, const struct sys_row *row)
{
	for (unsigned bit = 0; bit < 32; bit++)
		if (row->flags >> bit & 1)
			str_printf(out, "%s%s", out->len ? "," : "", flag_name(bit));
}

static bool wanted(const struct view *view, const char *class)
{
	return !view->class || strcmp(view->class, class) == 0;
}

static void print_json(const struct view *view, const struct sys_row *row, const char *class)
{
	struct jsonw *w = view->json;

	jsonw_kv_uint(w, "number", row->nr);
	jsonw_kv_str(w, "name", row->name);
	jsonw_kv_str(w, "class", class);
	jsonw_key(w, "flags");
	jsonw_array_begin(w);
	for (unsigned bit = 0; bit < 32; bit++)
		if (row->flags >> bit & 1)
			jsonw_str(w, flag_name(bit));
	jsonw_array_end(w);
	if (row->reason)
		jsonw_kv_str(w, "reason", row->reason);
}

static void print_row(
	const struct view *view, const struct sys_row *row, const char *class, bool call)
{
	cleanup_str struct str flags = STR_INIT;
	const char *reason = row->reason ? row->reason : "";

	put_flags(&flags, row);
	if (call)
		printf(view->format == FORMAT_TEXT ? "%6u " : "| %u ", row->nr);
	else
		printf(view->format == FORMAT_TEXT ? "       " : "| ");
	/* A base row's reason is about what its table does not know. */
	if (view->format == FORMAT_TEXT)
		printf("%-28s %-12s %s%s%s%s\n", row->name, class, str_text(&flags),
			flags.len && *reason ? " " : "",
			*reason && strcmp(class, BY_OPERATION) == 0 ? "but not: " : "", reason);
	else
		printf("| `%s` | %s | %s | %s%s |\n", row->name, class, str_text(&flags),
			*reason && strcmp(class, BY_OPERATION) == 0 ? "but not: " : "", reason);
}

static void print_operation(const struct sys_row *row, void *arg)
{
	const struct view *view = arg;
	const char *class = sys_class_name(row->class);

	if (row->nr != view->nr || !wanted(view, class))
		return;
	if (view->format == FORMAT_JSON) {
		jsonw_object_begin(view->json);
		print_json(view, row, class);
		jsonw_object_end(view->json);
	} else {
		print_row(view, row, class, false);
	}
}

static void print_call(struct view *view, const struct sys_row *row)
{
	const char *class = class_of(row);
	bool is_wanted = wanted(view, class);

	view->nr = row->nr;
	if (view->format != FORMAT_JSON) {
		if (is_wanted)
			print_row(view, row, class, true);
		if (view->operations)
			sys_each_operation(print_operation, view);
		return;
	}
	if (is_wanted) {
		jsonw_object_begin(view->json);
		print_json(view, row, class);
		jsonw_object_end(view->json);
	}
	if (view->operations)
		sys_each_operation(print_operation, view);
}

struct totals {
	unsigned calls, supported, refused, unsupported;
	unsigned operations, operations_supported;
};

static void add_operation(const struct sys_row *row, void *arg)
{
	struct totals *totals = arg;

	totals->operations++;
	totals->operations_supported += is_supported(row);
}

static struct totals count_all(void)
{
	struct totals totals = { 0 };

	for (uint32_t nr = 0; nr <= sys_max(); nr++) {
		const struct sys_row *row = sys_row(nr);

		if (!row)
			continue;
		totals.calls++;
		if (row->class == SYS_REFUSED)
			totals.refused++;
		else if (is_supported(row) || operations_of(row).supported)
			totals.supported++;
		else
			totals.unsupported++;
	}
	sys_each_operation(add_operation, &totals);
	return totals;
}

static void print_totals(const struct view *view)
{
	struct totals t = count_all();

	if (view->format == FORMAT_JSON) {
		jsonw_kv_uint(view->json, "supported", t.supported);
		jsonw_kv_uint(view->json, "refused", t.refused);
		jsonw_kv_uint(view->json, "unsupported", t.unsupported);
		jsonw_kv_uint(view->json, "operations", t.operations);
		jsonw_kv_uint(view->json, "operations_supported", t.operations_supported);
		return;
	}
	printf("%s%u system calls: %u supported, %u refused, %u unsupported; %u operations: %u "
	       "supported\n",
		view->format == FORMAT_MARKDOWN ? "\n" : "", t.calls, t.supported, t.refused,
		t.unsupported, t.operations, t.operations_supported);
}

static void print_head(const struct view *view)
{
	if (view->format == FORMAT_TEXT)
		printf("NUMBER %-28s %-12s FLAGS, REASON\n", "NAME", "CLASS");
	else if (view->format == FORMAT_MARKDOWN)
		printf("# System calls\n\n"
		       "What the engine does with each system call of x86-64. Made by `mx syscalls "
		       "--markdown` from `engine/sys/sys.def`; the classes and flags are explained "
		       "in "
		       "`docs/adding-a-syscall.md`.\n\n"
		       "| Number | Name | Class | Flags | Reason |\n|---|---|---|---|---|\n");
}

static void print_all(struct view *view)
{
	cleanup_str struct str text = STR_INIT;
	struct jsonw json;

	if (view->format == FORMAT_JSON) {
		jsonw_init(&json, &text, true);
		view->json = &json;
		jsonw_object_begin(&json);
		jsonw_key(&json, "calls");
		jsonw_array_begin(&json);
	}
	print_head(view);
	for (uint32_t nr = 0; nr <= sys_max(); nr++)
		if (sys_row(nr))
			print_call(view, sys_row(nr));
	if (view->format == FORMAT_JSON)
		jsonw_array_end(&json);
	print_totals(view);
	if (view->format == FORMAT_JSON) {
		jsonw_object_end(&json);
		puts(str_text(&text));
	}
}

static bool is_class(const char *name)
{
	for (int class = SYS_UNSUPPORTED; class <= SYS_REFUSED; class ++)
		if (strcmp(sys_class_name(class), name) == 0)
			return true;
	return strcmp(name, BY_OPERATION) == 0;
}

static int run_syscalls(int argc, char **argv)
{
	static const struct option options[] = {
		{ "class", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "markdown", no_argument, NULL, 'm' },
		{ "operations", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct view view = { .format = FORMAT_TEXT };
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			if (!is_class(optarg))
				return cmd_usage_error(
					&cmd_syscalls, "there is no class '%s'", optarg);
			view.class = optarg;
			break;
		case 'j':
			view.format = FORMAT_JSON;
			break;
		case 'm':
			view.format = FORMAT_MARKDOWN;
			view.operations = true;
			break;
		case 'o':
			view.operations = true;
			break;
		case 'h':
			cmd_print_help(&cmd_syscalls);
			return 0;
		default:
			return cmd_usage_error(
				&cmd_syscalls, "wrong option '%s'", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return cmd_usage_error(&cmd_syscalls, "too many arguments");
	print_all(&view);
	return 0;
}

const struct cmd cmd_syscalls = {
	.name = "syscalls",
	.args = "[--class CLASS] [--operations] [--json|--markdown]",
	.summary = "what the engine does with each system call",
	.run = run_syscalls,
	.help = "  --class CLASS  only these: local, mirrored, shared, process, refused,\n"
		"                 unsupported, by-operation\n"
		"  --operations   also the operations of calls that are many calls in one (ioctl,\n"
		"                 fcntl, prctl, futex, ...)\n"
		"  --json         for programs\n"
		"  --markdown     with all operations, as in docs/syscalls.md\n",
};
