/* SPDX-License-Identifier: Apache-2.0 */
/* mx doctor: what of this machine will or won't work, and why. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "cmd.h"
#include "doctor.h"

enum { OPT_MX_CONF = 256 };

static const struct option options[] = {
	{ "mx-conf", required_argument, NULL, OPT_MX_CONF },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"  --mx-conf FILE     the operator's configuration (default: /etc/mx/mx.conf)\n"
	"  -o, --output text|json\n"
	"                     the form (default: text)\n"
	"\n"
	"The exit status is 0 where all that is needed is there, 1 where something is missing.\n";

static const char *const levels[] = {
	[FINDING_GOOD] = "ok",
	[FINDING_LESS] = "less",
	[FINDING_BAD] = "BAD",
};

static void print_text(const struct findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		printf("%-4s  %-17s  %s\n", levels[f->items[i].level], f->items[i].topic,
			str_text(&f->items[i].text));
}

static void print_json(const struct findings *f)
{
	cleanup_str struct str out = STR_INIT;
	struct jsonw w;

	jsonw_init(&w, &out, false);
	jsonw_array_begin(&w);
	for (size_t i = 0; i < f->count; i++) {
		jsonw_object_begin(&w);
		jsonw_kv_str(&w, "topic", f->items[i].topic);
		jsonw_kv_str(&w, "level", levels[f->items[i].level]);
		jsonw_kv_str(&w, "text", str_text(&f->items[i].text));
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	puts(str_text(&out));
}

static int doctor(int argc, char **argv)
{
	struct findings f = { 0 };
	const char *conf = NULL;
	char mx[PATH_MAX] = "";
	bool json = false;
	int opt, status = 0;

	while ((opt = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			cmd_print_help(&cmd_doctor);
			return 0;
		case OPT_MX_CONF:
			conf = optarg;
			break;
		case 'o':
			json = strcmp(optarg, "json") == 0;
			if (!json && strcmp(optarg, "text") != 0)
				return cmd_usage_error(&cmd_doctor, "bad value '%s'", optarg);
			break;
		default:
			return MX_EXIT_USAGE;
		}
	}
	if (optind < argc)
		return cmd_usage_error(&cmd_doctor, "what is '%s' for?", argv[optind]);
	if (readlink("/proc/self/exe", mx, sizeof(mx) - 1) < 0) {
		fprintf(stderr, "mx doctor: /proc/self/exe: %s\n", strerror(errno));
		return 1;
	}
	doctor_engine(&f, mx);
	doctor_containers(&f, conf);
	for (size_t i = 0; i < f.count; i++)
		status |= f.items[i].level == FINDING_BAD;
	if (json)
		print_json(&f);
	else
		print_text(&f);
	findings_free(&f);
	return status;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.args = "[OPTION...]",
	.summary = "what of this machine will or won't work, and why",
	.run = doctor,
	.help = help,
};
