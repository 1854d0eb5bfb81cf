/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <stdint.h>
#include <string.h>

#include "base/version.h"
#include "ctl/state.h"

/* Where a family's samples come from in the status object. */
enum source {
	FROM_FIELD,    /* a number: one sample */
	FROM_TALLY,    /* an object of numbers: one sample a key */
	FROM_VERSIONS, /* a field of each version */
	FROM_RUNS,     /* a boolean of each version */
	FROM_PHASE,    /* 1 for the phase that it is in */
	FROM_LEADER,   /* 1 for the version that leads */
};

/*
 * Kinds that a tally may have one day are 0 until then: a series that begins with 1 has never
 * increased, for Prometheus.
 */
static const char *const divergence_kinds[] = { "arguments", "call", "descriptor",
	"descriptor-mode", "late", "operation", "position", "result", "signal-mask", "unsupported",
	NULL };
static const char *const recovery_results[] = { "recovered", "refused", NULL };

static const struct family {
	const char *name, *type, *help;
	enum source source;
	const char *field;
	const char *label;	  /* FROM_TALLY */
	const char *const *known; /* FROM_TALLY: keys that are always shown, or NULL */
} families[] = {
	{ "mx_phase", "gauge", "Whether the run is in that phase.", FROM_PHASE },
	{ "mx_leader", "gauge", "Whether that version's system calls really happen.", FROM_LEADER },
	{ "mx_version_running", "gauge", "Whether the version runs.", FROM_RUNS, "runs" },
	{ "mx_syscalls_total", "counter", "System calls that came to the engine.", FROM_VERSIONS,
		"syscalls" },
	{ "mx_crashes_total", "counter", "Crashes.", FROM_VERSIONS, "crashes" },
	{ "mx_divergences_total", "counter", "Times that the versions did different things.",
		FROM_TALLY, "divergences", "kind", divergence_kinds },
	{ "mx_rules_applied_total", "counter",
		"Harmless differences, by the rule that allowed them.", FROM_TALLY, "rules",
		"rule" },
	{ "mx_recoveries_total", "counter", "Attempts to bring a version back.", FROM_TALLY,
		"recoveries", "result", recovery_results },
	{ "mx_events_total", "counter", "Synchronised events of the stream.", FROM_FIELD,
		"events" },
	{ "mx_signals_total", "counter", "Asynchronous signals.", FROM_FIELD, "signals" },
	{ "mx_payload_bytes_total", "counter", "Bytes that events carried.", FROM_FIELD,
		"payload_bytes" },
	{ "mx_log_lost_total", "counter", "Events that could not be written to the log.",
		FROM_FIELD, "log_lost" },
	{ "mx_age_seconds", "gauge", "How long the run has lasted.", FROM_FIELD, "age" },
	{ "mx_calm_seconds", "gauge", "Time since the last divergence or crash, or the start.",
		FROM_FIELD, "calm" },
};

/* A label's value: exposition format, "Comments, help text, and type information". */
static void put_label(struct str *out, const char *name, const char *value)
{
	str_printf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			str_puts(out, "\\n");
		else if (*value == '"' || *value == '\\')
			str_printf(out, "\\%c", *value);
		else
			str_putc(out, *value);
	}
	str_putc(out, '"');
}

/* name{container="c",app="a"[,label="value"]} number */
static void put_sample(struct str *out, const char *name, const struct metrics_run *run,
	const char *label, const char *value, const struct json *number, bool yes)
{
	const char *app = json_string(json_path(run->answer, "status.app"));
	const struct target *t = run->target;

	str_printf(out, "%s{", name);
	put_label(out, "container", t->name ? t->name : t->id);
	str_putc(out, ',');
	put_label(out, "app", app ? app : "");
	if (label) {
		str_putc(out, ',');
		put_label(out, label, value);
	}
	str_puts(out, "} ");
	if (number && json_type(number) == JSON_NUMBER)
		json_print(number, out);
	else
		str_putc(out, yes ? '1' : '0');
	str_putc(out, '\n');
}

static void put_versions(struct str *out, const struct family *f, const struct metrics_run *run,
	const struct json *status)
{
	const struct json *versions = json_get(status, "versions");
	const char *leader = json_string(json_get(status, "leader"));

	for (size_t i = 0; i < json_count(versions); i++) {
		const struct json *v = json_at(versions, i);
		const char *name = json_string(json_get(v, "name"));

		if (!name)
			continue;
		if (f->source == FROM_LEADER)
			put_sample(out, f->name, run, "version", name, NULL,
				leader && strcmp(leader, name) == 0);
		else
			put_sample(out, f->name, run, "version", name, json_get(v, f->field),
				json_is_true(json_get(v, f->field)));
	}
}

static void put_run(struct str *out, const struct family *f, const struct metrics_run *run)
{
	const struct json *status = json_get(run->answer, "status"), *object;
	const char *phase = json_string(json_get(status, "phase"));

	if (!status)
		return;
	switch (f->source) {
	case FROM_FIELD:
		put_sample(out, f->name, run, NULL, NULL, json_get(status, f->field), false);
		break;
	case FROM_TALLY:
		object = json_get(status, f->field);
		for (size_t i = 0; i < json_count(object); i++)
			put_sample(out, f->name, run, f->label, json_key_at(object, i),
				json_at(object, i), false);
		for (const char *const *key = f->known; key && *key; key++) {
			if (!json_get(object, *key))
				put_sample(out, f->name, run, f->label, *key, NULL, false);
		}
		break;
	case FROM_PHASE:
		for (int p = 0; p < PHASES; p++)
			put_sample(out, f->name, run, "phase", state_phase_name(p), NULL,
				phase && strcmp(phase, state_phase_name(p)) == 0);
		break;
	case FROM_VERSIONS:
	case FROM_RUNS:
	case FROM_LEADER:
		put_versions(out, f, run, status);
		break;
	}
}

static void put_head(struct str *out, const char *name, const char *help, const char *type)
{
	str_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_durations(struct str *out, const struct metrics_run *run)
{
	const struct json *status = json_get(run->answer, "status");
	const struct json *tally = json_get(status, "recoveries");
	cleanup_json struct json *all = NULL;
	long long n, count = 0;

	if (!status)
		return;
	for (size_t i = 0; i < json_count(tally); i++) {
		if (json_integer(json_at(tally, i), 0, INT64_MAX, &n) == 0)
			count += n;
	}
	all = json_new_integer(count);
	put_sample(out, "mx_recovery_duration_seconds_sum", run, NULL, NULL,
		json_get(status, "recovery_seconds"), false);
	put_sample(out, "mx_recovery_duration_seconds_count", run, NULL, NULL, all, false);
}

void metrics_put(const struct metrics_run *runs, size_t count, struct str *out)
{
	put_head(out, "mx_build_info", "The version of mx that answers.", "gauge");
	str_printf(out, "mx_build_info{version=\"%s\"} 1\n", MX_VERSION);
	put_head(out, "mx_up", "Whether the engine of the run answered.", "gauge");
	for (size_t r = 0; r < count; r++)
		put_sample(out, "mx_up", &runs[r], NULL, NULL, NULL, runs[r].answer != NULL);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		put_head(out, families[i].name, families[i].help, families[i].type);
		for (size_t r = 0; r < count; r++)
			put_run(out, &families[i], &runs[r]);
	}
	put_head(out, "mx_recovery_duration_seconds", "How long recoveries took.", "summary");
	for (size_t r = 0; r < count; r++)
		put_durations(out, &runs[r]);
}
